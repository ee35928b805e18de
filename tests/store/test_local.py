"""One replica's share of every limit, and what a replica starts from when it is left alone."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.admission import messages
from gateway.core.admission.messages import MICRO, Operation
from gateway.core.admission.operations import Engine
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.domain.admission import Admitted, TicketRequest
from gateway.domain.limits import Budget, Dimension, Headroom
from gateway.domain.outcome import Reason, Refusal
from gateway.domain.topology import Topology
from gateway.store.admission import RedisAdmission
from gateway.store.local import LocalStore, local_admission, share
from gateway.wiring.clock import SystemClock

from .admitting import LANE, admitted, ended, request, topology

NOW_US = 1_795_000_000 * MICRO


@asynccontextmanager
async def alone(
    of: Topology,
    replicas: int = 2,
    *,
    seen: Mapping[str, object] | None = None,
    used: Mapping[str, tuple[int, int]] | None = None,
    running: Iterable[TicketRequest] = (),
) -> AsyncIterator[RedisAdmission]:
    """One of so many replicas, which the store has left."""
    clock = SystemClock()
    store = LocalStore(clock, replicas)
    configuration = list(messages.configure_all(of))
    store.begin("r1", configuration, seen=seen or {}, used=used or {}, running=running)
    admission = local_admission(store, "r1", clock)
    await admission.start()
    await admission.configure(of)
    yield admission
    await admission.stop()


class Told:
    """A store's wall clock."""

    def __init__(self, at_us: int) -> None:
        self.at_us = at_us

    def monotonic(self) -> float:
        return self.at_us / MICRO

    wall = monotonic


@pytest.mark.parametrize(
    ("limit", "replicas", "part"), [(100, 3, 33), (1, 3, 1), (0, 3, 0), (-1, 3, -1), (90, 1, 90)]
)
def test_a_share_is_a_part_and_at_least_one(limit: int, replicas: int, part: int) -> None:
    assert share(limit, replicas) == part


@pytest.mark.parametrize("limit", ["lane", "agent", "concurrency"])
async def test_a_replica_admits_its_share_of_each_limit(limit: str) -> None:
    of = {
        "lane": topology(rpm=20),
        "agent": topology(Budget(rpm=20)),
        "concurrency": topology(concurrency=20),
    }[limit]
    async with alone(of, 4) as admission:
        calls = [admission.admit(request(f"t{number}", wait_s=0)) for number in range(30)]
        assert admitted(await asyncio.gather(*calls)) == 5


async def test_a_call_larger_than_the_share_goes_when_the_share_is_unused() -> None:
    async with alone(topology(Budget(tpm=1000), itpm=1000), 2) as admission:
        assert isinstance(await admission.admit(request("a", tokens=900, wait_s=0)), Admitted)
        verdict = await admission.admit(request("b", tokens=900, wait_s=0))
        assert isinstance(verdict, Refusal)
        assert verdict.reason is Reason.AGENT_BUDGET
        admission.settle(ended("a", 900))
        assert (await admission.inspect_agent("ann")).tokens == 900


async def test_a_call_larger_than_the_limit_is_refused_as_ever() -> None:
    async with alone(topology(itpm=1000), 2) as admission:
        verdict = await admission.admit(request("a", tokens=1100))
        assert isinstance(verdict, Refusal)
        assert verdict.reason is Reason.LARGER_THAN_LIMIT


async def test_a_provider_s_figures_are_shared_as_well() -> None:
    async with alone(topology(), 2) as admission:
        await admission.admit(request("a", lane="claude/new"))
        admission.head("a", "claude/new", [Headroom(Dimension.ITPM, 50_000, 30_000)])
        seen = await admission.inspect_lane("claude/new")
        assert seen.limits[1] == 25_000
        assert seen.level[1] <= 15_000


async def test_what_was_used_before_the_loss_still_counts() -> None:
    of = topology(Budget(tpm=1000))
    store = Engine(MICRO)
    now_us = LocalStore(SystemClock(), 1).now_us()
    store.call("r0", [["hello"], *messages.configure_all(of)], now_us)
    store.call("r0", [messages.arrive(request("x", tokens=600))], now_us)
    view = store.call("r0", [["inspect", "agent:ann", 0]], now_us).snapshots[0]
    assert isinstance(view, BudgetSnapshot)
    async with alone(of, 2, seen={"agent:ann": asdict(view)}) as admission:
        assert (await admission.inspect_agent("ann")).tokens == 300
        assert isinstance(await admission.admit(request("a", tokens=200, wait_s=0)), Admitted)
        assert isinstance(await admission.admit(request("b", tokens=1, wait_s=0)), Refusal)


async def test_a_local_store_keeps_the_time_of_the_wall() -> None:
    """Not that of a wait, which is bounded."""
    assert LocalStore(Told(NOW_US), 1).now_us() == NOW_US


async def test_what_we_used_ourselves_counts_whole_where_it_is_more() -> None:
    async with alone(topology(Budget(tpm=1000)), 2, used={"agent:ann": (450, 3)}) as admission:
        assert (await admission.inspect_agent("ann")).requests == 3
        assert isinstance(await admission.admit(request("a", tokens=51, wait_s=0)), Refusal)
        assert isinstance(await admission.admit(request("b", tokens=50, wait_s=0)), Admitted)


