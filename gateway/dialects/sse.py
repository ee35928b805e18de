r"""Server-sent events, sans-IO: find where events end, take them apart, put them together.

The grammar is WHATWG HTML 9.2.6. Lines end in LF, CR LF or CR; an empty line ends an event. Two
readers share one idea of where an event ends:

- `Splitter` only finds the ends. It is what a tap runs on relayed bytes, so the usual chunk, one
  or more whole events, costs one `endswith`.
- `Decoder` yields whole `Event`s, for tests, translation and anything off the hot path.

Both give the same result however the bytes are cut into chunks. To have that, a CR which is the
last byte seen ends nothing until the next byte tells whether it is half of a CR LF, and empty
lines between events belong to the event before them.

Failure policy: an event longer than the bound is let through unread, and nothing of it is kept;
bytes that are not UTF-8 become U+FFFD; an event without its final empty line is read when the
stream ends (the standard would drop it, but it may be the one that holds the usage).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MAX_EVENT_BYTES = 4 * 1024 * 1024
"""Longer events are relayed without being read. Inline images stay below this."""

ENDINGS = (b"\n\n", b"\r\n\r\n")
"""How a chunk of whole events ends, unless the stream uses bare CR."""

_END = re.compile(rb"(?:\n\n|[\n\r]\r(?:\n|(?=[^\n])))(?:\r\n|\n)*")
_BLANKS = re.compile(rb"(?:\r\n|\n)*")
_LINE_ENDS = 4  # empty lines that a tail may hold besides its event
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream.

    Attributes:
        event: Its name; empty if it has none.
        data: Its data lines, joined by LF.
        id: The last id seen in the stream, this event's own included.
        retry: The reconnection time in milliseconds, if this event sets one.
    """

    event: str
    data: str
    id: str = ""
    retry: int | None = None


class Splitter:
    """Cuts a stream into its finished part and an unfinished tail that it keeps."""

    __slots__ = ("_carry", "_held", "_overlong", "_pieces", "max_event_bytes")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self.max_event_bytes = max_event_bytes
        self._pieces: list[bytes] = []
        self._held = 0
        self._carry = b""  # the last two bytes of the tail: an end may lie across two chunks
        self._overlong = False

    @property
    def at_boundary(self) -> bool:
        """Whether everything fed so far is whole events."""
        return not self._held and not self._overlong

    def is_overlong(self, raw: bytes) -> bool:
        """Whether a whole event exceeds the bound, its empty lines not counted."""
        return len(raw) > self.max_event_bytes < len(raw.strip(b"\r\n"))

    def feed(self, chunk: bytes) -> tuple[bytes, bytes]:
        """Take the next bytes.

        Returns:
            Bytes of an overlong event, to be let through unread, and after them whole events.
            Either may be empty. What is in neither is the tail.
        """
        if not self._held and not self._overlong and chunk.endswith(ENDINGS):
            return b"", chunk
        if not chunk:
            return b"", b""
        through = b""
        if self._overlong or self._held > self.max_event_bytes + _LINE_ENDS:
            through, chunk = self._pass_overlong(chunk)
        return through, self._complete(chunk)

    def finish(self) -> tuple[bytes, bytes]:
        """The stream has ended: the same pair for what is left, the tail taken as an event."""
        rest = self._take()
        if self._overlong or self.is_overlong(rest):
            self._overlong = False
            return rest, b""
        return b"", rest

    def _pass_overlong(self, chunk: bytes) -> tuple[bytes, bytes]:
        """What belongs to the overlong event, and what follows it."""
        window = self._carry + chunk
        end = _END.search(window)
        cut = len(chunk) if end is None else end.end() - len(self._carry)
        through = self._take() + chunk[:cut]
        self._overlong = end is None
        if end is None:
            self._carry = window[-2:]
        return through, chunk[cut:]

    def _complete(self, chunk: bytes) -> bytes:
        """Add to the tail, and return the whole events that it now holds."""
        if self._overlong or not chunk:
            return b""
        if self._held <= 2:  # perhaps a CR between events, whose LF has come now
            chunk = self._take() + chunk
        carry = len(self._carry)
        end = _last_end(self._carry + chunk) - carry
        if end < 0:
            end = 0 if self._held else _leading_blanks(chunk)
            if not end:
                self._hold(chunk)
                return b""
        complete = self._take() + chunk[:end]
        self._hold(chunk[end:])
        return complete

    def _hold(self, tail: bytes) -> None:
        if tail:
            self._pieces.append(tail)
            self._held += len(tail)
            self._carry = (self._carry + tail)[-2:]

    def _take(self) -> bytes:
        """The tail, which is then empty."""
        if not self._pieces:
            self._carry = b""
            return b""
        rest = b"".join(self._pieces)
        self._pieces.clear()
        self._held = 0
        self._carry = b""
        return rest


def _last_end(window: bytes) -> int:
    """Where the last whole event in `window` ends; -1 if none does."""
    if b"\r" not in window:
        found = window.rfind(b"\n\n")
        return found + 2 if found >= 0 else -1
    end = -1
    for match in _END.finditer(window):
        end = match.end()
    return end


def _leading_blanks(chunk: bytes) -> int:
    match = _BLANKS.match(chunk)
    return match.end() if match else 0


def split(events: bytes) -> Iterator[bytes]:
    """The single events in a part that holds whole ones; what follows the last end counts too."""
    start = 0
    for match in _END.finditer(events):
        yield events[start : match.end()]
        start = match.end()
    if start < len(events):
        yield events[start:]


def name_and_data(raw: bytes) -> tuple[bytes, bytes | None]:
    """The name (empty if none) and the data (`None` if it has no data line) of one event.

    A byte order mark is legal only before the first event; it is harmless to take it off others.
    """
    name = b""
    data: bytes | None = None
    for line in raw.lstrip(b"\r\n").removeprefix(_BOM).splitlines():
        field, _, value = line.partition(b":")
        if field == b"data":
            value = value.removeprefix(b" ")
            data = value if data is None else data + b"\n" + value
        elif field == b"event":
            name = value.removeprefix(b" ")
    return name, data


class Decoder:
    """Decodes a stream into its events."""

    __slots__ = ("_id", "_splitter")

    def __init__(self, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._splitter = Splitter(max_event_bytes)
        self._id = ""

    def feed(self, chunk: bytes) -> list[Event]:
        """Take the next bytes; return the events that are now whole. Overlong ones are lost."""
        _, whole = self._splitter.feed(chunk)
        return self._decode(whole)

    def finish(self) -> list[Event]:
        """The stream has ended: the last event, if its empty line was missing."""
        _, whole = self._splitter.finish()
        return self._decode(whole)

    def _decode(self, whole: bytes) -> list[Event]:
        events = (self._event(raw) for raw in split(whole) if not self._splitter.is_overlong(raw))
        return [event for event in events if event is not None]

    def _event(self, raw: bytes) -> Event | None:
        name, data = name_and_data(raw)
        retry = None
        for line in raw.lstrip(b"\r\n").removeprefix(_BOM).splitlines():
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"id" and b"\0" not in value:
                self._id = value.decode(errors="replace")
            elif field == b"retry" and value.isdigit():
                retry = int(value)
        if data is None:
            return None
        return Event(name.decode(errors="replace"), data.decode(errors="replace"), self._id, retry)


def encode(data: bytes, event: str = "") -> bytes:
    """One event as bytes, LF line ends; each line of `data` becomes a data line."""
    head = f"event: {event}\n".encode() if event else b""
    lines = data.splitlines() or [b""]
    return head + b"".join(b"data: %b\n" % line for line in lines) + b"\n"
