"""The models that the simulated providers know, with the properties that change an answer."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.simulator.settings import ANTHROPIC, GEMINI, OPENAI


@dataclass(frozen=True, slots=True)
class Model:
    """One model.

    Attributes:
        id: As requested (a dated alias keeps its date).
        dialect: Who serves it.
        model_class: Models of one class share a rate limit (provider-facts A4).
        context_tokens: Longest prompt.
        max_output_tokens: Largest answer.
        ratio_milli: Tokenizer ratio, see `tokenizer`.
        min_cache_tokens: Shortest prefix that is cached (provider-facts A5, B6, B12).
        counts_cache_reads: True where cache reads count against the input limit.
        reports_cache_writes: OpenAI models that bill and report cache writes (provider-facts B6).
        rejects_thinking_enabled: Claude 4.7 and later (provider-facts A6).
        needs_thought_signature: Gemini 3 and later (provider-facts B10).
    """

    id: str
    dialect: str
    model_class: str
    context_tokens: int
    max_output_tokens: int
    ratio_milli: int = 1000
    min_cache_tokens: int = 1024
    counts_cache_reads: bool = False
    reports_cache_writes: bool = False
    rejects_thinking_enabled: bool = False
    needs_thought_signature: bool = False


def _claude(
    name: str,
    shared: str = "",
    *,
    cache: int = 1024,
    new: bool = True,
    context: int = 1_000_000,
    out: int = 128_000,
) -> Model:
    return Model(
        id=name,
        dialect=ANTHROPIC,
        model_class=shared or name,
        context_tokens=context,
        max_output_tokens=out,
        ratio_milli=1300 if new else 1000,
        min_cache_tokens=cache,
        rejects_thinking_enabled=new,
    )


def _gpt(name: str, context: int, out: int, *, writes: bool = False) -> Model:
    return Model(name, OPENAI, name, context, out, reports_cache_writes=writes)


def _gemini(name: str, *, signed: bool = True) -> Model:
    minimum = 4096 if signed else 2048
    return Model(
        name,
        GEMINI,
        name,
        1_048_576,
        65_536,
        min_cache_tokens=minimum,
        counts_cache_reads=True,
        needs_thought_signature=signed,
    )


_OPUS_4 = "claude-opus-4"
_SONNET_4 = "claude-sonnet-4"
_FABLE = "claude-fable-5"

CATALOGUE: tuple[Model, ...] = (
    _claude("claude-fable-5-2", _FABLE, cache=512),
    _claude("claude-fable-5-1", _FABLE, cache=512),
    _claude("claude-fable-5", _FABLE, cache=512),
    _claude("claude-opus-5-5", cache=512),
    _claude("claude-opus-5", cache=512),
    _claude("claude-sonnet-5-5"),
    _claude("claude-sonnet-5"),
    _claude("claude-haiku-5-5", cache=4096),
    _claude("claude-opus-4-8", _OPUS_4),
    _claude("claude-opus-4-7", _OPUS_4, cache=2048),
    _claude("claude-opus-4-6", _OPUS_4, cache=4096, new=False),
    _claude("claude-opus-4-5", _OPUS_4, cache=4096, new=False, context=200_000),
    _claude("claude-sonnet-4-6", _SONNET_4, new=False),
    _claude("claude-sonnet-4-5", _SONNET_4, new=False),
    _claude("claude-haiku-4-5", cache=4096, new=False, context=200_000, out=64_000),
    _gpt("gpt-6-astra", 1_050_000, 128_000, writes=True),
    _gpt("gpt-6.1-sol", 1_050_000, 128_000, writes=True),
    _gpt("gpt-6.1-terra", 1_050_000, 128_000, writes=True),
    _gpt("gpt-6-luna", 1_050_000, 128_000, writes=True),
    _gpt("gpt-5.6-sol", 1_050_000, 128_000, writes=True),
    _gpt("gpt-5.6", 1_050_000, 128_000, writes=True),
    _gpt("gpt-5.5", 1_050_000, 128_000),
    _gpt("gpt-5.4", 1_050_000, 128_000),
    _gpt("gpt-5.4-mini", 400_000, 128_000),
    _gpt("gpt-5.3-codex", 400_000, 128_000),
    _gpt("gpt-5.2", 400_000, 128_000),
    _gpt("gpt-5", 400_000, 128_000),
    _gpt("gpt-5-mini", 400_000, 128_000),
    _gpt("gpt-5-nano", 400_000, 128_000),
    _gpt("gpt-4.1", 1_047_576, 32_768),
    _gpt("gpt-4.1-mini", 1_047_576, 32_768),
    _gpt("gpt-4.1-nano", 1_047_576, 32_768),
    _gpt("gpt-4o", 128_000, 16_384),
    _gpt("gpt-4o-mini", 128_000, 16_384),
    _gpt("o3", 200_000, 100_000),
    _gpt("o4-mini", 200_000, 100_000),
    _gpt("text-embedding-3-small", 8_192, 0),
    _gpt("text-embedding-3-large", 8_192, 0),
    _gemini("gemini-4-argon"),
    _gemini("gemini-3.8-flash"),
    _gemini("gemini-3.7-flash"),
    _gemini("gemini-3.5-flash"),
    _gemini("gemini-3.5-flash-lite"),
    _gemini("gemini-3.1-pro-preview"),
    _gemini("gemini-3-flash-preview"),
    _gemini("gemini-2.5-pro", signed=False),
    _gemini("gemini-2.5-flash", signed=False),
    _gemini("gemini-2.5-flash-lite", signed=False),
    Model(
        "gemini-embedding-001", GEMINI, "gemini-embedding-001", 2_048, 0, counts_cache_reads=True
    ),
)

_DATED = re.compile(r"-(?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$")


class Catalogue:
    """Looks models up; unknown ids do not exist, as at the real providers."""

    def __init__(self, extra: Iterable[tuple[str, str]] = ()) -> None:
        """Add `(dialect, id)` pairs to the built-in models."""
        self._models = {(m.dialect, m.id): m for m in CATALOGUE}
        for dialect, name in extra:
            self._models[dialect, name] = Model(name, dialect, name, 1_000_000, 128_000)

    def find(self, dialect: str, name: str) -> Model | None:
        """The model of that id, or of that id with a date behind it."""
        found = self._models.get((dialect, name))
        if found is None:
            found = self._models.get((dialect, _DATED.sub("", name)))
        return found

    def of(self, dialect: str) -> list[Model]:
        """All models of a dialect in catalogue order."""
        return [m for m in self._models.values() if m.dialect == dialect]
