"""Streams of Chat Completions (provider-facts B2)."""

from collections.abc import Iterator

import msgspec

from gateway.dialects import sse
from gateway.dialects.openai.codec import COMMENT
from gateway.dialects.translation.canonical import (
    Alive,
    Begun,
    Delta,
    Ended,
    Event,
    Failed,
    Finish,
    PartBegun,
    PartEnded,
    Spoken,
    Text,
    Thought,
    ToolCall,
)
from gateway.dialects.translation.format import Caller
from gateway.dialects.translation.ids import bare
from gateway.dialects.translation.sequence import Sequence
from gateway.dialects.translation.untranslatable import MAX_EVENT_BYTES, Unreadable
from gateway.domain.usage import Usage

from . import chat_answers as answers
from . import failures

_DONE = "[DONE]"
_DONE_EVENT = sse.encode(_DONE.encode())
_TEXT, _THOUGHT = "text", "thought"


class Reader:
    """Reads one stream. Its end is told when `[DONE]` comes, since usage stands before it."""

    __slots__ = (
        "_begun",
        "_calls",
        "_decoder",
        "_finish",
        "_over",
        "_refused",
        "_sequence",
        "_usage",
    )

    def __init__(self) -> None:
        self._decoder = sse.Decoder(MAX_EVENT_BYTES)
        self._sequence = Sequence()
        self._usage = Usage()
        self._finish = Finish.STOP
        self._calls: set[int] = set()
        self._refused = False
        self._begun = False
        self._over = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The next bytes."""
        for event in self._decoder.feed(chunk):
            yield from self._take(event.data)

    def finish(self) -> Iterator[Event]:
        """The stream is whole."""
        for event in self._decoder.finish():
            yield from self._take(event.data)
        yield from self._end()

    def _take(self, data: str) -> Iterator[Event]:
        if self._over:
            return
        if data.strip() == _DONE:
            yield from self._end()
            return
        chunk = answers.completion(data.encode())
        if chunk.error:
            self._over = True
            yield Failed(failures.of_object(0, chunk.error))
            return
        if not self._begun:
            self._begun = True
            yield Begun(bare(chunk.id), chunk.model)
        self._usage = chunk.used() or self._usage
        for choice in chunk.choices[:1]:
            if choice.delta is not None:
                yield from self._say(choice.delta)
            if choice.finish_reason is not None:
                self._finish = answers.FINISHES.get(choice.finish_reason, Finish.STOP)

    def _say(self, delta: answers.Said) -> Iterator[Event]:
        if thought := delta.reasoning_content or delta.reasoning:
            yield from self._sequence.more(_THOUGHT, Thought(""), thought)
        if delta.refusal:
            self._refused = True
        if text := delta.content or delta.refusal:
            yield from self._sequence.more(_TEXT, Text(""), text)
        for call in delta.tool_calls or ():
            yield from self._call(call)

    def _call(self, call: answers.Call) -> Iterator[Event]:
        function = call.function or answers.Function()
        if call.index not in self._calls:
            self._calls.add(call.index)
            part = ToolCall(call.id or "", function.name or "")
            yield from self._sequence.begin(call.index, part)
        if function.arguments:
            if not self._sequence.is_open(call.index):
                raise Unreadable("two tool calls are streamed at once")
            yield Delta(function.arguments)

    def _end(self) -> Iterator[Event]:
        if self._over or not self._begun:
            return
        self._over = True
        yield from self._sequence.end()
        finish = answers.ended(self._finish, refused=self._refused, calls=bool(self._calls))
        yield Ended(finish, self._usage)


class Writer:
    """Writes one stream."""

    __slots__ = ("_caller", "_calls", "_id", "_model", "_part")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._id = self._model = ""
        self._part: Spoken = Text("")
        self._calls = -1

    def write(self, event: Event) -> bytes:
        """The bytes of an event."""
        match event:
            case Begun(answer_id, model):
                self._id, self._model = answer_id, model
                return self._chunk({"role": "assistant", "content": "", "refusal": None})
            case PartBegun(part):
                self._part = part
                return self._call(part) if isinstance(part, ToolCall) else b""
            case Delta(text):
                return self._more(text)
            case PartEnded():
                return b""
            case Ended(finish, usage):
                return self._end(finish, usage)
            case Failed(failure):
                return sse.encode(msgspec.json.encode({"error": failures.error_object(failure)}))
            case Alive():
                return COMMENT

    def _call(self, part: ToolCall) -> bytes:
        self._calls += 1
        return self._chunk({"tool_calls": [{"index": self._calls, **answers.call_object(part)}]})

    def _more(self, text: str) -> bytes:
        match self._part:
            case Text():
                return self._chunk({"content": text})
            case Thought():
                return b""
            case ToolCall():
                call = {"index": self._calls, "function": {"arguments": text}}
                return self._chunk({"tool_calls": [call]})

    def _end(self, finish: Finish, usage: Usage) -> bytes:
        out = self._chunk({}, answers.REASONS[finish])
        if self._caller.include_usage:
            out += self._encoded({"choices": [], "usage": answers.usage(usage)})
        return out + _DONE_EVENT

    def _chunk(self, delta: dict[str, object], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        usage = {"usage": None} if self._caller.include_usage else {}
        return self._encoded({"choices": [choice], **usage})

    def _encoded(self, fields: dict[str, object]) -> bytes:
        head = answers.envelope("chat.completion.chunk", self._id, self._model, self._caller)
        return sse.encode(msgspec.json.encode(head | fields))
