"""Replicas tell each other of their breakers, and go on without a store."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.domain.breaking import FOR_EVER_S, BreakerFact, BreakerKey
from gateway.domain.facts import BreakerScope, BreakerState
from gateway.store.breakers import SharedBreakers
from gateway.store.connection import ROOT, Client, connect
from tests.fixtures.valkey import ValkeyProcess
from tests.integration.waiting import until

LANE = BreakerKey(BreakerScope.LANE, "claude/some:model\x0b/with")
OPEN = BreakerFact(3, BreakerState.OPEN, 2_000_000_000.25, 2, "probe", 1_999_999_990.0, "why")


class Ear:
    """One replica that listens."""

    def __init__(self) -> None:
        self.heard: dict[BreakerKey, BreakerFact] = {}

    def __call__(self, key: BreakerKey, fact: BreakerFact) -> None:
        self.heard[key] = fact

    def knows(self, fact: BreakerFact) -> bool:
        return self.heard.get(LANE) == fact


@asynccontextmanager
async def replica(redis: Client) -> AsyncIterator[tuple[SharedBreakers, Ear]]:
    ear = Ear()
    async with SharedBreakers(redis, ROOT, ear) as shared:
        yield shared, ear


async def test_a_state_is_heard_by_who_is_there_and_by_who_comes_later(store_url: str) -> None:
    redis = await connect(store_url)
    async with replica(redis) as (one, first), replica(redis) as (_, second):
        one.tell(LANE, OPEN)
        await until(lambda: second.knows(OPEN) and first.knows(OPEN), "the state")
        async with replica(redis) as (_, third):
            await until(lambda: third.knows(OPEN), "what is remembered")
    for key in (f"{ROOT}:breakers", f"{ROOT}:breakers:order"):
        assert await redis.pttl(key) > 0
    await redis.aclose()


async def test_an_older_state_never_covers_a_later_one(store_url: str) -> None:
    redis = await connect(store_url)
    later = BreakerFact(4, BreakerState.CLOSED)
    same_but_held = BreakerFact(4, BreakerState.OPEN, FOR_EVER_S)
    async with replica(redis) as (one, _):
        for fact, stays in ((later, later), (OPEN, later), (same_but_held, same_but_held)):
            one.tell(LANE, fact)
            await until(lambda: not one._untold, "that it was told")
            async with replica(redis) as (_, ear):
                await until(lambda stays=stays, ear=ear: ear.knows(stays), "the later one")  # type: ignore[misc]
    await redis.aclose()


async def test_what_was_not_told_while_the_store_was_away_is_told_when_it_is_back(
    own_valkey: ValkeyProcess,
) -> None:
    redis, other = await connect(own_valkey.url), await connect(own_valkey.url)
    async with replica(redis) as (one, _), replica(other) as (_, ear):
        one.tell(LANE, BreakerFact(1, BreakerState.OPEN, 1.0))
        await until(lambda: LANE in ear.heard, "the first state")
        own_valkey.stop()
        one.tell(LANE, BreakerFact(2, BreakerState.HALF_OPEN))
        await asyncio.sleep(0)
        one.tell(LANE, OPEN)
        own_valkey.start()
        await until(lambda: ear.knows(OPEN), "the latest state")
    await redis.aclose()
    await other.aclose()


async def test_a_state_that_cannot_be_read_is_left_out(store_url: str) -> None:
    redis = await connect(store_url)
    await redis.hset(f"{ROOT}:breakers", "moon/x", b"{}")
    await redis.hset(f"{ROOT}:breakers", "lane/x", b"no json")
    async with replica(redis) as (one, ear):
        one.tell(LANE, OPEN)
        await until(lambda: ear.knows(OPEN), "the state that can be read")
        assert set(ear.heard) == {LANE}
    await redis.aclose()