async def test_spend_before_the_loss_counts_by_the_share_as_well() -> None:
    of = topology(Budget(usd_per_day_micro=100))
    store = Engine(MICRO)
    now_us = LocalStore(SystemClock(), 1).now_us()
    store.call("r0", [["hello"], *messages.configure_all(of)], now_us)
    for number in range(8):  # each costs 10
        store.call("r0", [messages.arrive(request(f"t{number}"))], now_us)
        store.call("r0", [messages.settle(ended(f"t{number}"))], now_us)
    view = store.call("r0", [["inspect", "agent:ann", 0]], now_us).snapshots[0]
    assert isinstance(view, BudgetSnapshot)
    async with alone(of, 2, seen={"agent:ann": asdict(view)}) as admission:
        assert isinstance(await admission.admit(request("a")), Admitted)
        refusal = await admission.admit(request("b"))
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.SPEND


async def test_calls_that_run_at_the_loss_hold_their_share_until_they_end() -> None:
    running = request("x", tokens=400)
    async with alone(topology(Budget(tpm=1000), concurrency=2), running=[running]) as admission:
        waits = asyncio.ensure_future(admission.admit(request("a", tokens=10)))
        admission.stand_in_for(admission, ["x"])
        lane = await admission.inspect_lane(LANE)
        assert (lane.in_flight, lane.held[1], sum(lane.waiting)) == (1, 400, 1)
        admission.settle(ended("x", 400))
        assert isinstance(await waits, Admitted)


async def test_blocks_levels_and_learned_limits_are_known() -> None:
    of = topology(itpm=6000)
    store = Engine(MICRO)
    now_us = LocalStore(SystemClock(), 1).now_us()
    told: list[Operation] = [["hello"], *messages.configure_all(of), messages.block(LANE, (), 60.0)]
    told.append(messages.head("", LANE, [Headroom(Dimension.OTPM, 800, 100)]))
    store.call("r0", told, now_us)
    view = store.call("r0", [["inspect", "lane:" + LANE, 0]], now_us).snapshots[0]
    assert isinstance(view, LaneSnapshot)
    async with alone(of, 2, seen={"lane:" + LANE: asdict(view)}) as admission:
        lane = await admission.inspect_lane(LANE)
        assert lane.limits == [-1, 3000, 400, -1]
        assert lane.level[2] < 51
        refusal = await admission.admit(request("a", wait_s=1))
        assert isinstance(refusal, Refusal)
        assert refusal.reason is Reason.LANE_BLOCKED


def test_blocks_can_be_told_to_the_store_that_is_back() -> None:
    store = LocalStore(Told(NOW_US), 2)
    store.begin("r1", messages.configure_all(topology(rpm=10)), seen={}, used={}, running=())
    store.engine.call("r1", [messages.block(LANE, ("rpm",), 7.0)], NOW_US)
    assert store.blocks() == [(LANE, ("rpm",), 7.0)]


_CALLS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 400), st.integers(0, 3)), min_size=1, max_size=60
)


@given(replicas=st.integers(1, 3), before=_CALLS, after=_CALLS)
def test_shares_hold_a_budget_over_every_sliding_minute_that_spans_the_loss(
    replicas: int, before: list[tuple[int, int, int]], after: list[tuple[int, int, int]]
) -> None:
    """Whoever used it before, through whichever replica: all together stay within the limit."""
    limit, at_us = 3000, NOW_US
    of = topology(Budget(tpm=limit))
    configuration = list(messages.configure_all(of))
    whole = Engine(10**15)
    whole.call("r0", [["hello"], *configuration], at_us)
    granted: list[tuple[int, int]] = []
    own = [0] * replicas
    for number, (who, tokens, pause_s) in enumerate(before):
        at_us += pause_s * MICRO
        arrive = messages.arrive(replace(request(f"b{number}", tokens=tokens), max_wait_s=0.0))
        if _granted(whole.call("r0", [arrive], at_us).events):
            granted.append((at_us, tokens))
            own[who % replicas] += tokens
            whole.call("r0", [messages.settle(ended(f"b{number}", tokens))], at_us)
    view = whole.call("r0", [["inspect", "agent:ann", 0]], at_us).snapshots[0]
    assert isinstance(view, BudgetSnapshot)
    clock = Told(at_us)
    stores = [LocalStore(clock, replicas) for _ in range(replicas)]
    for store in stores:
        store.begin("r", configuration, seen={"agent:ann": asdict(view)}, used={}, running=())
    for number, (who, tokens, pause_s) in enumerate(after):
        clock.at_us += pause_s * MICRO
        engine = stores[who % replicas].engine
        if tokens > limit // replicas:
            continue
        arrive = messages.arrive(replace(request(f"a{number}", tokens=tokens), max_wait_s=0.0))
        if _granted(engine.call("r", [arrive], clock.at_us).events):
            granted.append((clock.at_us, tokens))
    for from_us, _ in granted:
        assert sum(n for at, n in granted if from_us <= at < from_us + 60 * MICRO) <= limit


def _granted(events: list[list[object]]) -> bool:
    return any(event[0] == "g" for event in events)
