"""The accounts in the store: exact over replicas and repetitions, bounded, kept for a while."""

import asyncio
import time
from dataclasses import replace

import pytest
from redis.exceptions import ConnectionError as StoreLost

from gateway.domain.facts import CallRecord
from gateway.domain.spending import Attribution, Spent, UsageQuery
from gateway.domain.usage import Usage
from gateway.ports import StoreSilent
from gateway.store import usage as module
from gateway.store.connection import ROOT, Client, connect
from gateway.store.usage import StoredUsage
from gateway.wiring.clock import SystemClock
from tests.fixtures.valkey import ValkeyCluster, ValkeyProcess
from tests.telemetry.test_metrics import RECORD

from .admitting import until

HOUR_S = 3600
THIS_HOUR_S = int(time.time()) // HOUR_S * HOUR_S
"""The hour in which the tests run: the store lets old ones go by its own clock."""
CALL = replace(
    RECORD, agent="ann", model="m", attempts=1, reason=None, usage=Usage(10), cost_microusd=7
)


class At(SystemClock):
    """A clock whose wall is set by hand."""

    def __init__(self, wall_s: float = THIS_HOUR_S) -> None:
        self.wall_s = wall_s

    def wall(self) -> float:
        return self.wall_s


def accounts(
    redis: Client, replica: str = "r1", *, clock: At | None = None, max_rows: int = 1000,
    keep_s: float = 86_400.0,
) -> StoredUsage:  # fmt: skip
    return StoredUsage(redis, ROOT, replica, clock or At(), keep_s=keep_s, max_rows=max_rows)


async def put(one: StoredUsage, *records: CallRecord) -> None:
    for record in records:
        one.call_finished(record)
    await one.stop()


async def read(
    one: StoredUsage, *by: Attribution, hours: int = 1, bucket_s: int | None = None
) -> dict[tuple[str, ...], Spent]:
    since_s = THIS_HOUR_S - (hours - 1) * HOUR_S
    found = await one.rows(UsageQuery(since_s, THIS_HOUR_S + 1, by, bucket_s))
    return {
        (*row.keys, *(() if row.start_s is None else (str(row.start_s),))): row.spent
        for row in found
    }


async def test_all_replicas_add_to_the_same_rows(store: Client) -> None:
    await asyncio.gather(
        put(accounts(store, "r1"), CALL, CALL, replace(CALL, agent="bob")),
        put(accounts(store, "r2"), CALL),
    )
    found = await read(accounts(store), Attribution.AGENT)
    assert {
        keys[0]: (spent.calls, spent.input_tokens, spent.cost_microusd)
        for keys, spent in found.items()
    } == {
        "ann": (3, 30, 21),
        "bob": (1, 10, 7),
    }
    assert (await read(accounts(store)))[()].calls == 4


async def test_a_batch_whose_answer_was_lost_is_added_once(
    store: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = accounts(store)
    call, lost = one._script.call, 2

    async def loses_answers(*arguments: object) -> object:
        nonlocal lost
        await call(*arguments)  # type: ignore[arg-type]  # as they came
        if lost:
            lost -= 1
            raise StoreLost("the answer was lost")
        return None

    monkeypatch.setattr(one._script.__class__, "call", lambda _self, *a: loses_answers(*a))
    one.call_finished(CALL)
    for _ in range(3):
        await one._write()
        one.call_finished(CALL)
    await one._write()
    monkeypatch.undo()
    assert (await read(one))[()].calls == 4


async def test_calls_wait_for_a_lost_store_under_their_own_hour(own_valkey: ValkeyProcess) -> None:
    redis = await connect(own_valkey.url)
    clock = At(THIS_HOUR_S - HOUR_S)
    one = accounts(redis, clock=clock)
    own_valkey.stop()
    one.call_finished(CALL)
    await one._write()
    clock.wall_s = THIS_HOUR_S
    one.call_finished(CALL)
    with pytest.raises(StoreSilent):
        await read(one)
    own_valkey.start()
    await one.stop()
    found = await read(one, hours=2, bucket_s=HOUR_S)
    assert {keys: spent.calls for keys, spent in found.items()} == {
        (str(THIS_HOUR_S - HOUR_S),): 1,
        (str(THIS_HOUR_S),): 1,
    }
    await redis.aclose()


async def test_what_waits_is_bounded_and_nothing_of_it_is_lost(
    store: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_PENDING", 5)
    one = accounts(store)
    await put(one, *(replace(CALL, model=f"m{n}") for n in range(20)))
    found = await read(one, Attribution.MODEL)
    assert len(found) == 6
    assert found[("other",)].calls == 15


async def test_rows_of_an_hour_are_bounded_and_nothing_is_lost(store: Client) -> None:
    one = accounts(store, max_rows=10)
    await put(one, *(replace(CALL, model=f"m{n}", tags=(f"job={n}",)) for n in range(30)))
    models = await read(one, Attribution.MODEL)
    tags = await read(one, Attribution.TAG)
    assert len(models) == len(tags) == 11
    assert models[("other",)].calls == tags[("other",)].calls == 20
    await put(accounts(store, "r2", max_rows=10), replace(CALL, model="m0"))
    assert (await read(one, Attribution.MODEL))[("m0",)].calls == 2  # a row that is there stays


async def test_a_call_counts_with_each_of_its_tags(store: Client) -> None:
    one = accounts(store)
    await put(one, replace(CALL, tags=("job=a", "repo=x")), replace(CALL, tags=("job=a",)), CALL)
    found = await read(one, Attribution.TAG, Attribution.AGENT)
    assert {keys: spent.calls for keys, spent in found.items()} == {
        ("job=a", "ann"): 2,
        ("repo=x", "ann"): 1,
    }
    assert (await read(one))[()].calls == 3


async def test_an_hour_is_kept_for_the_time_that_is_configured(store: Client) -> None:
    clock = At(SystemClock.wall())
    one = accounts(store, clock=clock, keep_s=1000)
    await put(one, replace(CALL, tags=("job=a",)))
    ttls = {await store.pttl(key) for key in await store.keys(f"{ROOT}:usage:[ct]*")}
    ends_ms = (int(clock.wall_s) // HOUR_S + 1) * HOUR_S * 1000 - clock.wall_s * 1000 + 1_000_000
    assert len(await store.keys("*usage*")) == 3
    assert all(abs(ttl - ends_ms) < 5_000 for ttl in ttls)
    assert await store.pttl(f"{ROOT}:usage:done:r1") > 0


async def test_nothing_is_kept_when_nothing_is_to_be(store: Client) -> None:
    await put(accounts(store, keep_s=0), CALL)
    assert await store.keys("*usage*") == []


async def test_calls_are_written_by_themselves(
    store: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.01)
    one = accounts(store)
    one.call_finished(CALL)

    async def there() -> bool:
        return bool(await read(one))

    await until(there, "the call to be written")
    await one.stop()


async def test_the_accounts_are_kept_on_a_cluster(valkey_cluster: ValkeyCluster) -> None:
    valkey_cluster.flush()
    redis = await connect(valkey_cluster.url)
    one = accounts(redis)
    await put(one, CALL, replace(CALL, agent="bob"))
    assert (await read(one, hours=5))[()].calls == 2
    await redis.aclose()
