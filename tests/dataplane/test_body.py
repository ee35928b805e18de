"""Request bodies: whole, bounded, and decoded only as a copy."""

import asyncio
import gzip
import zlib
from collections.abc import Iterable

import pytest

from gateway.dataplane.asgi import Arrival, Message, Receive
from gateway.dataplane.body import decoded, read_body, stream_body
from gateway.dataplane.refused import ClientGone, Refused
from gateway.domain.outcome import Reason


def request(*fields: tuple[bytes, bytes]) -> Arrival:
    return Arrival("POST", "/v1/messages", b"/v1/messages", b"", list(fields), dict(fields))


def delivering(*pieces: bytes, end: bool = True) -> Receive:
    messages: list[Message] = [
        {"type": "http.request", "body": piece, "more_body": True} for piece in pieces
    ]
    if end:
        messages[-1]["more_body"] = False
    queue = iter(messages)

    async def receive() -> Message:
        return next(queue, {"type": "http.disconnect"})

    return receive


@pytest.mark.parametrize("pieces", [(b"",), (b"abc",), (b"a", b"", b"bc"), (b"abc", b"")])
async def test_pieces_are_joined(pieces: Iterable[bytes]) -> None:
    assert await read_body(request(), delivering(*pieces), 10, 1.0) == b"".join(pieces)


async def test_an_announced_length_over_the_bound_is_refused_before_anything_is_read() -> None:
    async def receive() -> Message:
        raise AssertionError("the body was read")

    with pytest.raises(Refused) as caught:
        await read_body(request((b"content-length", b"11")), receive, 10, 1.0)
    assert caught.value.refusal.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("pieces", [(b"x" * 11,), (b"x" * 6, b"x" * 6)])
async def test_an_unannounced_body_over_the_bound_is_refused(pieces: Iterable[bytes]) -> None:
    with pytest.raises(Refused) as caught:
        await read_body(request(), delivering(*pieces), 10, 1.0)
    assert caught.value.refusal.reason is Reason.TOO_LARGE


@pytest.mark.parametrize("pieces", [(), (b"a",), (b"a", b"b")])
async def test_a_client_that_leaves_in_the_middle_is_noticed(pieces: Iterable[bytes]) -> None:
    with pytest.raises(ClientGone):
        await read_body(request(), delivering(*pieces, end=False), 10, 1.0)


async def test_a_client_that_pauses_too_long_is_told_so() -> None:
    async def receive() -> Message:
        never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await never

    with pytest.raises(Refused) as caught:
        await read_body(request(), receive, 10, 0.01)
    assert caught.value.refusal.reason is Reason.CLIENT_TIMEOUT


async def test_uploads_are_bounded_while_they_stream() -> None:
    seen = []
    with pytest.raises(Refused):
        async for piece in stream_body(delivering(b"12345", b"67890", b"1"), 10, 1.0):
            seen.append(piece)
    assert seen == [b"12345", b"67890"]


@pytest.mark.parametrize(
    ("encoding", "encode"),
    [(b"gzip", gzip.compress), (b"GZIP", gzip.compress), (b"deflate", zlib.compress)],
)
def test_a_compressed_body_is_read_through_a_copy(
    encoding: bytes, encode: "type[bytes] | object"
) -> None:
    assert callable(encode)
    wire = encode(b'{"model":"m"}')
    assert decoded(request((b"content-encoding", encoding)), wire, 100) == b'{"model":"m"}'


def test_an_uncompressed_body_is_not_copied() -> None:
    body = b"{}"
    assert decoded(request(), body, 100) is body


@pytest.mark.parametrize(
    ("encoding", "body", "reason"),
    [
        (b"gzip", b"not gzip", Reason.BAD_REQUEST),
        (b"gzip", gzip.compress(b"x" * 50, mtime=0)[:-9], Reason.BAD_REQUEST),
        (b"zstd", b"x", Reason.BAD_REQUEST),
        (b"gzip", gzip.compress(b"x" * 101, mtime=0), Reason.TOO_LARGE),
        (b"gzip", gzip.compress(b"\0" * 50_000_000, mtime=0), Reason.TOO_LARGE),
    ],
    ids=["not-gzip", "cut", "unknown", "one-byte-too-many", "bomb"],
)
def test_broken_unknown_and_exploding_encodings_are_refused(
    encoding: bytes, body: bytes, reason: Reason
) -> None:
    with pytest.raises(Refused) as caught:
        decoded(request((b"content-encoding", encoding)), body, 100)
    assert caught.value.refusal.reason is reason
