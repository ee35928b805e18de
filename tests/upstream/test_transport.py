"""What is sent twice and what never is; and how calls end that nobody waits for any more."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator

import pytest

from gateway.domain.outcome import FailurePhase, Reason
from gateway.ports import UpstreamRequest
from gateway.upstream import HttpUpstream, UnsendableRequestError
from gateway.upstream.failures import BodyLengthMismatchError
from tests.upstream.calling import (
    call,
    failure_of,
    get,
    opened,
    post,
    provider,
    streamed,
    wait_until,
)
from tests.upstream.hostile import OK, Hostile, Peer, Script, answering


async def _stream(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_a_request_arrives_as_it_was_given(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        await call(upstream, provider(server.url), post(b'{"a": 1}', [(b"X-Api-Key", b"k")]))
        (received,) = server.requests
        assert received.line == b"POST /v1/x HTTP/1.1"
        assert received.fields == [
            (b"host", b"127.0.0.1:%d" % server.port),
            (b"X-Api-Key", b"k"),
            (b"content-length", b"8"),
        ]
        assert received.body == b'{"a": 1}'


@pytest.mark.parametrize("size", [1, 16_384, 16_385, 262_144, 262_145, 3_000_000])
async def test_bodies_of_every_size_class_arrive_whole(upstream: HttpUpstream, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    async with Hostile(answering(OK)) as server:
        for _ in range(2):
            await call(upstream, provider(server.url), post(body[:size]))
        assert [each.body == body[:size] for each in server.requests] == [True, True]
        assert server.accepted == 1


@pytest.mark.parametrize("length", [None, 6])
async def test_a_streamed_body_arrives_whole_and_the_connection_is_reused(
    upstream: HttpUpstream, length: int | None
) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url)
        for _ in range(2):
            request = streamed(_stream(b"abc", b"", b"def"), length)
            assert (await call(upstream, to, request))[2] == b"ok"
        assert [each.body for each in server.requests] == [b"abcdef", b"abcdef"]
        assert server.accepted == 1


@pytest.mark.parametrize("pieces", [(b"ab",), (b"abc", b"d")])
async def test_a_streamed_body_that_breaks_its_length_ends_the_connection(
    upstream: HttpUpstream, pieces: tuple[bytes, ...]
) -> None:
    async with Hostile(answering(OK)) as server:
        with pytest.raises(BodyLengthMismatchError):
            await call(upstream, provider(server.url), streamed(_stream(*pieces), 3))
        assert server.requests == []
        assert upstream.figures()[0].idle == 0


async def test_a_request_that_would_split_is_refused_before_a_connection_is_made(
    upstream: HttpUpstream,
) -> None:
    async with Hostile(answering(OK)) as server:
        for request in (
            post(headers=[(b"authorization", b"Bearer key\n")]),
            UpstreamRequest("GET", b"/ HTTP/1.1\r\nx: y", []),
        ):
            with pytest.raises(UnsendableRequestError):
                await upstream.send(provider(server.url), request)
        assert server.accepted == 0


async def test_a_base_url_that_is_none_is_a_value_error(upstream: HttpUpstream) -> None:
    with pytest.raises(ValueError, match="not an http or https URL"):
        await upstream.send(provider("ftp://h"), get())


# --- the keep-alive race ---------------------------------------------------------------------


def _answers_once_then(second: str) -> Script:
    """Connection 0 answers once and meets its second request as told; others are good."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        if peer.number:
            await peer.send(OK)
        else:
            getattr(peer, second)()

    return script


