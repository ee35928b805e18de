"""Replicas tell each other of their routes, through a real store."""

from dataclasses import replace

import pytest

from gateway.core.estimate import EstimateBook
from gateway.core.routing.conversations import Pin
from gateway.core.routing.ledger import RouteLedger
from gateway.domain.call import CallFacts, PromptPrefix
from gateway.domain.facts import Routed
from gateway.domain.routes import Arm, Choice, Route, RouteMatch, RouteMode, Trouble, Why
from gateway.ports import StoreSilent
from gateway.store.background import running
from gateway.store.connection import ROOT, Client, connect
from gateway.store.routes import SharedRoutes
from gateway.wiring.clock import SystemClock
from tests.fixtures.valkey import ValkeyCluster, ValkeyProcess

from .admitting import until

CLOCK = SystemClock()
ROUTE = Route(RouteMatch(), "weak", RouteMode.ENFORCE, name="one", min_volume=20, margin=0.1)


class Replica:
    """One gateway's memory of routes."""

    def __init__(self, redis: Client, name: str, route: Route = ROUTE) -> None:
        self.route = route
        self.ledger, self.book = RouteLedger(), EstimateBook()
        self.shared = SharedRoutes(
            redis, ROOT, name, self.ledger, self.book, lambda: (self.route,), CLOCK
        )

    def conversations(self, arm: Arm, count: int, troubled: int) -> None:
        for number in range(count):
            self.ledger.begun("one", arm)
            troubles = (Trouble.ERROR,) if number < troubled else ()
            self.ledger.finished(
                f"{arm}-{number}",
                Routed(
                    RouteMode.ENFORCE, Choice.MOVE, Why.SIMPLE, "strong", "weak",
                    policy="one", arm=arm, troubles=troubles, stay_microusd=10, other_microusd=3,
                ),
                4,
                CLOCK.wall(),
            )  # fmt: skip


def pin(choice: Choice = Choice.MOVE, **more: bool) -> Pin:
    return Pin("one", choice, Why.SIMPLE, Arm.ROUTED, until=CLOCK.wall() + 60, **more)


async def test_a_decision_and_a_warm_prefix_are_known_everywhere(store: Client) -> None:
    first, second = Replica(store, "a"), Replica(store, "b")
    first.ledger.remember("talk", pin())
    first.ledger.warmed("m", b"digest", 300, CLOCK.wall())
    await first.shared.flush()
    prefixes = (PromptPrefix(b"digest", 9_000),)
    facts = CallFacts("m", prompt_bytes=10_000, prefixes=prefixes, cache_lifetime_s=300)

    async def pinned() -> bool:
        return second.ledger.pins.get("talk", CLOCK.wall()) is not None

    async def complete() -> bool:
        return second.ledger.complete

    async def taken_back() -> bool:
        found = second.ledger.pins.get("talk", CLOCK.wall())
        return found is not None and found.escalated and found.choice is Choice.STAY

    async with running("follow", second.shared.follow()):
        await until(pinned, "a pin")
        assert second.book.estimate("x", "m", facts, CLOCK.monotonic()).cached_tokens > 0
        await until(complete, "all is read")
        first.ledger.take_back("talk", CLOCK.wall())
        await first.shared.flush()
        await until(taken_back, "the escalation")
    assert await store.ttl(f"{ROOT}:routes:heard") > 0


async def test_counts_are_added_up_and_harm_returns_a_route_to_shadow(
    store: Client, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = Replica(store, "a"), Replica(store, "b")
    first.conversations(Arm.ROUTED, 30, 20)
    second.conversations(Arm.HOLDOUT, 30, 2)
    await first.shared.sync_once()
    assert first.ledger.mode_of(ROUTE) is RouteMode.ENFORCE
    await second.shared.sync_once()
    assert second.ledger.mode_of(ROUTE) is RouteMode.SHADOW
    assert "returns to shadow: 66.7% of routed" in caplog.text
    await first.shared.sync_once()
    assert first.ledger.mode_of(ROUTE) is RouteMode.SHADOW
    arms = first.ledger.counts("one")
    assert (arms[Arm.ROUTED].saved, arms[Arm.HOLDOUT].conversations) == (30 * 6, 30)

    late = Replica(store, "c")
    await late.shared.sync_once()
    assert late.ledger.mode_of(ROUTE) is RouteMode.SHADOW
    changed = replace(ROUTE, threshold=0.9)
    late.route = changed
    await late.shared.sync_once()
    assert late.ledger.mode_of(changed) is RouteMode.ENFORCE

    await first.shared.resume(ROUTE)
    for one in (first, second):
        await one.shared.sync_once()
        assert one.ledger.mode_of(ROUTE) is RouteMode.ENFORCE
        assert one.ledger.counts("one")[Arm.ROUTED].conversations == 0
    keys = [key async for key in store.scan_iter(f"{ROOT}:routes:*")]
    assert all([await store.ttl(key) > 0 for key in keys])


async def test_without_the_store_nothing_is_lost_and_unknown_means_stay(
    own_valkey: ValkeyProcess,
) -> None:
    redis = await connect(own_valkey.url)
    one = Replica(redis, "a")
    one.ledger.complete = True

    async def incomplete() -> bool:
        return not one.ledger.complete

    async def complete() -> bool:
        return one.ledger.complete

    async with running("follow", one.shared.follow()):
        own_valkey.kill()
        await until(incomplete, "the loss")
        one.conversations(Arm.ROUTED, 30, 20)
        one.conversations(Arm.HOLDOUT, 30, 2)
        one.ledger.remember("talk", pin())
        await one.shared.flush()
        await one.shared.sync_once()
        assert one.ledger.counts("one")[Arm.ROUTED].conversations == 30
        assert one.ledger.mode_of(ROUTE) is RouteMode.SHADOW  # each judges by itself
        assert one.ledger.pins.get("talk", CLOCK.wall()) is not None
        with pytest.raises(StoreSilent):
            await one.shared.resume(ROUTE)
        own_valkey.start()
        await until(complete, "the return")
    await one.shared.sync_once()
    assert one.ledger.counts("one")[Arm.ROUTED].conversations == 30
    await redis.aclose()


async def test_it_works_on_a_cluster(valkey_cluster: ValkeyCluster) -> None:
    valkey_cluster.flush()
    redis = await connect(valkey_cluster.url)
    first, second = Replica(redis, "a"), Replica(redis, "b")

    async def pinned() -> bool:
        return second.ledger.pins.get("talk", CLOCK.wall()) is not None

    async with second.shared:
        first.ledger.remember("talk", pin())
        first.conversations(Arm.ROUTED, 3, 1)
        await first.shared.flush()
        await until(pinned, "a pin")
        await first.shared.sync_once()
        await second.shared.sync_once()
        assert second.ledger.counts("one")[Arm.ROUTED].conversations == 3
        await second.shared.resume(ROUTE)
        await first.shared.sync_once()
        assert first.ledger.counts("one")[Arm.ROUTED].conversations == 0
    await redis.aclose()
