"""Streams of streamGenerateContent, as events and as one JSON array (provider-facts B9, B10)."""

from collections.abc import Iterator

import msgspec

from gateway.dialects import sse
from gateway.dialects.gemini.codec import KEEPALIVE
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
    with_text,
)
from gateway.dialects.translation.format import Caller
from gateway.dialects.translation.sequence import Sequence
from gateway.dialects.translation.untranslatable import MAX_EVENT_BYTES
from gateway.domain.usage import Usage

from . import answers, failures


class Reader:
    """Reads one stream of events. It has no last event: its end is told when the body ends."""

    __slots__ = ("_begun", "_calls", "_decoder", "_finish", "_over", "_sequence", "_usage")

    def __init__(self) -> None:
        self._decoder = sse.Decoder(MAX_EVENT_BYTES)
        self._sequence = Sequence()
        self._usage = Usage()
        self._finish = Finish.STOP
        self._calls = 0
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
        if self._begun and not self._over:
            yield from self._sequence.end()
            yield Ended(answers.ended(self._finish, calls=self._calls > 0), self._usage)

    def _take(self, data: str) -> Iterator[Event]:
        if self._over:
            return
        found = answers.generated(data.encode())
        if found.error:
            self._over = True
            yield Failed(failures.of_object(0, found.error))
            return
        if found.usage_metadata is not None:
            self._usage = found.usage_metadata.normalised()
        if not self._begun:
            self._begun = True
            yield Begun(found.response_id, found.model_version, self._usage)
        for part in found.parts():
            yield from self._part(part, found.response_id)
        self._finish = found.finish() or self._finish

    def _part(self, part: answers.Part, answer_id: str) -> Iterator[Event]:
        if part.function_call is None and not part.text and part.inline_data is None:
            return
        said = answers.spoken(part, answer_id, self._calls)
        if isinstance(said, ToolCall):
            self._calls += 1
            yield from self._sequence.begin(said, with_text(said, ""))
            yield Delta(said.arguments)
            yield from self._sequence.end()
        else:
            yield from self._sequence.more(type(said), with_text(said, ""), said.text)


class Writer:
    """Writes one stream. A call goes out when it is whole, as Gemini's do."""

    __slots__ = (
        *(
            "_caller",
            "_first",
            "_id",
            "_malformed",
            "_model",
            "_part",
            "_signed",
            "_text",
            "_usage",
        ),
    )

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._first = True
        self._id = self._model = ""
        self._part: Spoken = Text("")
        self._text: list[str] = []
        self._usage: Usage | None = None
        self._signed = False
        self._malformed = False

    def write(self, event: Event) -> bytes:
        """The bytes of an event."""
        match event:
            case Begun(answer_id, model):
                self._id, self._model = answer_id, model
                return b""
            case PartBegun(part):
                self._part, self._text = part, []
                return b""
            case Delta(text):
                return self._more(text)
            case PartEnded():
                return self._call() if isinstance(self._part, ToolCall) else b""
            case Ended(finish, usage):
                reason = answers.MALFORMED if self._malformed else answers.REASONS[finish]
                last = self._chunk([{"text": ""}], reason, usage)
                return last + (b"]" if self._caller.in_array else b"")
            case Failed(failure):
                out = self._encoded({"error": failures.error_object(failure)})
                return out + (b"]" if self._caller.in_array else b"")
            case Alive():
                return KEEPALIVE

    def _more(self, text: str) -> bytes:
        if isinstance(self._part, ToolCall):
            self._text.append(text)
            return b""
        if isinstance(self._part, Thought) and not self._caller.shows_thoughts:
            return b""
        found = answers.part_object(with_text(self._part, text), signed=True)
        return b"" if found is None else self._chunk([found])

    def _call(self) -> bytes:
        part = with_text(self._part, "".join(self._text))
        found = answers.part_object(part, signed=self._signed)
        self._signed = True
        if found is None:
            self._malformed = True
            return b""
        return self._chunk([found])

    def _chunk(
        self,
        parts: list[dict[str, object]],
        finish: str | None = None,
        usage: Usage | None = None,
    ) -> bytes:
        return self._encoded(answers.chunk(self._id, self._model, parts, finish, usage))

    def _encoded(self, value: dict[str, object]) -> bytes:
        data = msgspec.json.encode(value)
        if not self._caller.in_array:
            return b"data: " + data + b"\r\n\r\n"
        opening = b"[" if self._first else b",\r\n"
        self._first = False
        return opening + data
