"""Who gets a connection, when, and that none is lost."""

import asyncio
from contextlib import suppress

import pytest

from gateway.domain.outcome import FailurePhase, Reason, UpstreamFailure
from gateway.domain.topology import Timeouts
from gateway.ports import UpstreamResponse
from gateway.upstream import HttpUpstream, PoolFigures
from tests.upstream.calling import (
    PATIENT,
    call,
    failure_of,
    get,
    post,
    provider,
    read_all,
    wait_until,
)
from tests.upstream.hostile import OK, Hostile, Peer, answering


def _figures(upstream: HttpUpstream) -> tuple[int, int, int]:
    pools = upstream.figures()
    assert len(pools) <= 1
    return (pools[0].idle, pools[0].active, pools[0].waiting) if pools else (0, 0, 0)


async def test_a_connection_is_counted_where_it_is(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        response = await upstream.send(provider(server.url), get())
        assert upstream.figures() == [PoolFigures("p", idle=0, active=1, waiting=0)]
        await read_all(response)
        response.close()
        assert upstream.figures() == [PoolFigures("p", idle=1, active=0, waiting=0)]


async def test_one_connection_carries_many_calls_in_turn(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        for number in range(20):
            await call(upstream, provider(server.url), post(b"%d" % number))
        assert server.accepted == 1
        assert [each.body for each in server.requests] == [b"%d" % n for n in range(20)]


async def test_no_more_than_the_bound_are_open_and_the_line_is_served_in_order(
    upstream: HttpUpstream,
) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url, max_connections=2)
        held = [await upstream.send(to, get()) for _ in range(2)]
        order: list[int] = []

        async def one(number: int) -> None:
            await call(upstream, to, get())
            order.append(number)

        tasks: list[asyncio.Task[None]] = []
        for number in range(6):
            tasks.append(asyncio.create_task(one(number)))
            await wait_until(lambda: _figures(upstream)[2] == len(tasks), "in line")
        for response in held:
            response.close()
        newcomer = asyncio.create_task(one(6))
        await asyncio.gather(*tasks, newcomer)
        assert order == sorted(order)
        assert server.accepted == 2
        assert _figures(upstream) == (2, 0, 0)


async def test_a_place_in_line_ends_with_the_connect_timeout(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url, Timeouts(connect_s=0.1), max_connections=1)
        held = await upstream.send(to, get())
        failure = await failure_of(upstream, to, post())
        assert (failure.reason, failure.phase) == (Reason.UPSTREAM_TIMEOUT, FailurePhase.CONNECT)
        assert not failure.sent
        assert "in use" in str(failure)
        held.close()
        assert _figures(upstream) == (1, 0, 0)


async def test_a_place_is_passed_on_when_its_connection_breaks(upstream: HttpUpstream) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            if peer.number == 0:
                return
            await peer.send(OK)

    async with Hostile(script) as server:
        to = provider(server.url, max_connections=1)
        first, second = await asyncio.gather(
            call(upstream, to, post()), call(upstream, to, post()), return_exceptions=True
        )
        assert isinstance(first, UpstreamFailure)
        assert not isinstance(second, BaseException)
        assert second[2] == b"ok"


@pytest.mark.parametrize("same_turn", [True, False])
async def test_cancelling_in_line_loses_no_place(upstream: HttpUpstream, same_turn: bool) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url, max_connections=1)
        held = await upstream.send(to, get())
        await read_all(held)
        first = asyncio.create_task(call(upstream, to, get()))
        second = asyncio.create_task(call(upstream, to, get()))
        await wait_until(lambda: _figures(upstream)[2] == 2, "in line")
        if same_turn:
            held.close()  # the place is handed over, and its taker cancelled before it runs
            first.cancel()
        else:
            first.cancel()
            held.close()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await second)[2] == b"ok"
        assert _figures(upstream) == (1, 0, 0)
        assert server.accepted == 1


async def test_a_connection_that_ends_on_its_way_to_the_next_in_line_is_replaced(
    upstream: HttpUpstream,
) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url, max_connections=1)
        held = await upstream.send(to, get())
        await read_all(held)
        queued = asyncio.create_task(call(upstream, to, post()))
        await wait_until(lambda: _figures(upstream)[2] == 1, "in line")
        held.close()
        server.hang_up()
        assert (await queued)[2] == b"ok"
        assert server.accepted == 2
        assert _figures(upstream) == (1, 0, 0)


