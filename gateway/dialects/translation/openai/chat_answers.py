"""Answers of Chat Completions, whole (provider-facts B3)."""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from gateway.dialects.decoding import UNREADABLE, decode
from gateway.dialects.openai.responses import ChatUsage
from gateway.dialects.translation.canonical import (
    Answer,
    Finish,
    Spoken,
    Text,
    Thought,
    ToolCall,
)
from gateway.dialects.translation.format import Caller
from gateway.dialects.translation.ids import bare
from gateway.dialects.translation.untranslatable import Unreadable
from gateway.domain.usage import Usage

FINISHES: Final[Mapping[str, Finish]] = {
    "stop": Finish.STOP,
    "length": Finish.LENGTH,
    "tool_calls": Finish.TOOLS,
    "function_call": Finish.TOOLS,
    "content_filter": Finish.REFUSED,
}
REASONS: Final[Mapping[Finish, str]] = {
    Finish.STOP: "stop",
    Finish.SEQUENCE: "stop",
    Finish.PAUSED: "stop",
    Finish.LENGTH: "length",
    Finish.TOOLS: "tool_calls",
    Finish.REFUSED: "content_filter",
}


class Function(msgspec.Struct):
    """The function of a call, or a part of it."""

    name: str | None = None
    arguments: str | None = None


class Call(msgspec.Struct):
    """A tool call, or a part of it."""

    index: int = 0
    id: str | None = None
    function: Function | None = None


class Said(msgspec.Struct):
    """A message, or a part of it. Servers of open models name their thoughts in two ways."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[Call] | None = None


class Choice(msgspec.Struct):
    """One answer of a completion, or a part of it in a chunk."""

    message: Said | None = None
    delta: Said | None = None
    finish_reason: str | None = None


class Completion(msgspec.Struct):
    """A completion, or a chunk of one."""

    id: str = ""
    model: str = ""
    choices: list[Choice] = []
    usage: ChatUsage | None = None
    service_tier: str | None = None
    error: object = None

    def used(self) -> Usage | None:
        """The usage, if told."""
        return None if self.usage is None else self.usage.normalised(self.service_tier or "")


_COMPLETION = msgspec.json.Decoder(Completion)


def completion(data: bytes) -> Completion:
    """Read a completion, or a chunk.

    Raises:
        Unreadable: It is none.
    """
    try:
        return decode(_COMPLETION, data)
    except UNREADABLE:
        raise Unreadable("the answer is not a chat completion") from None


def read(body: bytes) -> Answer:
    """A whole answer.

    Raises:
        Unreadable: It is none.
    """
    found = completion(body)
    if not found.choices or found.choices[0].message is None:
        raise Unreadable("the completion has no message")
    choice = found.choices[0]
    said = choice.message or Said()
    parts = tuple(_parts(said))
    finish = FINISHES.get(choice.finish_reason or "", Finish.STOP)
    return Answer(
        bare(found.id),
        found.model,
        parts,
        ended(finish, refused=bool(said.refusal), calls=bool(said.tool_calls)),
        found.used() or Usage(),
    )


def ended(finish: Finish, *, refused: bool, calls: bool) -> Finish:
    """Why an answer ends: a refusal and a forced call are told as a mere stop."""
    if refused:
        return Finish.REFUSED
    return Finish.TOOLS if calls and finish is Finish.STOP else finish


def _parts(said: Said) -> Iterator[Spoken]:
    if thought := said.reasoning_content or said.reasoning:
        yield Thought(thought)
    if text := (said.content or "") + (said.refusal or ""):
        yield Text(text)
    for call in said.tool_calls or ():
        function = call.function or Function()
        yield ToolCall(call.id or "", function.name or "", function.arguments or "")


def write(answer: Answer, caller: Caller) -> bytes:
    """A whole answer as a completion. Chat Completions shows no thoughts."""
    text = "".join(part.text for part in answer.parts if isinstance(part, Text))
    calls = [call_object(part) for part in answer.parts if isinstance(part, ToolCall)]
    message: dict[str, object] = {
        "role": "assistant",
        "content": text or (None if calls else ""),
        "refusal": None,
        "annotations": [],
    }
    if calls:
        message["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": REASONS[answer.finish],
    }
    found = envelope("chat.completion", answer.id, answer.model, caller)
    return msgspec.json.encode(found | {"choices": [choice], "usage": usage(answer.usage)})


def envelope(kind: str, answer_id: str, model: str, caller: Caller) -> dict[str, object]:
    """What completions and chunks begin with."""
    return {
        "id": f"chatcmpl-{answer_id}",
        "object": kind,
        "created": caller.now_s,
        "model": model,
    }


def call_object(call: ToolCall) -> dict[str, object]:
    """A tool call."""
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": call.id, "type": "function", "function": function}


def usage(used: Usage) -> dict[str, object]:
    """Usage as OpenAI counts it: cached and written tokens are part of the prompt."""
    return {
        "prompt_tokens": used.prompt_tokens,
        "completion_tokens": used.output_tokens,
        "total_tokens": used.total_tokens,
        "prompt_tokens_details": {
            "cached_tokens": used.cache_read_tokens,
            "cache_write_tokens": used.cache_write_tokens,
        },
        "completion_tokens_details": {"reasoning_tokens": used.reasoning_tokens},
    }
