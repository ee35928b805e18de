"""What any implementation of `gateway.ports.Admission` does: with a store, and without one."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import pytest

from gateway.domain.admission import Admitted, Charge, Expectation, Settlement
from gateway.domain.limits import Budget, Dimension, Headroom, ScopeKind
from gateway.domain.outcome import Reason, Refusal
from gateway.domain.topology import Topology
from gateway.store.admission import LET_GO, RedisAdmission
from gateway.store.connection import ROOT, connect
from gateway.store.local import LocalStore
from gateway.wiring.clock import SystemClock

from .admitting import LANE, QUICK, admitted, ended, replica, request, topology, waiting

Opening: TypeAlias = Callable[[Topology], AbstractAsyncContextManager[RedisAdmission]]


@pytest.fixture(params=["store", "local"])
def opening(request: pytest.FixtureRequest) -> Opening:
    """Opens admission with a topology."""
    if request.param == "local":
        return _local
    url: str = request.getfixturevalue("store_url")

    @asynccontextmanager
    async def with_store(of: Topology) -> AsyncIterator[RedisAdmission]:
        client = await connect(url)
        async with replica(client, "r1", of=of) as one:
            yield one
        await client.aclose()

    return with_store


@asynccontextmanager
async def _local(of: Topology) -> AsyncIterator[RedisAdmission]:
    store = LocalStore(SystemClock(), replicas=1)
    one = RedisAdmission(store, ROOT, "r1", SystemClock(), QUICK)  # type: ignore[arg-type] # has what is used
    await one.start()
    await one.configure(of)
    yield one
    await one.stop()


async def test_a_call_that_fits_is_admitted_and_settled(opening: Opening) -> None:
    async with opening(topology(itpm=6000)) as admission:
        assert await admission.admit(request("a")) == Admitted("a", 0.0)
        held = await admission.inspect_lane(LANE)
        assert (held.in_flight, held.held[1]) == (1, 100)
        admission.settle(ended("a", 40))
        seen = await admission.inspect_lane(LANE)
        assert (seen.in_flight, seen.held[1], seen.ledger[1][1]) == (0, 0, 40)


@pytest.mark.parametrize("limit", ["lane", "agent"])
async def test_only_so_many_are_admitted_as_fit(opening: Opening, limit: str) -> None:
    of = topology(Budget(rpm=20), rpm=10_000) if limit == "agent" else topology(rpm=20)
    async with opening(of) as admission:
        calls = [admission.admit(request(f"t{number}", wait_s=0)) for number in range(60)]
        verdicts = await asyncio.gather(*calls)
    assert admitted(verdicts) == 20
    reason = Reason.AGENT_BUDGET if limit == "agent" else Reason.QUEUE_TIMEOUT
    assert {one.reason for one in verdicts if isinstance(one, Refusal)} == {reason}


async def test_a_waiting_call_goes_when_another_ends(opening: Opening) -> None:
    told: list[Expectation] = []
    async with opening(topology(concurrency=1)) as admission:
        await admission.admit(request("a"))
        second = asyncio.ensure_future(admission.admit(request("b"), told.append))
        await waiting(admission, 1)
        admission.settle(ended("a"))
        verdict = await second
    assert isinstance(verdict, Admitted)
    assert verdict.bound is not None
    assert (verdict.bound.scope, verdict.bound.dimension) == (
        ScopeKind.LANE,
        Dimension.CONCURRENCY,
    )
    assert (told[0].position, told[0].ahead) == (1, None)


async def test_a_waiting_call_goes_when_its_bucket_has_refilled(opening: Opening) -> None:
    async with opening(topology(itpm=60_000)) as admission:
        await admission.admit(request("a", tokens=60_000))
        verdict = await admission.admit(request("b", tokens=200))
    assert isinstance(verdict, Admitted)
    assert verdict.waited_s > 0.1


async def test_who_cannot_be_served_in_time_is_refused_with_a_time(opening: Opening) -> None:
    async with opening(topology(itpm=6000)) as admission:
        await admission.admit(request("a", tokens=6000))
        verdict = await admission.admit(request("b", tokens=6000, wait_s=5))
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.QUEUE_TIMEOUT
    assert verdict.retry_after_s == pytest.approx(60, abs=1)


async def test_who_goes_away_leaves_the_queue(opening: Opening) -> None:
    async with opening(topology(concurrency=1)) as admission:
        await admission.admit(request("a"))
        second = asyncio.ensure_future(admission.admit(request("b")))
        await waiting(admission, 1)
        second.cancel()
        await waiting(admission, 0)


async def test_a_call_that_can_never_fit_is_refused_at_once(opening: Opening) -> None:
    async with opening(topology(itpm=6000)) as admission:
        verdict = await admission.admit(request("a", tokens=6001))
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.LARGER_THAN_LIMIT


async def test_a_provider_s_429_blocks_and_the_call_goes_again(opening: Opening) -> None:
    async with opening(topology(itpm=6000)) as admission:
        await admission.admit(request("a"))
        admission.block(LANE, ("itpm",), 0.2)
        began = time.monotonic()
        assert isinstance(await admission.requeue(request("a")), Admitted)
        assert time.monotonic() - began > 0.15
        assert (await admission.inspect_lane(LANE)).ledger[1][0] == 1


async def test_headers_correct_and_answers_grow(opening: Opening) -> None:
    async with opening(topology()) as admission:
        await admission.admit(request("a", lane="claude/new-model"))
        admission.head("a", "claude/new-model", [Headroom(Dimension.ITPM, 50_000, 30_000, 1000)])
        admission.extend("a", "claude/new-model", 700)
        seen = await admission.inspect_lane("claude/new-model")
        assert (seen.limits[1], seen.held[2]) == (50_000, 700)
        assert seen.level[1] < 30_000


async def test_an_edit_acts_at_once_on_what_waits(opening: Opening) -> None:
    async with opening(topology(concurrency=1)) as admission:
        await admission.admit(request("a"))
        second = asyncio.ensure_future(admission.admit(request("b")))
        await waiting(admission, 1)
        await admission.configure(topology(concurrency=2))
        assert isinstance(await second, Admitted)


async def test_a_batch_that_makes_no_sense_harms_nobody_else(opening: Opening) -> None:
    async with opening(topology(itpm=6000)) as admission:
        bad = Charge(lane_input_tokens="many")  # type: ignore[arg-type] # on purpose
        await admission.admit(request("a"))
        admission.settle(Settlement("a", LANE, bad))
        assert isinstance(await admission.admit(request("c")), Admitted | Refusal)
        assert isinstance(await admission.admit(request("d")), Admitted)


async def test_who_waits_can_be_let_go_in_order_and_leaves_nothing(opening: Opening) -> None:
    """A call that gave its turn back goes first, as it would have here."""
    order: list[str] = []

    async def one(ticket: str, *, again: bool = False) -> None:
        ask = admission.requeue if again else admission.admit
        assert await ask(request(ticket, wait_s=5000)) is LET_GO
        order.append(ticket)

    async with opening(topology(concurrency=1)) as admission:
        await admission.admit(request("first", wait_s=5000))
        calls = [asyncio.ensure_future(one(name)) for name in ("a", "b")]
        await waiting(admission, 2)
        admission.pause(LANE)
        calls.append(asyncio.ensure_future(one("first", again=True)))
        await waiting(admission, 3)
        admission.let_go()
        await asyncio.gather(*calls)
        assert order == ["first", "a", "b"]
        await waiting(admission, 0)
        seen = await admission.inspect_lane(LANE)
        assert (seen.in_flight, seen.held) == (0, [0] * 4)


async def test_who_stops_refuses_who_waits(opening: Opening) -> None:
    async with opening(topology(concurrency=1)) as admission:
        await admission.admit(request("a"))
        second = asyncio.ensure_future(admission.admit(request("b")))
        await waiting(admission, 1)
    verdict = await second
    assert isinstance(verdict, Refusal)
    assert verdict.reason is Reason.DRAINING
