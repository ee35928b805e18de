"""Answers of the Responses API, whole (provider-facts B2, B3)."""

from collections.abc import Iterator

import msgspec

from gateway.dialects.decoding import UNREADABLE, decode
from gateway.dialects.openai.responses import ResponseUsage
from gateway.dialects.translation.canonical import (
    Answer,
    Finish,
    Spoken,
    Text,
    Thought,
    ToolCall,
)
from gateway.dialects.translation.format import Caller
from gateway.dialects.translation.ids import bare, made
from gateway.dialects.translation.untranslatable import Unreadable
from gateway.domain.usage import Usage

_CUT = {Finish.LENGTH: "max_output_tokens", Finish.REFUSED: "content_filter"}


class Content(msgspec.Struct):
    """A part of a message or of a reasoning item."""

    type: str = ""
    text: str = ""
    refusal: str = ""


class Item(msgspec.Struct):
    """An output item."""

    type: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    content: list[Content] | None = None
    summary: list[Content] | None = None


class Incomplete(msgspec.Struct):
    """Why a response is not whole."""

    reason: str | None = None


class Response(msgspec.Struct):
    """A response, whole or on its way."""

    id: str = ""
    model: str = ""
    status: str | None = None
    output: list[Item] = []
    incomplete_details: Incomplete | None = None
    usage: ResponseUsage | None = None
    service_tier: str | None = None
    error: object = None

    def used(self) -> Usage | None:
        """The usage, if told."""
        return None if self.usage is None else self.usage.normalised(self.service_tier or "")

    def finish(self) -> Finish:
        """Why it ended."""
        if self.status == "incomplete":
            reason = self.incomplete_details and self.incomplete_details.reason
            return Finish.REFUSED if reason == "content_filter" else Finish.LENGTH
        if any(item.type == "function_call" for item in self.output):
            return Finish.TOOLS
        parts = [part for item in self.output for part in item.content or ()]
        refused = any(part.type == "refusal" for part in parts)
        return Finish.REFUSED if refused else Finish.STOP


_RESPONSE = msgspec.json.Decoder(Response)


def read(body: bytes) -> Answer:
    """A whole answer.

    Raises:
        Unreadable: It is none, or it failed.
    """
    try:
        response = decode(_RESPONSE, body)
    except UNREADABLE:
        raise Unreadable("the answer is not a response") from None
    if response.status not in {"completed", "incomplete", None}:
        raise Unreadable(f"the response is {response.status}")
    parts = tuple(part for item in response.output for part in _parts(item))
    return Answer(
        bare(response.id), response.model, parts, response.finish(), response.used() or Usage()
    )


def _parts(item: Item) -> Iterator[Spoken]:
    match item.type:
        case "message":
            for part in item.content or ():
                yield Text(part.text or part.refusal)
        case "function_call":
            yield ToolCall(item.call_id, item.name, item.arguments)
        case "reasoning":
            for part in (*(item.summary or ()), *(item.content or ())):
                yield Thought(part.text)
        case _:
            pass  # what only OpenAI's own tools say


def write(answer: Answer, caller: Caller) -> bytes:
    """A whole answer as a response."""
    parts = [p for p in answer.parts if caller.shows_thoughts or not isinstance(p, Thought)]
    items = [item(answer.id, index, part) for index, part in enumerate(parts)]
    return msgspec.json.encode(
        finished(answer.id, answer.model, caller, answer.finish, answer.usage, items)
    )


def envelope(answer_id: str, model: str, caller: Caller, status: str) -> dict[str, object]:
    """A response that has said nothing yet, with what it repeats of its request."""
    return {
        "id": f"resp_{answer_id}",
        "object": "response",
        "created_at": caller.now_s,
        "status": status,
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": None,
        "metadata": {},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "truncation": "disabled",
        **caller.echoed,
        "model": model,
        "output": [],
        "store": False,
        "usage": None,
    }


def finished(
    answer_id: str,
    model: str,
    caller: Caller,
    finish: Finish,
    used: Usage,
    items: list[dict[str, object]],
) -> dict[str, object]:
    """A response that is over."""
    reason = _CUT.get(finish)
    found = envelope(answer_id, model, caller, "incomplete" if reason else "completed")
    found |= {"output": items, "usage": usage(used)}
    if reason:
        found["incomplete_details"] = {"reason": reason}
    else:
        found["completed_at"] = caller.now_s
    return found


def item(answer_id: str, index: int, part: Spoken, status: str = "completed") -> dict[str, object]:
    """An output item."""
    match part:
        case Text(text):
            return {
                "id": made("msg_", answer_id, index),
                "type": "message",
                "role": "assistant",
                "status": status,
                "content": [text_part(text)],
            }
        case Thought(text):
            return {
                "id": made("rs_", answer_id, index),
                "type": "reasoning",
                "summary": [summary_part(text)],
            }
        case ToolCall(call_id, name, arguments):
            return {
                "id": made("fc_", answer_id, index),
                "type": "function_call",
                "status": status,
                "call_id": call_id,
                "name": name,
                "arguments": arguments,
            }


def text_part(text: str) -> dict[str, object]:
    """The content of a message item."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def summary_part(text: str) -> dict[str, object]:
    """The content of a reasoning item."""
    return {"type": "summary_text", "text": text}


def usage(used: Usage) -> dict[str, object]:
    """Usage as OpenAI counts it: cached and written tokens are part of the input."""
    return {
        "input_tokens": used.prompt_tokens,
        "input_tokens_details": {
            "cached_tokens": used.cache_read_tokens,
            "cache_write_tokens": used.cache_write_tokens,
        },
        "output_tokens": used.output_tokens,
        "output_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
        "total_tokens": used.total_tokens,
    }
