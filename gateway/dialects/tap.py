"""The machinery that all taps share: relay bytes at once, read only what may hold usage.

A dialect brings two small functions: `StreamRules.read` is told of each event in which one of its
needles was found, and `JsonTap`'s `read` of the whole JSON body. Both write what they learn into
a `Seen`. The tap owns the chunking, the bounds and the counting, so that a dialect needs no state
of its own.

Failure policy: what cannot be parsed teaches nothing and is relayed all the same; a body over the
bound is relayed without being kept.
"""

from collections.abc import Callable
from dataclasses import dataclass

from gateway.domain.usage import Usage

from . import sse

MAX_JSON_BYTES = 64 * 1024 * 1024
"""Longer unary bodies are relayed without being read."""

JSON_ENVELOPE_BYTES = 512
"""What a unary answer holds besides its text: ids, model, usage."""


@dataclass(slots=True)
class Seen:
    """What one response has told so far.

    Attributes:
        usage: The usage, `None` while nothing was told.
        complete: The answer reached its own end.
        failed: The provider sent an error event.
        model: The model that answered.
        text_bytes: Bytes of answer text in events that were read (see `SseTap.output_bytes`).
    """

    usage: Usage | None = None
    complete: bool = False
    failed: bool = False
    model: str = ""
    text_bytes: int = 0


@dataclass(frozen=True, slots=True)
class StreamRules:
    """How a dialect's stream is read.

    Attributes:
        needles: An event is read only if it contains one of these. Each costs a search of every
            chunk, so have few, and such as text deltas do not contain.
        read: Told of an event (name, empty if none; data) in order; writes into `Seen`. Its
            result says whether the event is relayed; only rules with `hides` may say no.
        discounts: What an event that is not read holds besides answer text: for each occurrence
            of a sequence, wherever it stands, so many bytes are taken off the event's length.
        hides: Events may be left out. Then the tap relays whole events only, and holds back an
            unfinished one.
        text_bytes: Counts the answer text in some whole events, in place of `discounts`, for a
            dialect whose envelopes differ much or whose last events repeat the text.
    """

    needles: tuple[bytes, ...]
    read: Callable[[Seen, bytes, bytes], bool]
    discounts: tuple[tuple[bytes, int], ...] = ()
    hides: bool = False
    text_bytes: Callable[[bytes], int] | None = None


class SseTap:
    """Reads a streamed answer."""

    __slots__ = ("_needles", "_rules", "_seen", "_splitter", "_surplus", "_text_bytes")

    def __init__(self, rules: StreamRules, max_event_bytes: int = sse.MAX_EVENT_BYTES) -> None:
        self._rules = rules
        self._needles = rules.needles
        self._text_bytes = rules.text_bytes
        self._seen = Seen()
        self._splitter = sse.Splitter(max_event_bytes)
        self._surplus = 0

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes; return what to relay."""
        through, whole = self._splitter.feed(chunk)
        if len(whole) > self._splitter.max_event_bytes:
            kept = self._read(whole)
            return through + kept if self._rules.hides else chunk
        if whole:
            for needle in self._needles:
                if needle in whole:
                    kept = self._read(whole)
                    return through + kept if self._rules.hides else chunk
            self._count(whole)
        if self._rules.hides and whole is not chunk:
            return through + whole
        return chunk

    def finish(self) -> bytes:
        """The body has ended or was cut; return bytes still held back."""
        through, rest = self._splitter.finish()
        kept = through + self._read(rest)
        return kept if self._rules.hides else b""

    @property
    def usage(self) -> Usage | None:
        """The usage seen so far."""
        return self._seen.usage

    @property
    def complete(self) -> bool:
        """Whether the terminal event was seen."""
        return self._seen.complete

    @property
    def failed(self) -> bool:
        """Whether an error event was seen."""
        return self._seen.failed

    @property
    def model(self) -> str:
        """The model that answered."""
        return self._seen.model

    @property
    def output_bytes(self) -> int:
        """A lower bound of the answer's text, in bytes as it stands in the JSON.

        Events that were not read count with their length less the dialect's discounts; events that
        were read count with what the dialect found in them.
        """
        return max(0, self._surplus) + self._seen.text_bytes

    @property
    def at_boundary(self) -> bool:
        """Whether all bytes fed so far end between two events."""
        return self._splitter.at_boundary

    def _count(self, events: bytes) -> None:
        if self._text_bytes is not None:
            self._surplus += self._text_bytes(events)
            return
        surplus = len(events)
        for sequence, taken_off in self._rules.discounts:
            surplus -= taken_off * events.count(sequence)
        self._surplus += surplus

    def _read(self, whole: bytes) -> bytes:
        return b"".join([raw for raw in sse.split(whole) if self._relays(raw)])

    def _relays(self, raw: bytes) -> bool:
        """Read one event if it may tell something; say whether the client gets it."""
        if self._splitter.is_overlong(raw):
            return True
        if not any(needle in raw for needle in self._needles):
            self._count(raw)
            return True
        if self._text_bytes is None:
            # Empty lines may have come apart from this event and been counted: so always do so.
            self._surplus += len(raw) - len(raw.strip(b"\r\n")) - 2
        name, data = sse.name_and_data(raw)
        return data is None or self._rules.read(self._seen, name, data)


class JsonTap:
    """Reads a unary JSON answer, once, when it is whole."""

    __slots__ = ("_max", "_pieces", "_read", "_seen", "_size")

    def __init__(
        self, read: Callable[[Seen, bytes], None], max_bytes: int = MAX_JSON_BYTES
    ) -> None:
        """`read` parses the body and writes into `Seen`; it sets `complete` if it is whole."""
        self._read = read
        self._max = max_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._seen = Seen()

    def feed(self, chunk: bytes) -> bytes:
        """Keep the next bytes up to the bound; relay them."""
        self._size += len(chunk)
        if self._size <= self._max:
            self._pieces.append(chunk)
        elif self._pieces:
            self._pieces.clear()
        self._seen.complete = False
        return chunk

    def finish(self) -> bytes:
        """Parse the body. Nothing is ever held back."""
        if self._size <= self._max:
            body = b"".join(self._pieces)
            self._pieces.clear()
            self._size = len(body)
            if body:
                self._read(self._seen, body)
        return b""

    @property
    def usage(self) -> Usage | None:
        """The usage, once the body has ended."""
        return self._seen.usage

    @property
    def complete(self) -> bool:
        """Whether a whole JSON body was read."""
        return self._seen.complete

    @property
    def failed(self) -> bool:
        """A successful unary answer has no error event."""
        return self._seen.failed

    @property
    def model(self) -> str:
        """The model that answered."""
        return self._seen.model

    @property
    def output_bytes(self) -> int:
        """What went by, less the envelope."""
        return max(0, self._size - JSON_ENVELOPE_BYTES)

    @property
    def at_boundary(self) -> bool:
        """Nothing can be put into a JSON body."""
        return not self._size


class NullTap:
    """Reads nothing: for answers whose shape says nothing of tokens."""

    __slots__ = ("_fed",)

    usage: Usage | None = None
    complete = True
    failed = False
    model = ""
    output_bytes = 0

    def __init__(self) -> None:
        self._fed = False

    def feed(self, chunk: bytes) -> bytes:
        """Relay."""
        self._fed = True
        return chunk

    def finish(self) -> bytes:
        """Nothing is held back."""
        return b""

    @property
    def at_boundary(self) -> bool:
        """Where such a body may be cut is not known."""
        return not self._fed
