"""Large and streamed request bodies, cut into what goes on the wire; large ones are not copied.

Each generator yields groups of buffers; the connection writes a group, and asks for the next one
when the socket has taken it.
"""

from collections.abc import AsyncIterator
from typing import TypeAlias

from gateway.ports import UpstreamRequest

from .failures import BodyLengthMismatchError

Group: TypeAlias = tuple[bytes | memoryview, ...]


def groups_of(request: UpstreamRequest, slice_bytes: int) -> AsyncIterator[Group]:
    """The body of a request as groups of buffers."""
    body = request.body
    if isinstance(body, bytes):
        return _sliced(body, slice_bytes)
    if request.content_length is None:
        return _chunked(body)
    return _counted(body, request.content_length)


async def _sliced(body: bytes, slice_bytes: int) -> AsyncIterator[Group]:
    view = memoryview(body)
    for start in range(0, len(body), slice_bytes):
        yield (view[start : start + slice_bytes],)


async def _counted(body: AsyncIterator[bytes], length: int) -> AsyncIterator[Group]:
    left = length
    try:
        async for piece in body:
            left -= len(piece)
            if left < 0:
                raise BodyLengthMismatchError(f"the body is longer than its {length} bytes")
            yield (piece,)
    finally:
        await _close(body)
    if left:
        raise BodyLengthMismatchError(f"the body ended {left} bytes short of its {length} bytes")


async def _chunked(body: AsyncIterator[bytes]) -> AsyncIterator[Group]:
    try:
        async for piece in body:
            if piece:  # an empty chunk would end the body
                yield (b"%x\r\n" % len(piece), piece, b"\r\n")
    finally:
        await _close(body)
    yield (b"0\r\n\r\n",)


async def _close(body: AsyncIterator[bytes]) -> None:
    """Let a generator clean up now, and not when it is collected."""
    close = getattr(body, "aclose", None)
    if close is not None:
        await close()
