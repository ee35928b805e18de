"""Sessions over all replicas, in a real store."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.domain.facts import CallRecord, Session, SessionOver, TurnFollowed
from gateway.domain.usage import Usage
from gateway.store import sessions as sessions_module
from gateway.store.connection import ROOT, Client, connect
from gateway.store.sessions import StoredSessions
from gateway.wiring.clock import SystemClock
from tests.fixtures.valkey import ValkeyProcess
from tests.telemetry.test_metrics import RECORD

IDLE_S = 0.05


class Heard:
    """An observer of sessions."""

    def __init__(self) -> None:
        self.turns: list[TurnFollowed] = []
        self.over: list[SessionOver] = []
        self.open = 0

    def turn_followed(self, turn: TurnFollowed) -> None:
        self.turns.append(turn)

    def session_over(self, session: SessionOver) -> None:
        self.over.append(session)

    def sessions_open(self, count: int) -> None:
        self.open = count


def turn(prompt: int, output: int = 200, session: str = "s-1", thread: str = "") -> CallRecord:
    return replace(
        RECORD,
        session=Session(session, thread),
        usage=Usage(input_tokens=prompt, output_tokens=output),
        total_s=10.0,
    )


@pytest.fixture
async def redis(store_url: str) -> AsyncIterator[Client]:
    client = await connect(store_url)
    yield client
    await client.aclose()


def replica(redis: Client, heard: Heard, idle_s: float = 60.0) -> StoredSessions:
    return StoredSessions(redis, ROOT, SystemClock(), heard, idle_s=idle_s)


async def told(sessions: StoredSessions, *records: CallRecord) -> None:
    for record in records:
        sessions.call_finished(record)
    await sessions.write()


async def test_turns_are_compared_whichever_replica_brings_them(redis: Client) -> None:
    heard = [Heard(), Heard()]
    replicas = [replica(redis, one) for one in heard]
    await told(replicas[0], turn(1000))
    await told(replicas[1], turn(1500))
    await told(replicas[0], turn(600))
    assert heard[0].turns == [TurnFollowed(600, 1500, 200)]
    assert heard[1].turns == [TurnFollowed(1500, 1000, 200)]
    assert heard[0].open == 1
    for one in replicas:
        await one.stop()


async def test_sub_agents_and_other_models_have_contexts_of_their_own(redis: Client) -> None:
    heard = Heard()
    sessions = replica(redis, heard)
    other_model = replace(turn(10), model="claude-haiku-4-5")
    other_agent = replace(turn(10), agent="bob")
    guessed = replace(turn(10), usage=Usage(input_tokens=10, exact=False))
    await told(sessions, turn(1000), turn(10, thread="sub"), other_model, other_agent, guessed)
    await told(sessions, turn(1100), replace(turn(10), session=None), replace(turn(9), attempts=0))
    assert heard.turns == [TurnFollowed(1100, 1000, 200)]
    assert heard.open == 2
    await sessions.stop()


async def test_a_session_that_is_over_is_told_once_with_its_wall_clock(redis: Client) -> None:
    heard = [Heard(), Heard()]
    replicas = [replica(redis, one, IDLE_S) for one in heard]
    await told(replicas[0], turn(1000))
    await told(replicas[1], turn(1100))
    over: list[SessionOver] = []
    async with asyncio.timeout(5):
        while not over:
            await asyncio.sleep(0.01)
            for one in replicas:
                await one.write()
            over = heard[0].over + heard[1].over
    [session] = over
    assert session.calls == 2
    assert 10.0 <= session.wall_s < 15.0
    assert heard[1].open == 0
    for one in replicas:
        await one.stop()


async def test_the_newest_sessions_are_kept_and_nothing_without_an_end(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "MAX_SESSIONS", 3)
    monkeypatch.setattr(sessions_module, "MAX_CONTEXTS", 2)
    heard = Heard()
    sessions = replica(redis, heard)
    await told(sessions, *(turn(10, session=f"s-{n}") for n in range(10)))
    assert (heard.open, len(heard.over)) == (3, 7)
    await told(sessions, *(turn(10, session="s-9", thread=f"t-{n}") for n in range(20)))
    keys = await redis.keys("gw:*session*")
    assert len(keys) == 4
    fields = [await redis.hlen(key) for key in keys if b":session:" in key]
    assert max(fields) == 3 + 2
    assert all([await redis.pttl(key) > 0 for key in keys])
    await sessions.stop()


async def test_a_lost_store_costs_turns_and_nothing_else(
    own_valkey: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    client = await connect(own_valkey.url)
    heard = Heard()
    sessions = replica(client, heard)
    await told(sessions, turn(1000))
    own_valkey.kill()
    for prompt in (1100, 1200):
        await told(sessions, turn(prompt))
    assert len([one for one in caplog.records if one.name == "gateway.store.sessions"]) == 1
    await sessions.stop()
    assert heard.turns == []
    await client.aclose()


async def test_turns_are_sent_together_by_themselves(
    redis: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "FLUSH_S", 0.01)
    heard = Heard()
    sessions = replica(redis, heard)
    for prompt in (1000, 1100):
        sessions.call_finished(turn(prompt))
    async with asyncio.timeout(5):
        while not heard.turns:  # noqa: ASYNC110 - a timer
            await asyncio.sleep(0.01)
    sessions.call_finished(turn(1200))
    async with asyncio.timeout(5):
        while len(heard.turns) < 2:  # noqa: ASYNC110 - a timer
            await asyncio.sleep(0.01)
    await sessions.stop()
