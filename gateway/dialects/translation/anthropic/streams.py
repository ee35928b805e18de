"""Streams of the Messages API (provider-facts A2)."""

from collections.abc import Iterator

import msgspec

from gateway.dialects import sse
from gateway.dialects.anthropic.responses import Account, Reported
from gateway.dialects.anthropic.streams import PING
from gateway.dialects.decoding import UNREADABLE, decode
from gateway.dialects.translation.canonical import (
    Alive,
    Begun,
    Delta,
    Ended,
    Event,
    Failed,
    Failure,
    Finish,
    PartBegun,
    PartEnded,
    Spoken,
    Text,
    Thought,
    ToolCall,
    with_text,
)
from gateway.dialects.translation.format import Caller
from gateway.dialects.translation.ids import bare
from gateway.dialects.translation.untranslatable import MAX_EVENT_BYTES, Unreadable
from gateway.domain.usage import Usage

from . import answers, failures


class _Delta(msgspec.Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


class _Event(msgspec.Struct):
    type: str = ""
    message: answers.Message | None = None
    content_block: answers.Block | None = None
    delta: _Delta | None = None
    usage: Reported | None = None


_EVENT = msgspec.json.Decoder(_Event)


class Reader:
    """Reads one stream."""

    __slots__ = ("_account", "_decoder", "_finish", "_hidden", "_sequence", "_usage")

    def __init__(self) -> None:
        self._decoder = sse.Decoder(MAX_EVENT_BYTES)
        self._account = Account()
        self._usage = Usage()
        self._finish = Finish.STOP
        self._sequence = ""
        self._hidden = False  # the open block is one that only Anthropic can read

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The next bytes."""
        for event in self._decoder.feed(chunk):
            yield from self._take(event)

    def finish(self) -> Iterator[Event]:
        """The stream is whole."""
        for event in self._decoder.finish():
            yield from self._take(event)

    def _take(self, raw: sse.Event) -> Iterator[Event]:
        data = raw.data.encode()
        try:
            event = decode(_EVENT, data)
        except UNREADABLE:
            raise Unreadable("an event of the stream is not readable") from None
        if event.type == "error":
            yield Failed(failures.read(0, data))
        elif event.type == "message_start" and event.message is not None:
            yield self._begun(event.message)
        elif event.type == "ping":
            yield Alive()
        elif event.type == "message_delta":
            self._told(event)
        elif event.type == "message_stop":
            yield Ended(self._finish, self._usage, self._sequence)
        else:
            yield from self._said(event)

    def _said(self, event: _Event) -> Iterator[Event]:
        """A content block begins, goes on or ends."""
        if event.type == "content_block_start" and event.content_block is not None:
            yield from self._started(event.content_block)
        elif event.type == "content_block_delta" and event.delta is not None:
            delta = event.delta
            text = delta.text or delta.thinking or delta.partial_json
            if text and not self._hidden:
                yield Delta(text)
        elif event.type == "content_block_stop" and not self._hidden:
            yield PartEnded()

    def _begun(self, message: answers.Message) -> Begun:
        if message.usage is not None:
            self._usage = self._account.add(message.usage)
        return Begun(bare(message.id), message.model, self._usage)

    def _started(self, block: answers.Block) -> Iterator[Event]:
        part = answers.spoken(block)
        self._hidden = part is None
        if part is not None:
            yield PartBegun(with_text(part, ""))
            if isinstance(part, Text | Thought) and part.text:
                yield Delta(part.text)

    def _told(self, event: _Event) -> None:
        if event.usage is not None:
            self._usage = self._account.add(event.usage)
        if event.delta is not None and event.delta.stop_reason is not None:
            self._finish = answers.FINISHES.get(event.delta.stop_reason, Finish.STOP)
            self._sequence = event.delta.stop_sequence or ""


class Writer:
    """Writes one stream."""

    __slots__ = ("_caller", "_hidden", "_index", "_part")

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._index = -1
        self._part: Spoken = Text("")
        self._hidden = False

    def write(self, event: Event) -> bytes:
        """The bytes of an event."""
        match event:
            case Begun(answer_id, model, usage):
                message = answers.envelope(answer_id, model, usage)
                return _event("message_start", {"message": message})
            case PartBegun(part):
                self._hidden = isinstance(part, Thought) and not self._caller.shows_thoughts
                return b"" if self._hidden else self._begin(part)
            case Delta(text):
                return b"" if self._hidden else self._more(text)
            case PartEnded():
                if self._hidden:
                    return b""
                return _event("content_block_stop", {"index": self._index})
            case Ended():
                return _end(event)
            case Failed(failure):
                return failed(failure, self._caller)
            case Alive():
                return PING

    def _begin(self, part: Spoken) -> bytes:
        self._index += 1
        self._part = part
        block = answers.empty_block(part)
        return _event("content_block_start", {"index": self._index, "content_block": block})

    def _more(self, text: str) -> bytes:
        delta: dict[str, object]
        match self._part:
            case Text():
                delta = {"type": "text_delta", "text": text}
            case Thought():
                delta = {"type": "thinking_delta", "thinking": text}
            case ToolCall():
                delta = {"type": "input_json_delta", "partial_json": text}
        return _event("content_block_delta", {"index": self._index, "delta": delta})


def _end(ended: Ended) -> bytes:
    delta = {
        "stop_reason": answers.STOP_REASONS[ended.finish],
        "stop_sequence": ended.stop_sequence or None,
    }
    told = _event("message_delta", {"delta": delta, "usage": answers.counts(ended.usage)})
    return told + _event("message_stop", {})


def failed(failure: Failure, caller: Caller) -> bytes:
    """An error as the last event of a stream."""
    return sse.encode(failures.body(failure, caller.request_id), "error")


def _event(name: str, fields: dict[str, object]) -> bytes:
    return sse.encode(msgspec.json.encode({"type": name, **fields}), name)
