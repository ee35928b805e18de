"""What each model can do, as far as is known; what is not known here, a model cannot.

From provider-facts A5, A6, B6, B12 and the providers' model pages. One cheap model matched its big
sibling on single tool calls and got none of the parallel ones right, so a capability is listed for
a model and never taken over from its family. An operator who knows more says so in `routes[].can`.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase
from functools import lru_cache

from gateway.domain.signals import Need
from gateway.domain.value import value

_K = 1_000
_REMEMBERED = 1_000
_TOLD = 80
"""Callers make up names of any length, and what is lacking goes into logs."""


@value
class Abilities:
    """One model.

    Attributes:
        can: What it is known to be able to do.
        context_tokens: Prompt and answer together.
        cached_from_tokens: The shortest prefix that its provider caches.
        cache_lifetime_s: How long a cache entry lives that says nothing of it.
    """

    can: frozenset[Need] = frozenset()
    context_tokens: int = 0
    cached_from_tokens: int = 1_024
    cache_lifetime_s: int = 300


_BASIC = frozenset({Need.TOOLS, Need.VISION, Need.STRUCTURED, Need.FORCED_TOOL})
_PARALLEL = _BASIC | {Need.PARALLEL_TOOLS}
_CLAUDE = _PARALLEL | {Need.DOCUMENTS, Need.THINKING_OFF}
_CLAUDE_BUDGET = _CLAUDE | {Need.THINKING_BUDGET}
_CLAUDE_ADAPTIVE = _CLAUDE | {Need.THINKING_ADAPTIVE, Need.EFFORT}
_NEVER_FORCED = _CLAUDE_ADAPTIVE - {Need.FORCED_TOOL}
_NEVER_OFF = _NEVER_FORCED - {Need.THINKING_OFF}
_GPT = _PARALLEL | {Need.CHOICES}
_GPT_REASONING = _PARALLEL | {Need.EFFORT}
_GEMINI = _PARALLEL | {Need.DOCUMENTS, Need.AUDIO, Need.CHOICES, Need.THINKING_BUDGET}
_GEMINI_TOKENS = 1_048_576


def _claude(can: frozenset[Need], context_k: int, cached_from: int) -> Abilities:
    return Abilities(can, context_k * _K, cached_from)


def _openai(can: frozenset[Need], context_k: int) -> Abilities:
    return Abilities(can, context_k * _K, cache_lifetime_s=1_800)


_TABLE: tuple[tuple[str, Abilities], ...] = (
    ("claude-fable-5-2*", _claude(_NEVER_OFF, 1_000, 512)),
    ("claude-fable-5-1*", _claude(_NEVER_OFF, 1_000, 512)),
    ("claude-fable-5*", _claude(_CLAUDE_ADAPTIVE - {Need.THINKING_OFF}, 1_000, 512)),
    ("claude-opus-5-5*", _claude(_NEVER_OFF, 1_000, 4_096)),
    ("claude-opus-5*", _claude(_CLAUDE_ADAPTIVE, 1_000, 512)),
    ("claude-opus-4-8*", _claude(_CLAUDE_ADAPTIVE, 1_000, 1_024)),
    ("claude-opus-4-7*", _claude(_CLAUDE_ADAPTIVE, 1_000, 2_048)),
    ("claude-opus-4-6*", _claude(_CLAUDE_ADAPTIVE | {Need.THINKING_BUDGET}, 1_000, 4_096)),
    ("claude-opus-4-5*", _claude(_CLAUDE_BUDGET | {Need.EFFORT}, 200, 4_096)),
    ("claude-sonnet-5-5*", _claude(_NEVER_FORCED, 1_000, 4_096)),
    ("claude-sonnet-5*", _claude(_CLAUDE_ADAPTIVE, 1_000, 1_024)),
    ("claude-sonnet-4-6*", _claude(_CLAUDE_ADAPTIVE | {Need.THINKING_BUDGET}, 1_000, 1_024)),
    ("claude-sonnet-4-5*", _claude(_CLAUDE_BUDGET, 200, 1_024)),
    ("claude-haiku-5-5*", _claude(_CLAUDE, 1_000, 4_096)),
    ("claude-haiku-4-5*", _claude(_CLAUDE_BUDGET, 200, 4_096)),
    # Parallel calls with the nano models repeat themselves or do not come: not listed.
    ("gpt-6-astra*", _openai(_GPT_REASONING, 1_050)),
    ("gpt-6*", _openai(_GPT_REASONING, 1_050)),
    ("gpt-5.6*", _openai(_GPT_REASONING, 1_050)),
    ("gpt-5.5*", _openai(_GPT_REASONING, 1_050)),
    ("gpt-5.4-nano*", _openai(_BASIC | {Need.EFFORT}, 400)),
    ("gpt-5.4-mini*", _openai(_GPT_REASONING, 400)),
    ("gpt-5.4*", _openai(_GPT_REASONING, 1_050)),
    ("gpt-5-nano*", _openai(_BASIC | {Need.EFFORT}, 400)),
    ("gpt-5*", _openai(_GPT_REASONING, 400)),
    ("gpt-4.1-nano*", _openai(_BASIC | {Need.CHOICES}, 1_050)),
    ("gpt-4.1*", _openai(_GPT, 1_050)),
    ("gpt-4o-audio*", Abilities()),
    ("gpt-4o-realtime*", Abilities()),
    ("gpt-4o*", _openai(_GPT, 128)),
    ("o3*", _openai(_BASIC | {Need.EFFORT}, 200)),
    ("o4-mini*", _openai(_BASIC | {Need.EFFORT}, 200)),
    ("gemini-*-image*", Abilities()),
    ("gemini-*-tts*", Abilities()),
    ("gemini-*-live*", Abilities()),
    ("gemini-2.5-flash-lite*", Abilities(_GEMINI - {Need.PARALLEL_TOOLS}, _GEMINI_TOKENS, 2_048)),
    ("gemini-2.5-*", Abilities(_GEMINI, _GEMINI_TOKENS, 2_048)),
    ("gemini-3*-flash-lite*", Abilities(_GEMINI - {Need.PARALLEL_TOOLS}, _GEMINI_TOKENS, 4_096)),
    ("gemini-3*", Abilities(_GEMINI, _GEMINI_TOKENS, 4_096)),
    ("gemini-4*", Abilities(_GEMINI, _GEMINI_TOKENS, 4_096)),
)  # the first pattern that matches


@lru_cache(maxsize=_REMEMBERED)
def abilities(model: str) -> Abilities | None:
    """What is known of a model; `None`: nothing."""
    name = model.removeprefix("models/")
    return next((known for pattern, known in _TABLE if fnmatchcase(name, pattern)), None)


HARMLESS_BETAS = frozenset(
    {
        "claude-code-20250219",
        "extended-cache-ttl-2025-04-11",
        "fine-grained-tool-streaming-2025-05-14",
        "interleaved-thinking-2025-05-14",
        "oauth-2025-04-20",
        "prompt-caching-2024-07-31",
        "prompt-caching-scope-2026-01-05",
    }
)
"""`anthropic-beta` values which do not ask for anything that one Claude model has and another, from
4.5 on, has not. Any other may."""


def unmet(
    model: str,
    needs: Iterable[Need],
    tokens: int,
    *,
    unknown: Iterable[str] = (),
    betas: Iterable[str] = (),
    can: Iterable[str] = (),
    context_tokens: int | None = None,
) -> str:
    """The first thing that a call needs and the model is not known to have; empty if it has all.

    Args:
        model: Who would answer.
        needs: What the call needs.
        tokens: Prompt and largest answer together.
        unknown: What the request has that nothing here knows.
        betas: Values of `anthropic-beta`.
        can: What the operator says of the model: names of needs, and `beta:NAME`, `field:NAME`.
        context_tokens: Its context as the operator says; `None`: as in the table.
    """
    known = abilities(model)
    stated = frozenset(can)
    if known is None and not stated and context_tokens is None:
        return "model"
    has = known.can if known is not None else frozenset()
    for need in sorted(needs):
        if need not in has and need.value not in stated:
            return need.value
    for beta in betas:
        if beta not in HARMLESS_BETAS and f"beta:{beta}" not in stated:
            return f"beta:{beta}"[:_TOLD]
    for field in unknown:
        if f"field:{field}" not in stated:
            return f"field:{field}"[:_TOLD]
    most = context_tokens
    if most is None:
        most = known.context_tokens if known is not None else 0
    return "context" if tokens > most else ""
