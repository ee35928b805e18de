"""The request body: read whole and once, bounded; and a decoded copy of it where it is compressed.

Failure policy: a body over the bound is refused before it is read when its length is announced,
and as soon as it is exceeded when it is not; a client that pauses too long is answered 408; an unknown or broken content encoding is the
caller's error; a client that leaves in the middle ends the call without a trace upstream.
"""

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable

from gateway.domain.outcome import Reason

from .asgi import Arrival, Message, Receive
from .refused import ClientGone, refused

_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
_ENCODINGS = {b"gzip": _GZIP_OR_ZLIB, b"x-gzip": _GZIP_OR_ZLIB, b"deflate": _GZIP_OR_ZLIB}


def announced_length(request: Arrival, max_bytes: int) -> int | None:
    """The `content-length`, checked against the bound.

    Raises:
        Refused: `too_large`, before anything is read.
    """
    value = request.fields.get(b"content-length")
    if value is None:
        return None
    length = int(value)  # the parser has refused anything but digits
    if length > max_bytes:
        raise refused(
            Reason.TOO_LARGE,
            f"The request body is {length} bytes; this gateway accepts up to {max_bytes} "
            "(server.max_body_bytes).",
        )
    return length


def _anything(_: int) -> None:
    """However much it is."""


async def read_body(
    request: Arrival,
    receive: Receive,
    max_bytes: int,
    pause_s: float,
    came: Callable[[int], None] = _anything,
) -> bytes:
    """The whole body as it came.

    Args:
        request: Its head.
        receive: Where the body comes from.
        max_bytes: Its bound.
        pause_s: How long the client may pause.
        came: Told how many bytes have come, each time; may refuse them.

    Raises:
        Refused: `too_large`, `client_timeout`, and what `came` raises.
        ClientGone: The client left in the middle.
    """
    announced_length(request, max_bytes)
    if request.client is not None and (whole := request.client.whole_body()) is not None:
        _bound(len(whole), max_bytes)
        came(len(whole))
        return whole
    message = await _patiently(receive, pause_s)
    if message["type"] == "http.disconnect":
        raise ClientGone
    if not message.get("more_body"):
        body: bytes = message.get("body", b"")
        _bound(len(body), max_bytes)
        came(len(body))
        return body
    pieces = [message.get("body", b"")]
    size = len(pieces[0])
    came(size)
    while message.get("more_body"):
        message = await _patiently(receive, pause_s)
        if message["type"] == "http.disconnect":
            raise ClientGone
        piece = message.get("body", b"")
        size += len(piece)
        _bound(size, max_bytes)
        came(len(piece))
        pieces.append(piece)
    return b"".join(pieces)


async def stream_body(receive: Receive, max_bytes: int, pause_s: float) -> AsyncIterator[bytes]:
    """The body piece by piece, for paths without a codec (file uploads).

    Raises:
        Refused: `too_large`, `client_timeout`.
        ClientGone: The client left in the middle.
    """
    size = 0
    more = True
    while more:
        message = await _patiently(receive, pause_s)
        if message["type"] == "http.disconnect":
            raise ClientGone
        more = message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        size += len(piece)
        _bound(size, max_bytes)
        if piece:
            yield piece


async def _patiently(receive: Receive, pause_s: float) -> Message:
    try:
        async with asyncio.timeout(pause_s):
            return await receive()
    except TimeoutError:
        raise refused(
            Reason.CLIENT_TIMEOUT,
            f"The request body paused for more than {pause_s:g} s (server.body_timeout).",
        ) from None


def decoded(request: Arrival, body: bytes, max_bytes: int) -> bytes:
    """The body without its content encoding; the same object where there is none.

    Raises:
        Refused: `bad_request` for an encoding that is unknown or broken, `too_large` where the
            decoded body exceeds the bound (a decompression bomb).
    """
    encoding = request.fields.get(b"content-encoding", b"").strip().lower()
    if not encoding or encoding == b"identity":
        return body
    window_bits = _ENCODINGS.get(encoding)
    if window_bits is None:
        raise refused(
            Reason.BAD_REQUEST,
            f"The content-encoding {encoding.decode('latin-1')!r} is not understood; "
            "send gzip, deflate or none.",
        )
    inflater = zlib.decompressobj(window_bits)
    try:
        plain = inflater.decompress(body, max_bytes + 1)
    except zlib.error:
        raise refused(
            Reason.BAD_REQUEST, "The request body is not valid for its content-encoding."
        ) from None
    _bound(len(plain), max_bytes)
    if not inflater.eof:
        raise refused(Reason.BAD_REQUEST, "The compressed request body ends too early.")
    return plain


def _bound(size: int, max_bytes: int) -> None:
    if size > max_bytes:
        raise refused(
            Reason.TOO_LARGE,
            f"The request body exceeds the {max_bytes} bytes this gateway accepts "
            "(server.max_body_bytes).",
        )
