"""The provider's answer on its way to the client: chunk in, chunk out, with a tap on the pipe.

Failure policy: an answer cut short by the provider ends as its dialect's error event if it is a
stream, and as a closed connection if it is not, never as a clean end; an answer that the gateway
cannot decode is relayed all the same and settled by its length.
"""

import zlib
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from gateway.dialects.codec import Tap
from gateway.domain.outcome import FailurePhase, Reason, UpstreamFailure
from gateway.domain.usage import Usage
from gateway.ports import Headers, UpstreamResponse

from .headers import value_of
from .respond import Responder

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
INCREDIBLE_TOKENS = 10**9
"""No call uses so many; a provider that says so is not believed, and the accounts can still count."""


class Meter(Protocol):
    """Sees the bytes of an answer and returns what to relay."""

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes."""

    def finish(self) -> bytes:
        """The end."""


class InflatingMeter:
    """Feeds a tap with a decoded copy, and relays the bytes as they came.

    The copy is dropped, and metering with it, when it cannot be decoded or exceeds `max_bytes`.
    """

    def __init__(self, tap: Tap, max_bytes: int) -> None:
        self._tap = tap
        self._left = max_bytes
        self._inflater: zlib._Decompress | None = zlib.decompressobj(_GZIP_OR_ZLIB)

    def feed(self, chunk: bytes) -> bytes:
        """Decode a copy for the tap; relay the original."""
        if self._inflater is not None:
            try:
                plain = self._inflater.decompress(chunk, self._left)
            except zlib.error:
                self._inflater = None
                return chunk
            self._left -= len(plain)
            self._tap.feed(plain)
            if self._left <= 0:
                self._inflater = None
        return chunk

    def finish(self) -> bytes:
        """Tell the tap; there is never anything left to relay."""
        self._tap.finish()
        return b""


class WholeStreamMeter:
    """Feeds a tap that must see its stream's own end: an early end of the body is a cut.

    HTTP cannot tell: a provider's proxy that loses its backend may still end the body in order
    (provider-facts B14: never pass that on as a clean end).
    """

    __slots__ = ("_tap", "feed")

    def __init__(self, tap: Tap) -> None:
        self._tap = tap
        self.feed = tap.feed

    def finish(self) -> bytes:
        """The rest, if the stream is whole.

        Raises:
            UpstreamFailure: It is not.
        """
        tail = self._tap.finish()
        if self._tap.complete or self._tap.failed:
            return tail
        message = "the stream ended before its last event"
        raise UpstreamFailure(Reason.UPSTREAM_CUT, FailurePhase.BODY, message, sent=True)


def meter_for(tap: Tap, headers: Headers, max_bytes: int, *, stream: bool) -> Meter:
    """The tap itself, or one behind a decoder."""
    encoding = value_of(headers, b"content-encoding").strip().lower()
    if encoding in {b"gzip", b"x-gzip", b"deflate"}:
        return InflatingMeter(tap, max_bytes)
    return WholeStreamMeter(tap) if stream else tap


async def relay(
    chunk: bytes,
    response: UpstreamResponse,
    responder: Responder,
    meter: Meter,
    last_byte: Callable[[], None],
    moved: Callable[[], None] | None = None,
) -> None:
    """Move the body over, as it comes.

    Args:
        chunk: What was read of it already; empty if it is.
        response: Where the rest comes from; read to its end.
        responder: Where it goes; ended.
        meter: Sees every byte.
        last_byte: Called when the body is whole, before the client is told.
        moved: Called after each chunk.

    Raises:
        UpstreamFailure: The provider did not finish.
    """
    while chunk:
        out = meter.feed(chunk)
        if out:
            await responder.chunk(out)
        if moved is not None:
            moved()
        chunk = await response.read()
    tail = meter.finish()
    last_byte()
    await responder.end(tail)


async def read_bounded(response: UpstreamResponse, max_bytes: int) -> tuple[bytes, bool]:
    """Read a body into memory, up to a bound; and whether that was all of it."""
    pieces: list[bytes] = []
    size = 0
    while chunk := await response.read():
        pieces.append(chunk)
        size += len(chunk)
        if size >= max_bytes:
            return b"".join(pieces), False
    return b"".join(pieces), True


def inflated(headers: Headers, body: bytes, max_bytes: int) -> bytes:
    """A decoded copy of a whole body, for classifying; as it came where that fails."""
    if value_of(headers, b"content-encoding").strip().lower() not in {
        b"gzip",
        b"x-gzip",
        b"deflate",
    }:
        return body
    try:
        return zlib.decompressobj(_GZIP_OR_ZLIB).decompress(body, max_bytes)
    except zlib.error:
        return body


def seen_usage(tap: Tap, input_tokens: int, output_tokens: int) -> Usage:
    """What an answer used: as told by the provider, or the least that its bytes prove.

    Args:
        tap: Has seen the answer.
        input_tokens: Our estimate, used where the provider told nothing.
        output_tokens: The tokens of the text that went by, used for a stream that was cut.
    """
    told = tap.usage
    if told is None or _most(told) >= INCREDIBLE_TOKENS:
        return Usage(input_tokens=input_tokens, output_tokens=output_tokens, exact=False)
    if tap.complete or told.output_tokens >= output_tokens:
        return told
    return replace(told, output_tokens=output_tokens, exact=False)


def _most(told: Usage) -> int:
    """No count that a provider has told is larger than this."""
    most = (
        told.total_tokens
        + told.cache_write_1h_tokens
        + told.reasoning_tokens
        + told.audio_input_tokens
        + told.audio_output_tokens
        + told.web_searches
    )
    return most + sum(_most(other.usage) for other in told.others)
