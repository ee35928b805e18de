"""Answers of generateContent: the same object whole and in each event (provider-facts B10)."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.dialects.decoding import UNREADABLE, decode
from gateway.dialects.gemini.responses import UsageMetadata
from gateway.dialects.translation.canonical import (
    Answer,
    Finish,
    Spoken,
    Text,
    Thought,
    ToolCall,
    text_of,
)
from gateway.dialects.translation.fields import compact, object_of
from gateway.dialects.translation.ids import made
from gateway.dialects.translation.untranslatable import Unreadable
from gateway.domain.usage import Usage

from .writing import UNSIGNED

_REFUSALS = (
    *("SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "LANGUAGE"),
    *("IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION", "MODEL_ARMOR"),
)
FINISHES: Final[Mapping[str, Finish]] = {
    "MAX_TOKENS": Finish.LENGTH,
    **dict.fromkeys(_REFUSALS, Finish.REFUSED),
}
"""All others are a stop."""
REASONS: Final[Mapping[Finish, str]] = {
    Finish.STOP: "STOP",
    Finish.SEQUENCE: "STOP",
    Finish.TOOLS: "STOP",
    Finish.PAUSED: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.REFUSED: "SAFETY",
}
MALFORMED: Final = "MALFORMED_FUNCTION_CALL"


class Call(msgspec.Struct):
    """A function call."""

    name: str = ""
    id: str | None = None
    args: object = None


class Part(msgspec.Struct, rename="camel"):
    """A part of an answer."""

    text: str | None = None
    thought: bool | None = None
    function_call: Call | None = None
    inline_data: object = None


class Content(msgspec.Struct):
    """A turn of the model."""

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, rename="camel"):
    """One answer."""

    content: Content | None = None
    finish_reason: str | None = None
    index: int = 0


class Feedback(msgspec.Struct, rename="camel"):
    """What was wrong with the prompt."""

    block_reason: str | None = None


class Generated(msgspec.Struct, rename="camel"):
    """A response, or one event of it."""

    candidates: list[Candidate] | None = None
    prompt_feedback: Feedback | None = None
    usage_metadata: UsageMetadata | None = None
    model_version: str = ""
    response_id: str = ""
    error: object = None

    def parts(self) -> list[Part]:
        """What the first candidate says."""
        for candidate in self.candidates or ():
            if candidate.index == 0 and candidate.content is not None:
                return candidate.content.parts or []
        return []

    def finish(self) -> Finish | None:
        """Why the first candidate has ended; `None` if it has not."""
        if self.prompt_feedback is not None and self.prompt_feedback.block_reason:
            return Finish.REFUSED
        for candidate in self.candidates or ():
            if candidate.index == 0 and candidate.finish_reason:
                return FINISHES.get(candidate.finish_reason, Finish.STOP)
        return None


_GENERATED = msgspec.json.Decoder(Generated, strict=False)


def generated(data: bytes) -> Generated:
    """Read a response, or one event.

    Raises:
        Unreadable: It is none.
    """
    try:
        return decode(_GENERATED, data)
    except UNREADABLE:
        raise Unreadable("the answer is not one of generateContent") from None


def read(body: bytes) -> Answer:
    """A whole answer.

    Raises:
        Unreadable: It is none.
    """
    found = generated(body)
    finish = found.finish()
    if finish is None:
        raise Unreadable("the answer has no candidate that ended")
    parts = tuple(_joined(spoken(part, found.response_id, i) for i, part in _heard(found)))
    usage = found.usage_metadata
    return Answer(
        found.response_id,
        found.model_version,
        parts,
        ended(finish, calls=any(isinstance(part, ToolCall) for part in parts)),
        Usage() if usage is None else usage.normalised(),
    )


def ended(finish: Finish, *, calls: bool) -> Finish:
    """Why an answer ends: calls are told as a mere stop."""
    return Finish.TOOLS if calls and finish is Finish.STOP else finish


def _heard(found: Generated) -> Iterator[tuple[int, Part]]:
    """The parts that say something, with the number of each call."""
    calls = 0
    for part in found.parts():
        if part.function_call is not None or part.text or part.inline_data is not None:
            yield calls, part
        calls += part.function_call is not None


def spoken(part: Part, answer_id: str, number: int) -> Spoken:
    """What a part says; `number` is a call's among the calls of its answer."""
    call = part.function_call
    if part.inline_data is not None:
        raise Unreadable("the answer holds media, which its caller's format has no place for")
    if call is not None:
        call_id = call.id or made("call_", answer_id, number)
        return ToolCall(call_id, call.name, compact(call.args or {}))
    return Thought(part.text or "") if part.thought else Text(part.text or "")


def _joined(parts: Iterator[Spoken]) -> Iterator[Spoken]:
    """Texts after one another as one."""
    held: Text | Thought | None = None
    for part in parts:
        if held is not None and type(part) is type(held):
            held = type(held)(held.text + text_of(part))
            continue
        if held is not None:
            yield held
        held = None
        if isinstance(part, ToolCall):
            yield part
        else:
            held = part
    if held is not None:
        yield held


def write(answer: Answer, *, shows_thoughts: bool) -> bytes:
    """A whole answer."""
    parts: list[dict[str, object]] = []
    finish = REASONS[answer.finish]
    signed = False
    for part in answer.parts:
        if isinstance(part, Thought) and not shows_thoughts:
            continue
        found = part_object(part, signed=signed)
        signed = signed or isinstance(part, ToolCall)
        if found is None:
            finish = MALFORMED
        else:
            parts.append(found)
    return msgspec.json.encode(chunk(answer.id, answer.model, parts, finish, answer.usage))


def part_object(part: Spoken, *, signed: bool) -> dict[str, object] | None:
    """A part; `None` for a call whose arguments are no JSON object.

    Gemini refuses the first call of a turn without a signature when the conversation goes on
    there; it has to be told that the call came from elsewhere.
    """
    match part:
        case Text(text):
            return {"text": text}
        case Thought(text):
            return {"text": text, "thought": True}
        case ToolCall(call_id, name, arguments):
            args = object_of(arguments)
            if args is None:
                return None
            found: dict[str, object] = {"functionCall": {"id": call_id, "name": name, "args": args}}
            if not signed:
                found["thoughtSignature"] = UNSIGNED
            return found


def chunk(
    answer_id: str,
    model: str,
    parts: list[dict[str, object]],
    finish: str | None,
    usage: Usage | None,
) -> dict[str, object]:
    """A response, or one event of it."""
    candidate: dict[str, object] = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    found: dict[str, object] = {"candidates": [candidate]}
    if usage is not None:
        found["usageMetadata"] = usage_object(usage)
    return {**found, "modelVersion": model, "responseId": answer_id}


def usage_object(usage: Usage) -> dict[str, object]:
    """Usage as Gemini counts it: the prompt with what was cached, answers without thoughts."""
    found: dict[str, object] = {
        "promptTokenCount": usage.prompt_tokens,
        "candidatesTokenCount": max(0, usage.output_tokens - usage.reasoning_tokens),
        "totalTokenCount": usage.total_tokens,
    }
    if usage.cache_read_tokens:
        found["cachedContentTokenCount"] = usage.cache_read_tokens
    if usage.reasoning_tokens:
        found["thoughtsTokenCount"] = usage.reasoning_tokens
    return found
