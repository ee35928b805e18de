"""Bodies on their way to the wire."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.ports import UpstreamRequest
from gateway.upstream.failures import BodyLengthMismatchError
from gateway.upstream.request_body import groups_of


class _Pieces:
    """An iterator that is no generator."""

    def __init__(self, *pieces: bytes) -> None:
        self._pieces = list(pieces)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if not self._pieces:
            raise StopAsyncIteration
        return self._pieces.pop(0)


async def _wire(body: bytes | AsyncIterator[bytes], length: int | None = None) -> bytes:
    groups = groups_of(UpstreamRequest("POST", b"/", [], body, length), slice_bytes=4)
    return b"".join([bytes(part) async for group in groups for part in group])


async def test_a_whole_body_is_sliced_without_a_copy() -> None:
    body = b"0123456789"
    groups = groups_of(UpstreamRequest("POST", b"/", [], body), slice_bytes=4)
    parts = [part async for group in groups for part in group]
    assert [bytes(part) for part in parts] == [b"0123", b"4567", b"89"]
    assert all(isinstance(part, memoryview) and part.obj is body for part in parts)


async def test_a_stream_without_a_length_is_chunked_and_empty_pieces_do_not_end_it() -> None:
    assert await _wire(_Pieces(b"a" * 17, b"", b"b")) == (
        b"11\r\n" + b"a" * 17 + b"\r\n1\r\nb\r\n0\r\n\r\n"
    )


async def test_a_stream_with_a_length_goes_out_as_it_is() -> None:
    assert await _wire(_Pieces(b"ab", b"", b"c"), 3) == b"abc"


@pytest.mark.parametrize("length", [0, 2, 4])
async def test_a_stream_that_does_not_keep_its_length_is_an_error(length: int) -> None:
    with pytest.raises(BodyLengthMismatchError):
        await _wire(_Pieces(b"ab", b"c"), length)


@pytest.mark.parametrize("length", [None, 3])
async def test_the_callers_generator_is_closed_when_sending_stops(length: int | None) -> None:
    closed = asyncio.Event()

    async def body() -> AsyncIterator[bytes]:
        try:
            yield b"abc"
            yield b""
        finally:
            closed.set()

    groups = groups_of(UpstreamRequest("POST", b"/", [], body(), length), 4)
    await anext(groups)
    await groups.aclose()  # type: ignore[attr-defined] # a generator
    assert closed.is_set()
