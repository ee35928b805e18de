"""Answers of the Messages API, whole (provider-facts A2)."""

from collections.abc import Mapping
from typing import Final

import msgspec

from gateway.dialects.anthropic.responses import Account, Reported
from gateway.dialects.decoding import UNREADABLE, decode
from gateway.dialects.translation.canonical import (
    Answer,
    Finish,
    Spoken,
    Text,
    Thought,
    ToolCall,
)
from gateway.dialects.translation.fields import compact, object_of
from gateway.dialects.translation.ids import bare
from gateway.dialects.translation.untranslatable import Unreadable
from gateway.domain.usage import Usage

FINISHES: Final[Mapping[str, Finish]] = {
    "end_turn": Finish.STOP,
    "max_tokens": Finish.LENGTH,
    "model_context_window_exceeded": Finish.LENGTH,
    "stop_sequence": Finish.SEQUENCE,
    "tool_use": Finish.TOOLS,
    "pause_turn": Finish.PAUSED,
    "refusal": Finish.REFUSED,
}
STOP_REASONS: Final[Mapping[Finish, str]] = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.SEQUENCE: "stop_sequence",
    Finish.TOOLS: "tool_use",
    Finish.PAUSED: "pause_turn",
    Finish.REFUSED: "refusal",
}
_TIERS = frozenset({"standard", "priority", "batch"})


class Block(msgspec.Struct):
    """A content block of an answer, or the beginning of one."""

    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""
    thinking: str = ""
    input: object = None


class Message(msgspec.Struct):
    """A whole message, or the beginning of one."""

    id: str = ""
    model: str = ""
    content: list[Block] = []
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Reported | None = None


_MESSAGE = msgspec.json.Decoder(Message)


def read(body: bytes) -> Answer:
    """A whole answer.

    Raises:
        Unreadable: It is none.
    """
    try:
        message = decode(_MESSAGE, body)
    except UNREADABLE:
        raise Unreadable("the answer is not a message") from None
    usage = Usage() if message.usage is None else Account().add(message.usage)
    parts = tuple(part for block in message.content if (part := spoken(block)) is not None)
    return Answer(
        bare(message.id),
        message.model,
        parts,
        FINISHES.get(message.stop_reason or "", Finish.STOP),
        usage,
        message.stop_sequence or "",
    )


def spoken(block: Block) -> Spoken | None:
    """What a block says; `None` for what only Anthropic can read."""
    match block.type:
        case "text":
            return Text(block.text)
        case "thinking":
            return Thought(block.thinking)
        case "tool_use":
            return ToolCall(block.id, block.name, compact(block.input or {}))
        case _:
            return None


def write(answer: Answer, *, shows_thoughts: bool) -> bytes:
    """A whole answer as a message.

    Raises:
        Unreadable: A tool's arguments are no JSON object.
    """
    parts = (p for p in answer.parts if shows_thoughts or not isinstance(p, Thought))
    message = envelope(answer.id, answer.model, answer.usage) | {
        "content": [_block(part) for part in parts],
        "stop_reason": STOP_REASONS[answer.finish],
        "stop_sequence": answer.stop_sequence or None,
    }
    return msgspec.json.encode(message)


def envelope(answer_id: str, model: str, usage: Usage) -> dict[str, object]:
    """A message that has said nothing yet."""
    return {
        "id": f"msg_{answer_id}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": _usage(usage),
    }


def _block(part: Spoken) -> dict[str, object]:
    found = empty_block(part)
    match part:
        case Text(text):
            found["text"] = text
        case Thought(text):
            found["thinking"] = text
        case ToolCall(arguments=arguments):
            found["input"] = object_of(arguments)
            if found["input"] is None:
                raise Unreadable("the arguments of a tool call are no JSON object")
    return found


def empty_block(part: Spoken) -> dict[str, object]:
    """A block that begins."""
    match part:
        case Text():
            return {"type": "text", "text": ""}
        case Thought():
            # A signature is required; there is none that Anthropic would know.
            return {"type": "thinking", "thinking": "", "signature": ""}
        case ToolCall(call_id, name):
            return {"type": "tool_use", "id": call_id, "name": name, "input": {}}


def counts(usage: Usage) -> dict[str, object]:
    """The cumulative counts that end a stream."""
    return {
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_write_tokens,
        "cache_read_input_tokens": usage.cache_read_tokens,
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"thinking_tokens": usage.reasoning_tokens},
    }


def _usage(usage: Usage) -> dict[str, object]:
    long = usage.cache_write_1h_tokens
    found = counts(usage) | {
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens - long,
            "ephemeral_1h_input_tokens": long,
        }
    }
    if usage.service_tier in _TIERS:
        found["service_tier"] = usage.service_tier
    return found
