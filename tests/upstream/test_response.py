"""A response in the hands of its reader."""

import pytest

from gateway.domain.outcome import UpstreamFailure
from gateway.upstream import HttpUpstream
from tests.upstream.calling import get, opened, provider, read_all
from tests.upstream.hostile import OK, Hostile, Peer, answering, ending

_CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def test_it_shows_status_and_fields_as_they_came(upstream: HttpUpstream) -> None:
    answer = b"HTTP/1.1 429 X\r\nRetry-After: 3\r\nset-cookie: a\r\nSet-Cookie: b\r\n"
    async with (
        Hostile(answering(answer + b"Content-Length: 0\r\n\r\n")) as server,
        opened(upstream, provider(server.url), get()) as response,
    ):
        assert response.status == 429
        assert response.headers == [
            (b"Retry-After", b"3"),
            (b"set-cookie", b"a"),
            (b"Set-Cookie", b"b"),
            (b"Content-Length", b"0"),
        ]


async def test_what_is_there_is_read_at_once_and_joined(upstream: HttpUpstream) -> None:
    async with (
        Hostile(answering(_CHUNKED + b"1\r\na\r\n2\r\nbc\r\n0\r\n\r\n")) as server,
        opened(upstream, provider(server.url), get()) as response,
    ):
        assert await response.read() == b"abc"
        assert await response.read() == b""
        assert await response.read() == b""


async def test_each_chunk_is_delivered_before_the_next_one_is_sent(upstream: HttpUpstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_CHUNKED)
        while await peer.more():
            await peer.send(b"2\r\nhi\r\n")

    async with (
        Hostile(script) as server,
        opened(upstream, provider(server.url), get()) as response,
    ):
        for _ in range(20):
            server.go()
            assert await response.read() == b"hi"


async def test_closing_a_whole_answer_keeps_the_connection_read_or_not(
    upstream: HttpUpstream,
) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url)
        for _ in range(3):
            response = await upstream.send(to, get())
            response.close()
            response.close()
        response = await upstream.send(to, get())
        assert await read_all(response) == b"ok"
        response.close()
        assert server.accepted == 1
        assert (upstream.figures()[0].idle, upstream.figures()[0].active) == (1, 0)


async def test_closing_half_an_answer_closes_the_connection(upstream: HttpUpstream) -> None:
    async with Hostile(answering(_CHUNKED + b"1\r\na\r\n")) as server:
        response = await upstream.send(provider(server.url), get())
        assert await response.read() == b"a"
        response.close()
        response.close()
        assert (upstream.figures()[0].idle, upstream.figures()[0].active) == (0, 0)


async def test_a_closed_response_reads_nothing_of_the_next_one(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url)
        old = await upstream.send(to, get())
        old.close()
        async with opened(upstream, to, get()) as new:
            with pytest.raises(RuntimeError, match="after close"):
                await old.read()
            old.close()
            assert await read_all(new) == b"ok"


async def test_closing_after_a_failure_is_harmless(upstream: HttpUpstream) -> None:
    async with Hostile(ending(_CHUNKED + b"1\r\na\r\n")) as server:
        response = await upstream.send(provider(server.url), get())
        with pytest.raises(UpstreamFailure):
            await read_all(response)
        response.close()
        response.close()
        assert upstream.figures()[0].active == 0
