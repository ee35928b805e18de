"""Reads streams of the Responses API (provider-facts B2)."""

from collections.abc import Iterator

import msgspec

from gateway.dialects import sse
from gateway.dialects.decoding import UNREADABLE, decode
from gateway.dialects.translation.canonical import (
    Begun,
    Delta,
    Ended,
    Event,
    Failed,
    Finish,
    Text,
    Thought,
    ToolCall,
)
from gateway.dialects.translation.ids import bare
from gateway.dialects.translation.sequence import Sequence
from gateway.dialects.translation.untranslatable import MAX_EVENT_BYTES, Unreadable
from gateway.domain.usage import Usage

from . import failures
from .responses_answers import Item, Response


class _Event(msgspec.Struct):
    type: str = ""
    response: Response | None = None
    item: Item | None = None
    output_index: int = 0
    content_index: int = 0
    summary_index: int = 0
    delta: str = ""
    error: object = None
    code: object = None
    message: object = None


_EVENT = msgspec.json.Decoder(_Event)
_TEXTS = frozenset({"response.output_text.delta", "response.refusal.delta"})
_THOUGHTS = frozenset({"response.reasoning_summary_text.delta", "response.reasoning_text.delta"})


class Reader:
    """Reads one stream."""

    __slots__ = ("_called", "_decoder", "_over", "_refused", "_sequence")

    def __init__(self) -> None:
        self._decoder = sse.Decoder(MAX_EVENT_BYTES)
        self._sequence = Sequence()
        self._called: set[int] = set()  # items whose arguments have begun to come
        self._refused = False
        self._over = False

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The next bytes."""
        for event in self._decoder.feed(chunk):
            yield from self._take(event.data)

    def finish(self) -> Iterator[Event]:
        """The stream is whole."""
        for event in self._decoder.finish():
            yield from self._take(event.data)

    def _take(self, data: str) -> Iterator[Event]:
        if self._over or data.strip() == "[DONE]":
            return
        try:
            event = decode(_EVENT, data.encode())
        except UNREADABLE:
            raise Unreadable("an event of the stream is not readable") from None
        kind, index = event.type, event.output_index
        if kind == "response.created" and event.response is not None:
            yield Begun(bare(event.response.id), event.response.model)
        elif kind in _TEXTS:
            self._refused = self._refused or kind == "response.refusal.delta"
            key = ("text", index, event.content_index)
            yield from self._sequence.more(key, Text(""), event.delta)
        elif kind in _THOUGHTS:
            key = ("thought", index, event.summary_index)
            yield from self._sequence.more(key, Thought(""), event.delta)
        elif event.item is not None and event.item.type == "function_call":
            yield from self._call(event, event.item)
        elif kind == "response.function_call_arguments.delta" and event.delta:
            self._called.add(index)
            yield Delta(event.delta)
        elif kind == "response.output_item.done":
            yield from self._sequence.end()
        else:
            yield from self._end(event)

    def _call(self, event: _Event, item: Item) -> Iterator[Event]:
        index = event.output_index
        if not self._sequence.is_open(index):
            yield from self._sequence.begin(index, ToolCall(item.call_id, item.name))
        if event.type == "response.output_item.done":
            if index not in self._called and item.arguments:
                yield Delta(item.arguments)
            yield from self._sequence.end()

    def _end(self, event: _Event) -> Iterator[Event]:
        response = event.response
        if event.type in {"response.completed", "response.incomplete"} and response is not None:
            self._over = True
            yield from self._sequence.end()
            finish = response.finish()
            if self._refused and finish is Finish.STOP:
                finish = Finish.REFUSED
            yield Ended(finish, response.used() or Usage())
        elif event.type in {"response.failed", "error"} or event.error:
            self._over = True
            said = event.error or (response and response.error)
            said = said or {"message": event.message, "code": event.code}
            yield Failed(failures.of_object(0, said))
