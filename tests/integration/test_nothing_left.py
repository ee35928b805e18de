"""Calls that fail, move, wait and leave in every way: nothing of them stays, and all books agree.

Field notes 1, 6 and 9: what is held is given back exactly once, whatever happens in between, and
what the budgets were charged is what the accounts tell, to the micro-dollar.
"""

import asyncio
import random
from dataclasses import replace

import httpx2
import msgspec
import pytest

from gateway.core.retrying import Repeat, RetrySettings
from gateway.domain.limits import LaneLimits
from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.gateway import PLAIN
from tests.integration.asking import admin
from tests.integration.failing_over import MODELS, SPEECHES, Pair, pair
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
CALLS, OVER_S, PATIENCE_S = 80, 1.5, 2.5
FAULTS = (
    FaultRule("status", status=429, retry_after_s=0.2),
    FaultRule("status", status=503),
    FaultRule("status", status=400),
    FaultRule("garbage"),
    FaultRule("cut", after_chunks=-1),
    FaultRule("cut", after_chunks=1),
    FaultRule("hang", after_chunks=-1),
    FaultRule("hang", after_chunks=2),
    FaultRule("error_event", status=529, after_chunks=1),
)
FALLBACKS = {
    "first-anthropic": ("gpt-4o-mini", "claude-haiku-4-5"),
    "first-openai": ("claude-haiku-4-5",),
    "first-gemini": ("gpt-4o-mini",),
}
LANES = [f"{place}-{dialect}" for place in ("first", "second") for dialect in MODELS]


async def test_nothing_is_left_of_calls_whatever_becomes_of_them(
    provider: RunningSimulator, store_url: str
) -> None:
    retries = RetrySettings(pause_s=0.01, longest_s=0.05, repeat=Repeat.AFTER_SEND)
    async with (
        pair(
            provider,
            store_url,
            fallbacks=FALLBACKS,
            first=LaneLimits(concurrency=2),
            second=LaneLimits(concurrency=2),
            max_wait_s=2.0,
            ttft_s=0.03,
            hold_head_s=0.2,
            reliability=replace(PLAIN, retries=retries),
        ) as here,
        admin(here.url) as asked,
    ):
        chance = random.Random(1)
        await asyncio.gather(*(call(here, chance, number) for number in range(CALLS)))
        budget = await idle(here)
        usage = await asked.until(
            "usage",
            lambda found: sum(row["cost_microusd"] for row in found["items"]) >= budget,
            group_by="agent",
        )
        [row] = usage["items"]
        assert row["cost_microusd"] == budget
    await until(lambda: provider.state.ledger.in_flight == 0, "a provider left alone")


async def call(here: Pair, chance: random.Random, number: int) -> None:
    """One call at a time of its own, in nearly every second case given up."""
    await asyncio.sleep(chance.random() * OVER_S)
    if number % 5 == 0:
        fault = msgspec.structs.replace(chance.choice(FAULTS), count=2)
        here.simulator.state.faults.set([fault])
    patience_s = chance.random() * 0.5 if chance.random() < 0.4 else PATIENCE_S
    try:
        async with asyncio.timeout(patience_s):
            await here.alice.say(chance.choice(SPEECHES), chance.choice((5, 200)))
    except (TimeoutError, httpx2.TransportError):
        pass  # it left, or was cut off


async def idle(here: Pair) -> int:
    """Wait until nothing is in flight; what the agent has spent, once its books balance."""
    async with asyncio.timeout(10):
        while (budget := await here.books.inspect_agent("alice")).in_flight:
            pass
    lanes = [await here.books.inspect_lane(name) for name in LANES]
    assert [(lane.in_flight, sum(lane.waiting)) for lane in lanes] == [(0, 0)] * len(lanes)
    for ledger in (budget.ledger, *(lane.ledger for lane in lanes)):
        for reserved, *ends in zip(*ledger, strict=True):
            assert reserved == sum(ends)
    return int(budget.spent_day)
