"""Answers that end too early, come too early, or do not come in time."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.domain.outcome import FailurePhase, Reason, UpstreamFailure
from gateway.domain.topology import Timeouts
from gateway.upstream import HttpUpstream, TransportSettings
from tests.upstream.calling import (
    call,
    failure_of,
    get,
    opened,
    post,
    provider,
    read_all,
    streamed,
    wait_until,
)
from tests.upstream.hostile import OK, Hostile, Peer, answering

_H = b"HTTP/1.1 200 OK\r\n"
_CHUNKED = _H + b"transfer-encoding: chunked\r\n\r\n"

CUTS = {
    "nothing": (b"", FailurePhase.HEAD),
    "part of the head": (b"HTTP/1.1 200 OK\r\ncontent-le", FailurePhase.HEAD),
    "only an interim answer": (b"HTTP/1.1 100 Continue\r\n\r\n", FailurePhase.HEAD),
    "no body": (_H + b"content-length: 5\r\n\r\n", FailurePhase.BODY),
    "part of the body": (_H + b"content-length: 5\r\n\r\nhel", FailurePhase.BODY),
    "part of a chunk": (_CHUNKED + b"5\r\nhel", FailurePhase.BODY),
    "all but the last chunk": (_CHUNKED + b"5\r\nhello\r\n", FailurePhase.BODY),
    "all but the last line": (_CHUNKED + b"5\r\nhello\r\n0\r\n", FailurePhase.BODY),
}


@pytest.mark.parametrize("how", ["close", "half_close", "reset"])
@pytest.mark.parametrize(("answer", "phase"), CUTS.values(), ids=CUTS)
async def test_an_end_before_the_end_is_a_cut_in_its_phase(
    upstream: HttpUpstream, answer: bytes, phase: FailurePhase, how: str
) -> None:
    seen = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)
        if phase is FailurePhase.BODY:
            await seen.wait()
        getattr(peer, how)()
        if how == "half_close":
            await peer.ended()

    async with Hostile(script) as server:
        with pytest.raises(UpstreamFailure) as caught:
            async with opened(upstream, provider(server.url), get()) as response:
                seen.set()
                await read_all(response)
        failure = caught.value
        assert (failure.reason, failure.phase) == (Reason.UPSTREAM_CUT, phase)
        assert failure.sent
        assert server.accepted == 1


async def test_a_reset_is_not_the_end_of_a_body_without_a_length(upstream: HttpUpstream) -> None:
    read = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_H + b"\r\nhalf")
        await read.wait()
        peer.reset()

    async with (
        Hostile(script) as server,
        opened(upstream, provider(server.url), get()) as response,
    ):
        assert await response.read() == b"half"
        read.set()
        with pytest.raises(UpstreamFailure) as caught:
            await response.read()
        assert caught.value.reason is Reason.UPSTREAM_CUT


@pytest.mark.parametrize(
    ("segments", "timeouts", "phase"),
    [
        ((), Timeouts(first_byte_s=0.1), FailurePhase.HEAD),
        ((b"HTTP/1.1 102 P\r\n\r\n", b"HTTP/1.1 2"), Timeouts(first_byte_s=0.1), FailurePhase.HEAD),
        ((_CHUNKED, b"1\r\na\r\n"), Timeouts(between_chunks_s=0.1), FailurePhase.BODY),
        ((_CHUNKED, b"1\r\na\r\n1;exten"), Timeouts(between_chunks_s=0.1), FailurePhase.BODY),
        ((), Timeouts(total_s=0.1), FailurePhase.HEAD),
        ((_CHUNKED, b"1\r\na\r\n"), Timeouts(total_s=0.1), FailurePhase.BODY),
    ],
)
async def test_silence_in_a_phase_is_a_timeout_of_that_phase(
    upstream: HttpUpstream, segments: tuple[bytes, ...], timeouts: Timeouts, phase: FailurePhase
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*segments)
        await peer.ended()

    async with Hostile(script) as server:
        failure = await failure_of(upstream, provider(server.url, timeouts), get())
        assert (failure.reason, failure.phase) == (Reason.UPSTREAM_TIMEOUT, phase)
        assert failure.sent


async def test_a_slow_drip_of_chunks_ends_at_the_total_and_not_before(
    upstream: HttpUpstream,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_CHUNKED)
        while True:
            await peer.send(b"1\r\na\r\n")
            await asyncio.sleep(0.02)

    async with (
        Hostile(script) as server,
        opened(
            upstream, provider(server.url, Timeouts(between_chunks_s=0.15, total_s=0.5)), get()
        ) as response,
    ):
        body = b""
        with pytest.raises(UpstreamFailure, match="the whole exchange"):
            while piece := await response.read():
                body += piece
        assert len(body) > 8


async def test_a_slow_reader_is_not_taken_for_a_slow_provider(upstream: HttpUpstream) -> None:
    go_on = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(_CHUNKED, b"1\r\na\r\n")
        await go_on.wait()
        await peer.send(b"1\r\nb\r\n0\r\n\r\n")

    async with (
        Hostile(script) as server,
        opened(upstream, provider(server.url, Timeouts(between_chunks_s=0.05)), get()) as response,
    ):
        first = await response.read()
        await asyncio.sleep(0.2)  # the reader's own time
        go_on.set()
        assert first + await read_all(response) == b"ab"


async def test_an_idle_connection_that_expires_is_closed() -> None:
    upstream = HttpUpstream(TransportSettings(idle_s=0.05))
    async with Hostile(answering(OK)) as server:
        await call(upstream, provider(server.url), get())
        assert upstream.figures()[0].idle == 1
        await wait_until(lambda: upstream.figures()[0].idle == 0, "it expired")
        await upstream.close()


async def test_an_early_answer_is_delivered_and_the_connection_is_not_reused(
    upstream: HttpUpstream,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        await peer.ended()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    async with Hostile(script) as server:
        to = provider(server.url)
        for request in (streamed(endless()), post(b"x" * (32 << 20)), post(b"x" * 250_000)):
            status, _, body = await call(upstream, to, request)
            assert (status, body) == (413, b"big")
        await wait_until(lambda: upstream.figures()[0].idle <= 1, "nothing is left over")


async def test_an_answer_and_a_close_in_the_middle_of_a_large_request_is_still_read(
    upstream: HttpUpstream,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nbig")
        peer.half_close()
        await peer.ended()

    async with Hostile(script) as server:
        request = post(b"x" * (8 << 20))
        status, _, body = await call(upstream, provider(server.url), request)
        assert (status, body) == (413, b"big")


async def test_a_body_iterator_that_raises_aborts_the_request(upstream: HttpUpstream) -> None:
    got: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        got.append(await peer.ended())

    async def failing() -> AsyncIterator[bytes]:
        yield b"abc"
        raise LookupError("the client left")

    async with Hostile(script) as server:
        with pytest.raises(LookupError):
            await call(upstream, provider(server.url), streamed(failing()))
        await wait_until(lambda: bool(got), "the server saw the end")
        assert b"0\r\n\r\n" not in got[0]


async def test_a_body_iterator_that_raises_after_a_whole_answer_does_not_spoil_it(
    upstream: HttpUpstream,
) -> None:
    answered = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(OK)
        await peer.ended()

    async def failing() -> AsyncIterator[bytes]:
        yield b"abc"
        await answered.wait()
        raise LookupError("too late to matter")

    async with (
        Hostile(script) as server,
        opened(upstream, provider(server.url), streamed(failing())) as response,
    ):
        connection = response._connection  # type: ignore[attr-defined] # white box
        answered.set()
        await wait_until(lambda: bool(connection.closed), "the iterator has failed")
        assert await read_all(response) == b"ok"


async def test_a_provider_that_does_not_read_times_the_request_out_while_sending(
    upstream: HttpUpstream,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.head()
        await asyncio.Event().wait()

    async with Hostile(script) as server:
        to = provider(server.url, Timeouts(between_chunks_s=0.1))
        failure = await failure_of(upstream, to, post(b"x" * (32 << 20)))
        assert (failure.reason, failure.phase) == (Reason.UPSTREAM_TIMEOUT, FailurePhase.SEND)