async def test_a_raised_bound_lets_the_line_in_and_a_lowered_one_shrinks_the_pool(
    upstream: HttpUpstream,
) -> None:
    async with Hostile(answering(OK)) as server:
        narrow = provider(server.url, max_connections=1)
        wide = provider(server.url, max_connections=3)
        held = [await upstream.send(narrow, get())]
        queued = asyncio.create_task(upstream.send(narrow, get()))
        await wait_until(lambda: _figures(upstream)[2] == 1, "in line")
        held.append(await upstream.send(wide, get()))
        held.append(await queued)
        assert _figures(upstream) == (0, 3, 0)
        late = asyncio.create_task(call(upstream, narrow, get()))
        await wait_until(lambda: _figures(upstream)[2] == 1, "in line")
        for response in held:
            await read_all(response)
            response.close()
        await late
        assert _figures(upstream) == (1, 0, 0)


async def test_the_connection_used_last_is_used_first(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url)
        held = [await upstream.send(to, get()) for _ in range(3)]
        last = held[1]._connection  # type: ignore[attr-defined] # white box
        for response in (held[0], held[2], held[1]):
            await read_all(response)
            response.close()
        again = await upstream.send(to, get())
        assert again._connection is last  # type: ignore[attr-defined] # white box
        again.close()


async def test_providers_and_places_do_not_share_connections(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as one, Hostile(answering(OK)) as other:
        for server in (one, other):
            await call(upstream, provider(server.url), get())
        assert (one.accepted, other.accepted) == (1, 1)
        assert [each.idle for each in upstream.figures()] == [1, 1]


async def test_pools_of_earlier_configurations_are_forgotten(upstream: HttpUpstream) -> None:
    async with Hostile(answering(b"HTTP/1.0 200 OK\r\n\r\n")) as server:
        for path in range(5):
            response = await upstream.send(provider(f"{server.url}/{path}"), get())
            response.close()
        assert len(upstream.figures()) == 1


async def test_a_refused_connection_is_a_connect_failure(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        url = server.url
    for _ in range(3):
        failure = await failure_of(upstream, provider(url, max_connections=1), post())
        assert (failure.reason, failure.phase) == (Reason.UPSTREAM_CONNECT, FailurePhase.CONNECT)
        assert not failure.sent
    assert _figures(upstream) == (0, 0, 0)


async def test_an_unknown_host_is_a_connect_failure(upstream: HttpUpstream) -> None:
    failure = await failure_of(upstream, provider("http://no-such-host.invalid"), post())
    assert (failure.reason, failure.phase) == (Reason.UPSTREAM_CONNECT, FailurePhase.CONNECT)
    assert _figures(upstream) == (0, 0, 0)


async def test_cancelling_while_connecting_gives_the_place_back(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        to = provider(server.url, max_connections=1)
        for turns in range(12):
            task = asyncio.create_task(call(upstream, to, get()))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            assert _figures(upstream)[1:] == (0, 0)
        assert (await call(upstream, to, get()))[2] == b"ok"


async def test_close_ends_everything(upstream: HttpUpstream) -> None:
    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.ended()

    async with Hostile(script) as server:
        to = provider(server.url, PATIENT, max_connections=1)
        tasks = [asyncio.create_task(call(upstream, to, get())) for _ in range(2)]
        await wait_until(lambda: _figures(upstream) == (0, 1, 1), "one sent, one in line")
        await upstream.close()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(each, UpstreamFailure) for each in results), results
        assert isinstance(await failure_of(upstream, to, get()), UpstreamFailure)
        other = await failure_of(upstream, provider(server.url + "/v2"), get())
        assert not other.sent


async def test_a_response_can_be_closed_after_the_transport(upstream: HttpUpstream) -> None:
    async with Hostile(answering(OK)) as server:
        response: UpstreamResponse = await upstream.send(provider(server.url), get())
        await upstream.close()
        response.close()
        assert _figures(upstream) == (0, 0, 0)


async def test_a_storm_of_calls_and_cancellations_leaves_nothing_behind(
    upstream: HttpUpstream,
) -> None:
    async with Hostile(answering(OK[:30], OK[30:])) as server:
        to = provider(server.url, max_connections=5)
        tasks = [asyncio.create_task(call(upstream, to, get())) for _ in range(200)]
        for number, task in enumerate(tasks):
            if number % 3 == 0:
                await asyncio.sleep(0)
                task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        done = [each for each in results if not isinstance(each, BaseException)]
        assert len(done) >= 133
        assert all(each[2] == b"ok" for each in done)
        idle, active, waiting = _figures(upstream)
        assert (active, waiting) == (0, 0)
        assert idle <= 5
