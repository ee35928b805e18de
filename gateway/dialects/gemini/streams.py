"""Taps on streamed Gemini answers: server-sent events, or the elements of a JSON array.

Nearly every event holds the usage so far, the end shows only in the finish reason, and the text
has to be told from signatures of any length. So each event is decoded, into a type that names
only these fields: that costs less than to search it for their names (measured: 0.8 µs for an
event of 450 bytes, against 1.4 µs for four searches).
"""

from gateway.dialects import sse
from gateway.domain.usage import Usage

from .json_array import MAX_OBJECT_BYTES, ObjectSplitter
from .responses import Reading, parse

_DATA = b"data:"


class _StreamTap:
    """What both forms share: nothing is ever held back, and one `Reading` is told of answers."""

    __slots__ = ("_reading",)

    def __init__(self) -> None:
        self._reading = Reading()

    @property
    def usage(self) -> Usage | None:
        """The usage told last; it is cumulative (provider-facts B10)."""
        return self._reading.usage

    @property
    def complete(self) -> bool:
        """Whether all candidates have finished, or the prompt was blocked."""
        return self._reading.complete

    @property
    def failed(self) -> bool:
        """Whether an error came in the stream."""
        return self._reading.failed

    @property
    def model(self) -> str:
        """The model that answered."""
        return self._reading.model

    @property
    def output_bytes(self) -> int:
        """A lower bound of the output that went by, in bytes."""
        return self._reading.text_bytes

    def _take(self, data: bytes) -> bool:
        """Learn from one answer; whether it was one."""
        answer = parse(data)
        if answer is None:
            return False
        self._reading.take(answer)
        return True


class EventTap(_StreamTap):
    """Reads `alt=sse`."""

    __slots__ = ("_max", "_splitter")

    def __init__(self, max_event_bytes: int = sse.MAX_EVENT_BYTES) -> None:
        super().__init__()
        self._max = max_event_bytes
        self._splitter = sse.Splitter(max_event_bytes)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; relay them."""
        _, whole = self._splitter.feed(chunk)
        if whole:
            self._read(whole)
        return chunk

    def finish(self) -> bytes:
        """The body has ended or was cut; there is nothing left to relay."""
        _, rest = self._splitter.finish()
        if rest:
            self._read(rest)
        return b""

    @property
    def at_boundary(self) -> bool:
        """Whether all bytes fed so far end between two events."""
        return self._splitter.at_boundary

    def _read(self, whole: bytes) -> None:
        # One event of one line, as nearly all chunks are: JSON ignores the white space around it.
        # (With bare CR there may be more: then the attempt fails, and teaches nothing twice.)
        if (
            whole.find(b"\n", 0, -4) < 0
            and whole.startswith(_DATA)
            and len(whole) <= self._max
            and self._take(whole[len(_DATA) :])
        ):
            return
        for raw in sse.split(whole):
            if not self._splitter.is_overlong(raw):
                _, data = sse.name_and_data(raw)
                if data is not None:
                    self._take(data)


class ArrayTap(_StreamTap):
    """Reads a streamed JSON array."""

    __slots__ = ("_splitter",)

    def __init__(self, max_object_bytes: int = MAX_OBJECT_BYTES) -> None:
        super().__init__()
        self._splitter = ObjectSplitter(max_object_bytes)

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; relay them."""
        for element in self._splitter.feed(chunk):
            self._take(element)
        return chunk

    def finish(self) -> bytes:
        """The body has ended or was cut; there is nothing left to relay."""
        return b""

    @property
    def complete(self) -> bool:
        """Whether the array has ended, and the answer within it."""
        return self._reading.complete and self._splitter.closed

    @property
    def at_boundary(self) -> bool:
        """Whether all bytes fed so far end between two elements: only white space fits there."""
        return self._splitter.at_boundary
