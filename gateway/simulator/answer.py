"""What the simulated model says: a pure function of the conversation and the seed.

Rules, so that tests can ask for what they need in the last user text:

* `[[output=350]]` sets the output tokens, `[[thinking=64]]` the thinking tokens; without them a
  seeded distribution decides. The requested maximum always caps the sum.
* `use tool NAME` calls an offered tool (several may be named); so does a tool choice that forces
  one. Arguments follow the tool's JSON schema.
* The same conversation gives the same answer, streamed or not; only ids and times differ.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import blake2b
from typing import Any

import msgspec

from gateway.simulator.models import Model
from gateway.simulator.reading import items
from gateway.simulator.settings import SimulatorSettings
from gateway.simulator.tokenizer import bytes_of_tokens, count_tokens

_WORDS = (
    b"amber basin cedar delta ember fjord grove harbor inlet jasper kelp lagoon meadow north "
    b"orchid pebble quartz river saffron tundra umber valley willow xenon yarrow zephyr anchor "
    b"bridge candle drift echo forest glade hollow island journey kindle lantern marble nectar"
).split()
_DIRECTIVE = re.compile(r"\[\[(output|thinking)=(\d{1,7})\]\]")
_TOOL_WISH = re.compile(r"use tool ([A-Za-z0-9_.\-]*[A-Za-z0-9_])")
_TEXT_PERIOD = 1 << 16


def _filler() -> str:
    words = bytearray()
    i = 0
    while len(words) < _TEXT_PERIOD:
        words += _WORDS[(i * i + 7 * i) % len(_WORDS)] + b" "
        i += 1
    return words[:_TEXT_PERIOD].decode()


_FILLER = _filler()


class Finish(Enum):
    """Why an answer ends."""

    STOP = auto()
    LENGTH = auto()
    TOOLS = auto()
    STOP_SEQUENCE = auto()


class Kind(Enum):
    """What a segment of an answer is."""

    THINKING = auto()
    TEXT = auto()
    TOOL = auto()


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool on offer: its name and the JSON schema of its arguments."""

    name: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Ask:
    """What a request asks for, in no dialect.

    Attributes:
        model: The model asked.
        last_text: The last user text, where directives are looked for; empty after a tool result.
        turns: Number of messages, so that a repeated text in a longer conversation differs.
        max_tokens: Requested maximum, already within the model's own.
        tools: Tools on offer.
        forced: Names of tools that must be called; empty leaves it to the text.
        thinking: Whether thinking is on.
        thinking_budget: Most thinking tokens, if told.
        stop: Stop sequences.
        choices: How many answers.
        json_schema: Answer with JSON of this schema.
    """

    model: Model
    last_text: str
    turns: int
    max_tokens: int
    tools: Sequence[Tool] = ()
    forced: Sequence[str] = ()
    thinking: bool = False
    thinking_budget: int | None = None
    stop: Sequence[str] = ()
    choices: int = 1
    json_schema: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """One block of an answer. `text` is plain ASCII; tool arguments are JSON."""

    kind: Kind
    text: str
    tokens: int
    tool: str = ""

    def pieces(self, chunk_tokens: int) -> "list[tuple[str, int]]":
        """The text cut into chunks of about `chunk_tokens`, each with its tokens."""
        count = max(1, -(-self.tokens // chunk_tokens))
        if count == 1:
            return [(self.text, self.tokens)]
        size = len(self.text)
        cuts = [size * i // count for i in range(count + 1)]
        marks = [self.tokens * i // count for i in range(count + 1)]
        return [(self.text[cuts[i] : cuts[i + 1]], marks[i + 1] - marks[i]) for i in range(count)]


@dataclass(frozen=True, slots=True)
class Answer:
    """One whole answer."""

    segments: tuple[Segment, ...]
    finish: Finish
    stop_sequence: str | None = None

    @property
    def tokens(self) -> int:
        """Everything produced, thinking included."""
        return sum(s.tokens for s in self.segments)

    @property
    def thinking_tokens(self) -> int:
        """The thinking among it."""
        return sum(s.tokens for s in self.segments if s.kind is Kind.THINKING)


def answer(ask: Ask, settings: SimulatorSettings, choice: int = 0) -> Answer:
    """Decide the whole answer to `ask`."""
    seed = _seed(ask, settings.seed, choice)
    wishes = {name: int(value) for name, value in _DIRECTIVE.findall(ask.last_text)}
    left = ask.max_tokens
    segments: list[Segment] = []
    if ask.thinking and left > 0:
        tokens = min(wishes.get("thinking", settings.thinking_tokens), left)
        if ask.thinking_budget is not None:
            tokens = min(tokens, ask.thinking_budget)
        if tokens:
            segments.append(_prose(Kind.THINKING, tokens, ask.model, seed + 1))
            left -= tokens
    calls = _tool_calls(ask, seed)
    wanted = wishes.get("output", 0 if calls else _drawn(seed, settings.mean_output_tokens))
    if ask.json_schema is not None and not calls:
        return _close(segments, [_json_segment(ask, seed)], left, Finish.STOP)
    if min(wanted, left) > 0:
        text = _prose(Kind.TEXT, min(wanted, left), ask.model, seed)
        stopped = _stop_early(text, ask)
        if stopped is not None:
            return Answer((*segments, stopped[0]), Finish.STOP_SEQUENCE, stopped[1])
        segments.append(text)
    if wanted > left or ask.max_tokens == 0:
        return Answer(tuple(segments), Finish.LENGTH)
    return _close(segments, calls, left - wanted, Finish.TOOLS if calls else Finish.STOP)


def _close(done: list[Segment], more: list[Segment], left: int, finish: Finish) -> Answer:
    for segment in more:
        if segment.tokens > left:
            # A real model is cut inside the arguments; a cut JSON text helps nobody here.
            return Answer(tuple(done), Finish.LENGTH)
        left -= segment.tokens
        done.append(segment)
    return Answer(tuple(done), finish)


def _seed(ask: Ask, seed: int, choice: int) -> int:
    head = f"{seed}:{choice}:{ask.model.id}:{ask.turns}:".encode()
    text = ask.last_text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(head + text, digest_size=6).digest(), "big")


def _drawn(seed: int, mean: int) -> int:
    share = (seed % 1_000_003 + 0.5) / 1_000_003
    return max(1, round(mean * 0.2 - mean * 0.8 * math.log(1 - share)))


def _prose(kind: Kind, tokens: int, model: Model, seed: int) -> Segment:
    size = bytes_of_tokens(tokens, model.ratio_milli)
    start = seed % _TEXT_PERIOD
    text = _FILLER[start : start + size]
    while len(text) < size:
        text += _FILLER[: size - len(text)]
    return Segment(kind, text, tokens)


def _stop_early(text: Segment, ask: Ask) -> tuple[Segment, str] | None:
    found = [(at, s) for s in ask.stop if s and (at := text.text.find(s)) >= 0]
    if not found:
        return None
    at, sequence = min(found)
    cut = text.text[:at]
    return Segment(Kind.TEXT, cut, count_tokens(cut, ask.model.ratio_milli)), sequence


def _tool_calls(ask: Ask, seed: int) -> list[Segment]:
    if not ask.tools:
        return []
    names = ask.forced or _TOOL_WISH.findall(ask.last_text)
    offered = {t.name: t for t in ask.tools}
    calls = []
    for name in names:
        tool = offered.get(name)
        if tool is not None:
            text = msgspec.json.encode(_example(tool.schema, seed)).decode()
            tokens = count_tokens(text, ask.model.ratio_milli)
            calls.append(Segment(Kind.TOOL, text, tokens, name))
    return calls


def _json_segment(ask: Ask, seed: int) -> Segment:
    text = msgspec.json.encode(_example(ask.json_schema or {}, seed)).decode()
    return Segment(Kind.TEXT, text, count_tokens(text, ask.model.ratio_milli))


def _example(schema: Mapping[str, Any], seed: int) -> Any:
    """A value that fits a JSON schema (Gemini writes type names in upper case)."""
    choices = items(schema.get("enum"))
    if choices:
        return choices[seed % len(choices)]
    kind = str(schema.get("type", "object")).lower()
    if kind == "object":
        properties = schema.get("properties")
        if not isinstance(properties, dict):
            return {}
        return {
            name: _example(part if isinstance(part, dict) else {}, seed + i)
            for i, (name, part) in enumerate(properties.items())
        }
    if kind == "array":
        inner = schema.get("items")
        return [_example(inner, seed)] if isinstance(inner, dict) else []
    simple = {"integer": seed % 100, "number": (seed % 1000) / 10, "boolean": seed % 2 == 0}
    return simple.get(kind, _WORDS[seed % len(_WORDS)].decode())