@pytest.mark.parametrize("second", ["close", "reset"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
async def test_an_idempotent_request_on_a_dying_connection_is_repeated_once(
    upstream: HttpUpstream, method: str, second: str
) -> None:
    async with Hostile(_answers_once_then(second)) as server:
        to = provider(server.url)
        await call(upstream, to, get())
        assert (await call(upstream, to, get(method)))[0] == 200
        assert server.accepted == 2
        assert len(server.requests) == 3


@pytest.mark.parametrize("second", ["close", "reset"])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_request_that_may_have_been_handled_is_never_repeated(
    upstream: HttpUpstream, method: str, second: str
) -> None:
    async with Hostile(_answers_once_then(second)) as server:
        to = provider(server.url)
        await call(upstream, to, get())
        failure = await failure_of(upstream, to, get(method))
        assert (failure.reason, failure.phase) == (Reason.UPSTREAM_CUT, FailurePhase.HEAD)
        assert failure.sent
        assert len(server.requests) == 2
        assert upstream.figures()[0].active == 0


async def test_a_connection_that_ended_while_idle_is_not_used_even_if_no_one_was_told(
    upstream: HttpUpstream,
) -> None:
    """The FIN is in the kernel, and the event loop has not looked yet."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        if peer.number == 0:
            await release.wait()
            peer.close()
            closed.set()
            # In this same turn of the loop, before it polls its sockets:
            second.append(asyncio.ensure_future(call(upstream, to, post())))

    release, closed = asyncio.Event(), asyncio.Event()
    second: list[asyncio.Task[tuple[int, list[tuple[bytes, bytes]], bytes]]] = []
    async with Hostile(script) as server:
        to = provider(server.url)
        await call(upstream, to, get())
        assert upstream.figures()[0].idle == 1
        release.set()
        await closed.wait()
        assert (await second[0])[2] == b"ok"
        assert server.accepted == 2


async def test_a_connection_closed_right_after_its_answer_costs_nothing(
    upstream: HttpUpstream,
) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        peer.last_words(OK)

    async with Hostile(script) as server:
        for _ in range(30):
            assert (await call(upstream, provider(server.url), post()))[2] == b"ok"
        assert server.accepted == len(server.requests) == 30


async def test_a_request_on_a_new_connection_is_not_repeated(upstream: HttpUpstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()

    async with Hostile(script) as server:
        failure = await failure_of(upstream, provider(server.url), get())
        assert failure.reason is Reason.UPSTREAM_CUT
        assert server.accepted == 1


async def test_a_repeated_request_is_not_repeated_again(upstream: HttpUpstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.send(OK)
            await peer.request()

    async with Hostile(script) as server:
        to = provider(server.url)
        await call(upstream, to, get())
        failure = await failure_of(upstream, to, get())
        assert failure.reason is Reason.UPSTREAM_CUT
        assert (server.accepted, len(server.requests)) == (2, 3)
        assert upstream.figures()[0].active == 0


async def test_a_request_whose_answer_had_begun_is_not_repeated(upstream: HttpUpstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")

    async with Hostile(script) as server:
        to = provider(server.url)
        await call(upstream, to, get())
        assert (await failure_of(upstream, to, get())).reason is Reason.UPSTREAM_CUT
        assert server.accepted == 1


async def test_a_streamed_body_is_not_repeated(upstream: HttpUpstream) -> None:
    async with Hostile(_answers_once_then("close")) as server:
        to = provider(server.url)
        await call(upstream, to, get())
        request = UpstreamRequest("PUT", b"/", [], _stream(b"abc"))
        assert (await failure_of(upstream, to, request)).reason is Reason.UPSTREAM_CUT
        assert server.accepted == 1


async def test_a_repeat_that_cannot_connect_is_a_connect_failure(upstream: HttpUpstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(OK)
        await peer.request()
        server.stop_listening()

    async with Hostile(script) as server:
        to = provider(server.url)
        await call(upstream, to, get())
        assert (await failure_of(upstream, to, get())).reason is Reason.UPSTREAM_CONNECT
        assert upstream.figures()[0].active == 0
        assert server.accepted == 1


# --- cancellation ----------------------------------------------------------------------------


async def _endless() -> AsyncIterator[bytes]:
    while True:
        yield b"x" * 1000
        await asyncio.sleep(0)


STAGES: dict[str, tuple[UpstreamRequest, bytes]] = {
    "before the head": (get(), b""),
    "in the head": (get(), b"HTTP/1.1 200 OK\r\ncont"),
    "before the body": (get(), b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"),
    "in the body": (get(), b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhel"),
    "in a chunk": (get(), b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhel"),
    "after an interim answer": (post(), b"HTTP/1.1 100 Continue\r\n\r\n"),
    "while sending a large body": (post(b"x" * (32 << 20)), b""),
    "while sending a stream": (streamed(_endless()), b""),
}


@pytest.mark.parametrize("stage", STAGES)
async def test_cancelling_a_call_closes_its_connection_at_once(
    upstream: HttpUpstream, stage: str
) -> None:
    request, sent = STAGES[stage]
    if stage == "while sending a stream":
        request = streamed(_endless())  # a generator serves one test only
    ready, over = asyncio.Event(), asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(sent)
        ready.set()
        await peer.ended()
        over.set()

    async with Hostile(script) as server:
        task = asyncio.create_task(call(upstream, provider(server.url), request))
        await asyncio.wait_for(ready.wait(), 10)
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        figures = upstream.figures()[0]
        assert (figures.idle, figures.active) == (0, 0)
        await asyncio.wait_for(over.wait(), 10)


# --- memory ----------------------------------------------------------------------------------


async def test_a_slow_reader_holds_the_provider_back_and_memory_stays_bounded(
    upstream: HttpUpstream,
) -> None:
    total = 32 << 20
    sent = 0

    async def script(peer: Peer) -> None:
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        block = b"x" * 65536
        while sent < total:
            await peer.send(block)
            sent += len(block)
        await peer.ended()

    async with (
        Hostile(script) as server,
        opened(upstream, provider(server.url), get()) as response,
    ):
        connection = response._connection  # type: ignore[attr-defined] # white box
        before = -1
        while sent != before:  # until the provider is stuck
            before = sent
            await asyncio.sleep(0.05)
        assert connection._buffered <= 256 * 1024 + 256_000
        assert sent < total
        received = largest = 0
        while piece := await response.read():
            received += len(piece)
            largest = max(largest, len(piece))
        assert received == total
        assert largest <= 256 * 1024 + 256_000


async def test_a_large_request_body_is_not_copied(upstream: HttpUpstream) -> None:
    on_uvloop = type(asyncio.get_running_loop()).__module__.startswith("uvloop")
    body = b"x" * (32 << 20)

    async def script(peer: Peer) -> None:
        await peer.head()
        left = len(body)
        while left:
            left -= len(await peer.some())
        await peer.send(OK)

    async with Hostile(script) as server:
        tracemalloc.start()
        try:
            assert (await call(upstream, provider(server.url), post(body)))[2] == b"ok"
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # asyncio's own transport copies the slice that the socket did not take, and no more.
        assert peak < (2 << 20 if on_uvloop else 4 << 20)


async def test_figures_show_no_call_after_the_last_one(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        await asyncio.gather(*(call(upstream, provider(server.url), get()) for _ in range(50)))
        await wait_until(lambda: upstream.figures()[0].active == 0, "all are over")
        assert upstream.figures()[0].idle == server.accepted
