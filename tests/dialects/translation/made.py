"""Canonical requests, answers and streams, made up for property tests."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import msgspec
from hypothesis import strategies as st

from gateway.dialects.translation.canonical import (
    Answer,
    Begun,
    Choosing,
    Delta,
    Document,
    Effort,
    Ended,
    Event,
    Finish,
    Image,
    Message,
    Part,
    PartBegun,
    PartEnded,
    Request,
    Role,
    Shape,
    Spoken,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    merged,
    text_of,
    with_text,
)
from gateway.dialects.translation.features import Feature
from gateway.dialects.translation.fields import Treatment
from gateway.dialects.translation.format import Caller
from gateway.dialects.translation.translation import FORMATS
from gateway.domain.call import Endpoint, Matched
from gateway.domain.usage import Usage

MODELS = {
    Endpoint.MESSAGES: "claude-opus-4-8",
    Endpoint.CHAT: "gpt-4o-mini",
    Endpoint.RESPONSES: "gpt-4o-mini",
    Endpoint.GENERATE: "gemini-3.5-flash",
}
THINKERS = MODELS | {Endpoint.CHAT: "gpt-5.6-sol", Endpoint.RESPONSES: "gpt-5.6-sol"}
CALLER = Caller("req_1", 1_700_000_000, include_usage=True)

_NAME = st.text("ab_-9", min_size=1, max_size=6)
_ID = st.text("aB9", min_size=1, max_size=6).map(lambda text: f"id{text}")
_WORDS = st.sampled_from(
    ("hello", "\r\n\r\ndata: x\n\n", '"\\u2028\u2028', "\x00", "世界 \U0001f680")
)
_JSON = st.dictionaries(_NAME, st.integers(0, 99) | _WORDS | st.lists(st.booleans()), max_size=3)
_ARGUMENTS = _JSON.map(lambda value: msgspec.json.encode(value).decode())
_SCHEMA = st.fixed_dictionaries(
    {
        "type": st.just("object"),
        "properties": st.dictionaries(_NAME, st.just({"type": "string"}), max_size=3),
        "additionalProperties": st.just(False),
    }
)
_PNG = st.just(Image("image/png", "iVBORw0KGgo="))
_URL = st.just(Image(url="https://example.org/a.png"))
_PDF = Document("application/pdf", "JVBERi0=", name="a.pdf")


@dataclass(frozen=True)
class Limits:
    """What a format can say of the rest."""

    endpoint: Endpoint

    def carries(self, feature: Feature) -> bool:
        return FORMATS[self.endpoint].carries[feature] is Treatment.CARRIED


@st.composite
def conversations(draw: st.DrawFn, limits: Limits) -> tuple[Message, ...]:
    """Turns that the format has, in which every call is answered."""
    # Gemini has no place for the name of a document.
    paper = replace(_PDF, name="") if limits.endpoint is Endpoint.GENERATE else _PDF
    said = st.builds(Text, _WORDS) | _PNG | st.just(paper)
    if limits.carries(Feature.IMAGE_URL):
        said |= _URL
    asked: list[Part] = draw(st.lists(said, min_size=1, max_size=3))
    messages = [Message(Role.USER, tuple(asked))]
    for turn in range(draw(st.integers(0, 2))):
        spoken: list[Part] = draw(st.lists(st.builds(Text, _WORDS), max_size=1))
        ids = draw(st.lists(_ID, max_size=3, unique=True))
        calls = [ToolCall(f"{turn}{one}", draw(_NAME), draw(_ARGUMENTS)) for one in ids]
        if not spoken and not calls:
            continue
        messages.append(Message(Role.ASSISTANT, (*spoken, *calls)))
        failed = st.booleans() if limits.carries(Feature.RESULT_FAILED) else st.just(False)
        results = [ToolResult(c.id, (Text(draw(_WORDS)),), draw(failed)) for c in calls]
        after: list[Part] = draw(st.lists(said, min_size=0 if results else 1, max_size=2))
        messages.append(Message(Role.USER, (*results, *after)))
    return merged(messages)


@st.composite
def requests(draw: st.DrawFn, endpoint: Endpoint) -> Request:
    """A request that the format can say whole, as its reader would tell it."""
    limits = Limits(endpoint)
    tools = tuple(
        Tool(
            name,
            draw(_SCHEMA),
            draw(st.just("") | _WORDS),
            draw(st.booleans()) if limits.carries(Feature.STRICT) else False,
        )
        for name in draw(st.lists(_NAME, max_size=2, unique=True))
    )
    thinks = draw(st.booleans())
    choice = _choice(draw, tools, forced=not thinks) if tools else None
    request = Request(
        model=(THINKERS if thinks else MODELS)[endpoint],
        messages=draw(conversations(limits)),
        system=tuple(draw(st.lists(st.builds(Text, _WORDS), max_size=2))),
        stream=draw(st.booleans()),
        tools=tools,
        choice=choice,
        max_output_tokens=draw(st.integers(2000, 9000)),
        shape=draw(st.none() | st.builds(lambda one: _shape(endpoint, one), _SCHEMA)),
        user=draw(_NAME) if limits.carries(Feature.USER) else "",
        seed=draw(st.none() | st.integers(0, 99)) if limits.carries(Feature.SEED) else None,
        presence_penalty=0.5 if limits.carries(Feature.PENALTIES) and draw(st.booleans()) else None,
        cache_key=draw(_NAME) if limits.carries(Feature.CACHE_KEY) else "",
    )
    if request.tools and limits.carries(Feature.PARALLEL) and draw(st.booleans()):
        request = replace(
            request, parallel=False, choice=request.choice or ToolChoice(Choosing.AUTO)
        )
        if request.choice is not None and request.choice.choosing is Choosing.NONE:
            request = replace(request, parallel=None)
    if thinks:
        return replace(request, thinking=_thinking(draw, endpoint))
    share = draw(st.sampled_from((0.0, 0.25, 1.0)))
    if draw(st.booleans()):
        request = replace(request, temperature=share)
    else:
        request = replace(request, top_p=share)
    if limits.carries(Feature.STOP):
        request = replace(request, stop=tuple(draw(st.lists(_WORDS, max_size=3))))
    return request


def _choice(draw: st.DrawFn, tools: tuple[Tool, ...], *, forced: bool) -> ToolChoice | None:
    kinds = [Choosing.AUTO, Choosing.NONE]
    if forced:
        kinds += [Choosing.ANY, Choosing.ONE]
    kind = draw(st.none() | st.sampled_from(kinds))
    if kind is None:
        return None
    return ToolChoice(kind, tools[0].name if kind is Choosing.ONE else "")


def _shape(endpoint: Endpoint, schema: dict[str, object]) -> Shape:
    named = endpoint in {Endpoint.CHAT, Endpoint.RESPONSES}
    return Shape(schema, "shape" if named else "")


def _thinking(draw: st.DrawFn, endpoint: Endpoint) -> Thinking:
    effort = draw(st.sampled_from((Effort.LOW, Effort.MEDIUM, Effort.HIGH)))
    return Thinking(effort, None, draw(st.booleans()) if endpoint is not Endpoint.CHAT else False)


@st.composite
def answers(draw: st.DrawFn, *endpoints: Endpoint) -> Answer:
    """An answer that all of these formats can say whole."""
    text: st.SearchStrategy[Spoken] = st.builds(Text, _WORDS)
    parts: list[Spoken] = []
    if Endpoint.CHAT not in endpoints and draw(st.booleans()):
        parts.append(Thought(draw(_WORDS)))
    parts += draw(st.lists(text, max_size=1))
    parts += [
        ToolCall(call_id, draw(_NAME), draw(_ARGUMENTS))
        for call_id in draw(st.lists(_ID, max_size=3, unique=True))
    ]
    calls = any(isinstance(part, ToolCall) for part in parts)
    ends = [Finish.TOOLS] if calls else [Finish.STOP, Finish.LENGTH, Finish.REFUSED]
    output = draw(st.integers(0, 9999))
    return Answer(
        id=draw(_ID),
        model=draw(_NAME),
        parts=tuple(parts),
        finish=draw(st.sampled_from(ends)),
        usage=Usage(
            input_tokens=draw(st.integers(0, 9999)),
            cache_read_tokens=draw(st.integers(0, 9999)),
            cache_write_tokens=(
                0 if Endpoint.GENERATE in endpoints else draw(st.integers(0, 9999))
            ),
            output_tokens=output,
            reasoning_tokens=draw(st.integers(0, output)),
        ),
    )


def events_of(answer: Answer) -> Iterator[Event]:
    """A whole answer as if it had been streamed."""
    yield Begun(answer.id, answer.model, answer.usage)
    for part in answer.parts:
        yield PartBegun(with_text(part, ""))
        if text := text_of(part):
            yield Delta(text)
        yield PartEnded()
    yield Ended(answer.finish, answer.usage, answer.stop_sequence)


@st.composite
def streams(draw: st.DrawFn, answer: Answer) -> list[Event]:
    """An answer as events, its texts cut anywhere."""
    events: list[Event] = []
    for event in events_of(answer):
        if isinstance(event, Delta) and len(event.text) > 1:
            cut = draw(st.integers(1, len(event.text) - 1))
            events += [Delta(event.text[:cut]), Delta(event.text[cut:])]
        else:
            events.append(event)
    return events


def assembled(events: Iterable[Event]) -> Answer:
    """The answer that a stream tells."""
    found = iter(events)
    begun = next(found)
    assert isinstance(begun, Begun), begun
    parts: list[Spoken] = []
    for event in found:
        if isinstance(event, PartBegun):
            parts.append(event.part)
        elif isinstance(event, Delta):
            parts[-1] = with_text(parts[-1], text_of(parts[-1]) + event.text)
        elif isinstance(event, Ended):
            assert next(found, None) is None, "events after the end"
            return Answer(
                begun.id, begun.model, tuple(parts), event.finish, event.usage, event.stop_sequence
            )
    raise AssertionError("no end")


def cuts(draw: st.DataObject, data: bytes) -> Iterator[bytes]:
    """Bytes in chunks, cut anywhere."""
    places = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=6)))
    for start, end in zip([0, *places], [*places, len(data)], strict=True):
        yield data[start:end]


def matched(endpoint: Endpoint, request: Request) -> Matched:
    """What the path of such a request says."""
    if endpoint is not Endpoint.GENERATE:
        return Matched(endpoint)
    return Matched(endpoint, request.model, stream=request.stream, events=request.stream)
