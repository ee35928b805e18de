"""What is remembered of finished calls: by every replica, for a while, and within bounds."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from gateway.core.explaining import explain
from gateway.domain.explanation import Attempt, Wait
from gateway.domain.facts import CallRecord
from gateway.domain.limits import Dimension, ScopeKind
from gateway.domain.outcome import Fault, Reason
from gateway.store.background import pause
from gateway.store.connection import ROOT, Client, connect
from gateway.store.explanations import MAX_PENDING, StoredExplanations
from gateway.wiring.clock import SystemClock
from tests.fixtures.valkey import ValkeyCluster, ValkeyProcess
from tests.telemetry.test_metrics import RECORD

from .admitting import until

WAITED = replace(
    RECORD,
    request_id="req_waited",
    waits=(Wait(ScopeKind.AGENT, "alice", Dimension.RPM, 0.1, 0.2, 3, 0.25, ("bob",)),),
    last=Attempt(200, 1.5, "req_up"),
)
REFUSED = replace(
    RECORD,
    request_id="req_refused",
    status=429,
    reason=Reason.AGENT_BUDGET,
    fault=Fault.POLICY,
    attempts=0,
    message="The rpm limit of agent 'alice' is used up.",
    retry_after_s=2.5,
)


class Still(SystemClock):
    """A clock whose wall stands still, so that all calls are of one second."""

    wall = staticmethod(lambda: 1_795_564_800.25)


class Kept:
    """Explanations of one replica, and how many it dropped."""

    def __init__(self, redis: Client, keep_s: float = 60.0, per_second: int = 100) -> None:
        self.dropped = 0
        self.explanations = StoredExplanations(
            redis, ROOT, Still(), keep_s=keep_s, per_second=per_second, dropped=self._drop
        )

    def note(self, *records: CallRecord) -> None:
        for record in records:
            self.explanations.call_finished(record)

    def _drop(self, count: int) -> None:
        self.dropped += count


@pytest.fixture
async def kept(store: Client) -> AsyncIterator[Kept]:
    one = Kept(store)
    yield one
    await one.explanations.stop()


async def test_any_replica_explains_a_call(kept: Kept, store: Client) -> None:
    kept.note(WAITED, REFUSED)
    other = Kept(store).explanations

    async def there() -> bool:
        return await other.find("req_waited") is not None

    await until(there, "the explanation to be written")
    for record in (WAITED, REFUSED):
        assert await other.find(record.request_id) == explain(record, Still.wall())
    assert await other.find("req_unknown") is None


async def test_each_explanation_expires(store: Client) -> None:
    one = Kept(store, keep_s=0.3)
    one.note(WAITED)
    await one.explanations.stop()
    assert 0 < await store.pttl(f"{ROOT}:why:req_waited") <= 300

    async def gone() -> bool:
        return await one.explanations.find("req_waited") is None

    await until(gone, "the explanation to expire")


async def test_nothing_is_kept_when_nothing_is_to_be(store: Client) -> None:
    one = Kept(store, keep_s=0)
    one.note(WAITED)
    await one.explanations.stop()
    assert (await store.keys("*why*"), one.dropped) == ([], 0)


async def test_what_was_simply_answered_takes_half_of_the_allowance_at_most(store: Client) -> None:
    one = Kept(store, per_second=10)
    one.note(*(replace(RECORD, request_id=f"plain{n}") for n in range(8)))
    assert one.dropped == 3
    one.note(*(replace(REFUSED, request_id=f"refused{n}") for n in range(8)))
    assert one.dropped == 3 + 3
    await one.explanations.stop()
    assert len(await store.keys("*why*")) == 10


async def test_more_than_one_chunk_is_written_whole(store: Client) -> None:
    one = Kept(store, per_second=10_000)
    one.note(*(replace(REFUSED, request_id=f"r{n}") for n in range(MAX_PENDING + 5)))
    assert one.dropped == 5
    await one.explanations.stop()
    assert len(await store.keys("*why*")) == MAX_PENDING


async def test_a_long_path_is_shortened(kept: Kept) -> None:
    kept.note(replace(REFUSED, path="/" + "x" * 100_000))
    await kept.explanations.stop()
    assert await kept.explanations.find("req_refused") is not None
    redis = kept.explanations._redis
    assert int(await redis.strlen(f"{ROOT}:why:req_refused")) < 2000


async def test_a_store_that_is_lost_costs_explanations_only(
    own_valkey: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    redis = await connect(own_valkey.url)
    one = Kept(redis)
    own_valkey.stop()
    one.note(WAITED, REFUSED)

    async def dropped() -> bool:
        return one.dropped == 2

    await until(dropped, "explanations to be dropped")
    assert "explanations of calls are lost" in caplog.text
    own_valkey.start()
    one.note(REFUSED)
    await one.explanations.stop()
    assert (await one.explanations.find("req_refused")) is not None
    await redis.aclose()


async def test_a_record_of_another_version_is_as_good_as_none(kept: Kept, store: Client) -> None:
    await store.set(f"{ROOT}:why:req_old", b'[1.0, {"request_id": "req_old"}]', ex=60)
    assert await kept.explanations.find("req_old") is None


async def test_calls_that_end_while_others_are_written_follow(kept: Kept) -> None:
    kept.note(WAITED)
    await pause(0.1)
    kept.note(REFUSED)
    await asyncio.sleep(0)

    async def there() -> bool:
        return await kept.explanations.find("req_refused") is not None

    await until(there, "the later one")
    assert await kept.explanations.find("req_waited") is not None


async def test_explanations_are_kept_on_a_cluster(valkey_cluster: ValkeyCluster) -> None:
    valkey_cluster.flush()
    redis = await connect(valkey_cluster.url)
    one = Kept(redis)
    one.note(WAITED)
    await one.explanations.stop()
    assert await one.explanations.find("req_waited") is not None
    await redis.aclose()
