"""The live configuration: followed, looked at, and turned by the clock."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.config import Settings, simulated_settings
from gateway.core.admission.stamps import Stamps
from gateway.domain.access import AuditEntry, AuditQuery
from gateway.domain.limits import Budget
from gateway.domain.overrides import Collection, Overtaken, UnfitEdit
from gateway.domain.temporary import BudgetChange, Selector, Span, TemporaryBudget
from gateway.domain.topology import Agent, Team
from gateway.ports import StoreSilent
from gateway.store.audit import StoredAudit
from gateway.store.connection import Client, connect
from gateway.store.overrides import OverrideStore
from gateway.wiring.live import LiveConfiguration
from tests.fixtures.valkey import ValkeyProcess

ENTRY = AuditEntry(1.0, "eve", "admin", "", "agents.patch", "agents/ann", None, {"a": 1}, "r1")


class Clock:
    """Stands where it is put."""

    now_s = 1_000_000.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return self.now_s


def base() -> Settings:
    settings = simulated_settings(
        "http://127.0.0.1:1",
        agents=[Agent("ann", "red", budget=Budget(tpm=100)), Agent("bob")],
        teams=[Team("red")],
    )
    return replace(settings, agent_keys={"ann": "key-of-ann"})


@pytest.fixture
async def redis(store_url: str) -> AsyncIterator[Client]:
    client = await connect(store_url)
    yield client
    await client.aclose()


class Applied:
    """What was put in force, in order."""

    def __init__(self) -> None:
        self.settings: list[Settings] = []
        self.stamps: list[Stamps] = []
        self.barred: list[frozenset[str]] = []

    async def __call__(self, live: LiveConfiguration) -> None:
        self.settings.append(live.settings)
        self.stamps.append(live.stamps)
        self.barred.append(live.barred)

    def tpm(self) -> int | None:
        return self.settings[-1].topology.agents["ann"].budget.tpm


@asynccontextmanager
async def living(redis: Client, clock: Clock) -> AsyncIterator[tuple[LiveConfiguration, Applied]]:
    live, applied = LiveConfiguration(base(), None, redis, clock), Applied()
    await live.begin()
    async with live.kept_fresh(applied):
        yield live, applied


async def until(holds: Callable[[], bool], what: str) -> None:
    for _ in range(2000):
        if holds():
            return
        await asyncio.sleep(0.005)
    pytest.fail(f"waited in vain for {what}")


async def patch(live: LiveConfiguration, tpm: int) -> None:
    edition = await live.read()
    document = {"ann": {"budget": {"tpm": tpm}}}
    after = edition.written(Collection.AGENTS, document, "eve", whole=False)
    await live.commit(after, [ENTRY])


async def test_an_edit_acts_here_at_once_and_elsewhere_soon(redis: Client) -> None:
    clock = Clock()
    async with living(redis, clock) as (one, here), living(redis, clock) as (_, there):
        assert (here.tpm(), there.tpm()) == (100, 100)
        await patch(one, 7)
        assert here.tpm() == 7
        await until(lambda: there.tpm() == 7, "the edit at the other replica")
        assert here.stamps[-1].of("agent:ann") == there.stamps[-1].of("agent:ann")
        assert here.stamps[-1].of("agent:bob")[0] == 0
        (entry,) = await StoredAudit(redis, clock).entries(_all(), limit=9)
        assert (entry.action, entry.after) == ("agents.patch", {"a": 1})


async def test_an_edit_whose_announcement_is_lost_is_seen_by_its_revision(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.wiring.live.CHANGED", "another-channel")
    async with living(redis, Clock()) as (one, _), living(redis, Clock()) as (_, there):
        await patch(one, 7)
        await until(lambda: there.tpm() == 7, "the edit at the other replica")


async def test_who_is_overtaken_is_told_and_nothing_is_recorded(redis: Client) -> None:
    async with living(redis, Clock()) as (live, applied):
        stale = await live.read()
        await patch(live, 7)
        late = stale.written(Collection.AGENTS, {"ann": {"budget": {"tpm": 8}}}, "eve", whole=False)
        with pytest.raises(Overtaken):
            await live.commit(late, [ENTRY])
        assert applied.tpm() == 7
        assert len(await StoredAudit(redis, Clock()).entries(_all(), limit=9)) == 1


async def test_a_temporary_budget_begins_and_ends_by_the_clock(redis: Client) -> None:
    clock = Clock()
    async with living(redis, clock) as (live, applied):
        window = Span(clock.now_s + 60, clock.now_s + 120)
        budget = TemporaryBudget(
            "t1", Selector(agents=("ann",)), BudgetChange({"tpm": 999}), window, clock.now_s, "eve"
        )
        await live.commit((await live.read()).with_budget(budget), [])
        assert applied.tpm() == 100
        clock.now_s += 60
        await live.look()
        assert applied.tpm() == 999
        assert applied.settings[-1].origins["agents.ann.budget.tpm"].temporary == "t1"
        puts = len(applied.settings)
        await live.look()
        assert len(applied.settings) == puts  # nothing turns, nothing is put in force again
        async with living(redis, clock) as (_, restarted):
            assert restarted.tpm() == 999
        clock.now_s += 60
        await live.look()
        assert applied.tpm() == 100


async def test_an_edit_below_a_temporary_budget_comes_out_when_that_ends(redis: Client) -> None:
    clock = Clock()
    async with living(redis, clock) as (live, applied):
        window = Span(clock.now_s, clock.now_s + 60)
        budget = TemporaryBudget(
            "t1", Selector(agents=("ann",)), BudgetChange({"tpm": 999}), window, clock.now_s, "eve"
        )
        await live.commit((await live.read()).with_budget(budget), [])
        await patch(live, 7)
        assert applied.tpm() == 999
        await live.commit((await live.read()).without_budget("t1"), [])
        assert applied.tpm() == 7


async def test_a_deleted_agent_is_barred_and_a_reset_lets_it_back(redis: Client) -> None:
    async with living(redis, Clock()) as (live, applied):
        await live.commit((await live.read()).without(Collection.AGENTS, "ann", "eve"), [])
        assert applied.barred[-1] == {"ann"}
        assert "ann" not in applied.settings[-1].agent_keys
        await live.commit((await live.read()).reset(["agents/ann"]), [])
        assert applied.barred[-1] == frozenset()
        assert applied.settings[-1].topology == base().topology
        assert applied.stamps[-1].of("agent:ann")[0] == 2  # a reset is newer than what it undoes


async def test_without_a_file_there_is_nothing_to_read_again(redis: Client) -> None:
    async with living(redis, Clock()) as (live, _):
        with pytest.raises(UnfitEdit):
            await live.reload()


async def test_a_lost_store_leaves_what_is_known_and_the_clock_goes_on(
    own_valkey: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    client, clock = await connect(own_valkey.url), Clock()
    async with living(client, clock) as (live, applied):
        window = Span(clock.now_s, clock.now_s + 60)
        budget = TemporaryBudget(
            "t1", Selector(agents=("ann",)), BudgetChange({"tpm": 999}), window, clock.now_s, "eve"
        )
        await live.commit((await live.read()).with_budget(budget), [])
        own_valkey.kill()
        clock.now_s += 60
        await live.look()
        assert applied.tpm() == 100
        with pytest.raises(StoreSilent):
            await live.read()
        assert sum("may come late" in message for message in caplog.messages) == 1
    await client.aclose()


async def test_a_change_that_fails_is_said_once_and_tried_again(
    redis: Client, caplog: pytest.LogCaptureFixture
) -> None:
    broken = True
    live, applied = LiveConfiguration(base(), None, redis, Clock()), Applied()

    async def apply(configuration: LiveConfiguration) -> None:
        if broken and configuration.settings.topology != base().topology:
            raise RuntimeError("a fault")
        await applied(configuration)

    await live.begin()
    async with live.kept_fresh(apply):
        await patch(live, 7)
        for _ in range(3):
            await live.look()
        assert applied.tpm() == 100
        assert sum("failed; the old one" in message for message in caplog.messages) == 1
        broken = False
        await live.look()
        assert applied.tpm() == 7


async def test_what_is_stored_comes_back_as_it_went(redis: Client) -> None:
    async with living(redis, Clock()) as (live, _):
        await patch(live, 7)
        await live.commit((await live.read()).without(Collection.AGENTS, "bob", "eve"), [])
        await live.commit((await live.read()).reset(["agents/ann"]), [])
        await live.commit((await live.read()).reloaded(), [])
        found = await OverrideStore(redis).load()
        assert found == (await live.read()).overrides
        assert (found.revision, found.reloads) == (4, 1)
        assert (set(found.items), set(found.resets)) == ({"agents/bob"}, {"agents/ann"})
        await redis.hset("gw:{main}:config:items", "agents/odd", "not json")
        await redis.hset("gw:{main}:config:items", "of-a-later-version/x", '{"revision":1}')
        assert set((await OverrideStore(redis).load()).items) == {"agents/bob"}


def _all() -> AuditQuery:
    return AuditQuery()
