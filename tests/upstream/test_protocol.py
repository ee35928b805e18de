"""Answers as they come off the wire: framing, splitting, limits, and what is refused."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.domain.outcome import FailurePhase, Reason, UpstreamFailure
from gateway.domain.topology import Timeouts
from gateway.ports import Headers
from gateway.upstream import HttpUpstream, TransportSettings
from gateway.upstream.protocol import Connection, State
from tests.upstream.calling import (
    call,
    failure_of,
    get,
    opened,
    post,
    provider,
    read_all,
    wait_until,
)
from tests.upstream.hostile import OK, Hostile, Peer, answering, ending

_H = b"HTTP/1.1 200 OK\r\n"

ANSWERS: list[tuple[str, bytes, int, Headers, bytes]] = [
    (
        "length",
        _H + b"Content-Type: a/b\r\nContent-Length: 5\r\n\r\nhello",
        200,
        [(b"Content-Type", b"a/b"), (b"Content-Length", b"5")],
        b"hello",
    ),
    ("empty", _H + b"content-length: 0\r\n\r\n", 200, [(b"content-length", b"0")], b""),
    (
        "empty value",
        _H + b"x:\r\ncontent-length: 1\r\n\r\na",
        200,
        [(b"x", b""), (b"content-length", b"1")],
        b"a",
    ),
    (
        "chunked with extensions and trailers",
        _H + b"Transfer-Encoding: chunked\r\n\r\n"
        b'3;a=b;c="d"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nx-trailer: t\r\ny: \r\n\r\n',
        200,
        [(b"Transfer-Encoding", b"chunked")],
        b"abc0123456789",
    ),
    (
        "interim answers",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n"
        b"HTTP/1.1 201 Created\r\ncontent-length: 1\r\n\r\nz",
        201,
        [(b"content-length", b"1")],
        b"z",
    ),
    ("no content", b"HTTP/1.1 204 No Content\r\na: b\r\n\r\n", 204, [(b"a", b"b")], b""),
    (
        "not modified",
        b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n",
        304,
        [(b"content-length", b"9")],
        b"",
    ),
    (
        "unused upgrade offer",
        _H + b"upgrade: h2c\r\nconnection: upgrade\r\ncontent-length: 1\r\n\r\na",
        200,
        [(b"upgrade", b"h2c"), (b"connection", b"upgrade"), (b"content-length", b"1")],
        b"a",
    ),
    (
        "no reason phrase, last status",
        b"HTTP/1.1 599\r\ncontent-length: 0\r\n\r\n",
        599,
        [(b"content-length", b"0")],
        b"",
    ),
]


async def _silent(peer: Peer) -> None:
    await peer.ended()


async def _connection(port: int) -> Connection:
    loop = asyncio.get_running_loop()
    connection = Connection(loop, TransportSettings(), lambda _: None)
    await loop.create_connection(lambda: connection, "127.0.0.1", port)
    return connection


def _begin(connection: Connection, *, is_head: bool = False) -> None:
    total_at = asyncio.get_running_loop().time() + 10
    connection.begin(b"GET / HTTP/1.1\r\n\r\n", b"", Timeouts(), total_at, is_head=is_head)


async def _body(connection: Connection) -> bytes:
    body = b""
    while piece := await connection.read():
        body += piece
    return body


@pytest.mark.parametrize(
    ("answer", "status", "headers", "body"),
    [each[1:] for each in ANSWERS],
    ids=[each[0] for each in ANSWERS],
)
async def test_an_answer_split_at_any_byte_or_at_all_is_the_same_answer(
    answer: bytes, status: int, headers: Headers, body: bytes
) -> None:
    splits = [[answer[:i], answer[i:]] for i in range(1, len(answer))]
    splits += [[answer], [answer[i : i + 1] for i in range(len(answer))]]
    async with Hostile(_silent) as server:
        connection = await _connection(server.port)
        for split in splits:
            _begin(connection)
            for segment in split:
                connection.data_received(segment)
            await connection.receive_head()
            assert (connection.status, connection.headers) == (status, headers)
            assert await _body(connection) == body
            assert connection.reuse()
        connection.abort()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(data=st.data(), pieces=st.lists(st.binary(min_size=1, max_size=40), max_size=6))
def test_any_chunked_body_arrives_whole_under_any_segmentation(
    data: st.DataObject, pieces: list[bytes]
) -> None:
    wire = _H + b"transfer-encoding: chunked\r\n\r\n"
    wire += b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    cuts = sorted(data.draw(st.sets(st.integers(1, len(wire) - 1), max_size=8)))
    segments = [wire[a:b] for a, b in zip([0, *cuts], [*cuts, len(wire)], strict=True)]

    async def run() -> bytes:
        async with Hostile(_silent) as server:
            connection = await _connection(server.port)
            _begin(connection)
            for segment in segments:
                connection.data_received(segment)
            await connection.receive_head()
            body = await _body(connection)
            connection.abort()
            return body

    assert asyncio.run(run()) == b"".join(pieces)


@pytest.mark.parametrize("answer", [each[1] for each in ANSWERS], ids=[e[0] for e in ANSWERS])
async def test_answers_dripping_byte_by_byte_over_a_socket_leave_the_connection_reusable(
    upstream: HttpUpstream, answer: bytes
) -> None:
    segments = [answer[i : i + 1] for i in range(len(answer))]
    async with Hostile(answering(*segments)) as server:
        to = provider(server.url)
        first = await call(upstream, to, post())
        assert await call(upstream, to, post()) == first
        assert server.accepted == 1


@pytest.mark.parametrize(
    ("framing", "connections"),
    [
        (b"content-length: 9\r\n", 1),
        (b"transfer-encoding: chunked\r\n", 1),
        (b"", 2),  # llhttp cannot say whether it may be kept; a new one is safe
    ],
)
async def test_an_answer_to_head_has_no_body_whatever_it_says(
    upstream: HttpUpstream, framing: bytes, connections: int
) -> None:
    async def script(peer: Peer) -> None:
        while True:
            is_head = (await peer.request()).line.startswith(b"HEAD")
            await peer.send(_H + framing + b"\r\n" if is_head else OK)

    async with Hostile(script) as server:
        to = provider(server.url)
        status, headers, body = await call(upstream, to, get("HEAD"))
        assert (status, len(headers), body) == (200, bool(framing), b"")
        assert (await call(upstream, to, get()))[2] == b"ok"
        assert server.accepted == connections


@pytest.mark.parametrize(
    "head",
    [_H + b"\r\n", _H + b"connection: close\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"],
)
async def test_a_body_without_a_length_ends_with_the_connection(
    upstream: HttpUpstream, head: bytes
) -> None:
    async with Hostile(ending(head, b"all ", b"of it")) as server:
        assert (await call(upstream, provider(server.url), get()))[2] == b"all of it"
        assert upstream.figures()[0].idle == 0


@pytest.mark.parametrize(
    "answer",
    [
        _H + b"connection: close\r\ncontent-length: 2\r\n\r\nok",
        _H + b"Connection: x, Close\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok",
    ],
)
async def test_connection_close_is_honoured(upstream: HttpUpstream, answer: bytes) -> None:
    async with Hostile(answering(answer)) as server:
        to = provider(server.url)
        for _ in range(2):
            assert (await call(upstream, to, get()))[2] == b"ok"
            assert upstream.figures()[0].idle == 0
        assert server.accepted == 2


MALFORMED = {
    "not HTTP": b"SSH-2.0-OpenSSH_9\r\n",
    "two lengths": _H + b"content-length: 2\r\ncontent-length: 3\r\n\r\nabc",
    "a list of lengths": _H + b"content-length: 2, 2\r\n\r\nab",
    "signed length": _H + b"content-length: +2\r\n\r\nab",
    "endless length": _H + b"content-length: 99999999999999999999999\r\n\r\nab",
    "length and chunked": _H + b"content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked and length": _H + b"transfer-encoding: chunked\r\ncontent-length: 2\r\n\r\n0\r\n\r\n",
    "another coding": _H + b"transfer-encoding: gzip\r\n\r\nab",
    "another coding first": _H + b"transfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "another coding last": _H + b"transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
    "chunked twice": _H
    + b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    "bare LF in a field": _H + b"a: b\ncontent-length: 0\r\n\r\n",
    "bare CR": _H + b"a: b\rc: d\r\ncontent-length: 0\r\n\r\n",
    "NUL": _H + b"a: b\0\r\ncontent-length: 0\r\n\r\n",
    "folded field": _H + b"a: b\r\n c\r\ncontent-length: 0\r\n\r\n",
    "blank before colon": _H + b"content-length : 0\r\n\r\n",
    "field without a name": _H + b": x\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\ncontent-length: 0\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\ncontent-length: 0\r\n\r\n",
    "status below 100": b"HTTP/1.1 099 OK\r\ncontent-length: 0\r\n\r\n",
    "status above 599": b"HTTP/1.1 600 OK\r\ncontent-length: 0\r\n\r\n",
    "unasked upgrade": b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n",
    "bare 101": b"HTTP/1.1 101 X\r\n\r\n",
    "unknown version": b"HTTP/3.7 200 OK\r\ncontent-length: 0\r\n\r\n",
    "large head in one go": _H + b"a: " + b"b" * 70_000 + b"\r\ncontent-length: 0\r\n\r\n",
    "large head, body too": _H + b"a: " + b"b" * 70_000 + b"\r\ncontent-length: 2\r\n\r\nok",
    "endless field": _H + b"a: " + b"b" * 200_000,
    "many fields": _H + b"a: b\r\n" * 20_000,
    "endless interim answers": b"HTTP/1.1 102 P\r\n\r\n" * 10_000,
}


@pytest.mark.parametrize("answer", MALFORMED.values(), ids=MALFORMED)
@pytest.mark.parametrize("segment", [1 << 20, 4096])
async def test_a_malformed_head_is_a_protocol_failure_and_costs_the_connection(
    upstream: HttpUpstream, answer: bytes, segment: int
) -> None:
    segments = [answer[i : i + segment] for i in range(0, len(answer), segment)]
    async with Hostile(answering(*segments)) as server:
        failure = await failure_of(upstream, provider(server.url), get())
        assert (failure.reason, failure.phase) == (Reason.UPSTREAM_PROTOCOL, FailurePhase.HEAD)
        assert failure.sent
        figures = upstream.figures()[0]
        assert (figures.idle, figures.active) == (0, 0)


_CHUNKED = _H + b"transfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "tail",
    [
        b"xyz\r\n",
        b"2\r\nabX",
        b"2\nab\n",
        b"2 \r\nab\r\n",
        b"fffffffffffffffffffff\r\n",
        b"-1\r\n",
        b"0x2\r\nab\r\n",
        b"0\r\nbad trailer\r\n\r\n",
        b"1;" + b"x" * 100_000,
        b"0\r\nt: " + b"x" * 100_000,
    ],
)
async def test_a_malformed_body_fails_after_what_was_good(
    upstream: HttpUpstream, tail: bytes
) -> None:
    async with (
        Hostile(ending(_CHUNKED + b"4\r\ngood\r\n", tail)) as server,
        opened(upstream, provider(server.url), get()) as response,
    ):
        assert await response.read() == b"good"
        with pytest.raises(UpstreamFailure) as caught:
            await read_all(response)
        assert caught.value.reason is Reason.UPSTREAM_PROTOCOL
        assert caught.value.phase is FailurePhase.BODY


async def test_good_bytes_and_bad_ones_in_one_segment_arrive_in_that_order(
    upstream: HttpUpstream,
) -> None:
    async with (
        Hostile(ending(_CHUNKED + b"4\r\ngood\r\nbad")) as server,
        opened(upstream, provider(server.url), get()) as response,
    ):
        assert await response.read() == b"good"
        for _ in range(2):
            with pytest.raises(UpstreamFailure):
                await response.read()


@pytest.mark.parametrize(
    "answer",
    [OK + OK, OK + b"x", OK + b"\r\n\r\nHTTP/1.1 2", _CHUNKED + b"0\r\n\r\n" + OK],
)
async def test_bytes_after_the_end_of_an_answer_poison_the_connection(
    upstream: HttpUpstream, answer: bytes
) -> None:
    async with Hostile(answering(answer)) as server:
        to = provider(server.url)
        for _ in range(2):
            assert (await call(upstream, to, get()))[0] == 200
            assert upstream.figures()[0].idle == 0
        assert server.accepted == 2


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_bytes_after_an_answer_was_read_poison_the_connection(
    upstream: HttpUpstream, method: str
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_H + b"content-length: 0\r\n\r\n", b"HTTP/1.1 200 injected\r\n")
        await peer.ended()

    async with Hostile(script) as server:
        assert (await call(upstream, provider(server.url), get(method)))[0] == 200
        await wait_until(lambda: upstream.figures()[0].idle == 0, "the connection is closed")


async def test_bytes_between_the_end_and_the_close_poison_the_connection(
    upstream: HttpUpstream,
) -> None:
    surplus = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await surplus.wait()
        await peer.send(b"more")
        await peer.ended()

    async with Hostile(script) as server:
        response = await upstream.send(provider(server.url), get())
        assert await read_all(response) == b"ok"
        connection = response._connection  # type: ignore[attr-defined] # white box
        surplus.set()
        await wait_until(lambda: not connection._keep, "the surplus has arrived")
        response.close()
        assert upstream.figures()[0].idle == 0


async def test_a_body_to_head_poisons_the_connection(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url)
        for _ in range(2):
            assert (await call(upstream, to, get("HEAD")))[2] == b""
            assert upstream.figures()[0].idle == 0
        assert server.accepted == 2


async def test_a_large_answer_that_nobody_reads_leaves_the_connection_readable() -> None:
    async with Hostile(_silent) as server:
        connection = await _connection(server.port)
        for _ in range(2):
            _begin(connection)
            connection.data_received(_H + b"content-length: 400000\r\n\r\n" + b"x" * 400_000)
            await connection.receive_head()
            assert connection._read_paused
            assert connection.reuse()
            assert not connection._read_paused
        connection.abort()


async def test_an_oversized_trailer_that_ends_a_whole_answer_only_costs_the_connection() -> None:
    trailer = b"0\r\nt: " + b"x" * 70_000 + b"\r\n\r\n"
    async with Hostile(_silent) as server:
        connection = await _connection(server.port)
        _begin(connection)
        connection.data_received(_CHUNKED + b"2\r\nok\r\n")
        connection.data_received(trailer)
        await connection.receive_head()
        assert await _body(connection) == b"ok"
        assert not connection.reuse()
        connection.abort()


async def test_a_closed_connection_reads_to_its_end_and_stays_closed() -> None:
    async with Hostile(_silent) as server:
        connection = await _connection(server.port)
        _begin(connection)
        connection.data_received(OK)
        connection.connection_lost(None)
        await connection.receive_head()
        assert await connection.read() == b"ok"
        assert await connection.read() == b""
        assert connection.closed
        assert not connection.reuse()
        connection.abort()
        assert State.CLOSED is connection._state
