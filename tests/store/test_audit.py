"""The audit in a real store: appended to, never changed, trimmed by its retention alone."""

from collections.abc import AsyncIterator

import pytest

from gateway.domain.access import AuditEntry, AuditQuery, Json, Role
from gateway.ports import StillRunning, StoreSilent
from gateway.store.audit import STREAM, StoredAudit, encoded
from gateway.store.connection import Client, connect
from gateway.store.replays import StoredReplays
from gateway.store.tokens import TOKENS, StoredTokens
from tests.fixtures.valkey import ValkeyProcess

ALL = AuditQuery()


class Clock:
    """A clock that stands where it is put."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return self.now_s


def entry(number: int, actor: str = "ann") -> AuditEntry:
    after: Json = {"n": number, "list": [1, None], "text": "\N{SNOWMAN}"}
    return AuditEntry(
        1000.0 + number, actor, "admin", "127.0.0.1", "lanes.pause", f"lanes/{number}", None,
        after, f"adm_{number}",
    )  # fmt: skip


@pytest.fixture
async def redis(store_url: str) -> AsyncIterator[Client]:
    client = await connect(store_url)
    yield client
    await client.aclose()


async def test_entries_come_back_as_they_went_newest_first(redis: Client) -> None:
    audit = StoredAudit(redis, Clock())
    ids = [await audit.record(entry(n)) for n in range(5)]
    found = await audit.entries(ALL, limit=3)
    assert [one.request_id for one in found] == ["adm_4", "adm_3", "adm_2"]
    assert [one.entry_id for one in found] == [ids[4], ids[3], ids[2]]
    assert found[0].after == entry(4).after
    older = await audit.entries(ALL, limit=3, before=found[-1].entry_id)
    assert [one.request_id for one in older] == ["adm_1", "adm_0"]
    assert [one.request_id async for one in audit.export(ALL)] == [f"adm_{n}" for n in range(5)]


async def test_entries_are_found_behind_many_others(redis: Client) -> None:
    audit = StoredAudit(redis, Clock())
    await audit.record(entry(0, "eve"))
    async with redis.pipeline(transaction=False) as pipe:
        for n in range(1200):
            pipe.xadd(STREAM, {"entry": "not json" if n % 400 == 0 else '{"other": 1}'})
        await pipe.execute()
    wanted = AuditQuery(actor="eve")
    assert [one.actor for one in await audit.entries(wanted, limit=10)] == ["eve"]
    assert [one.actor async for one in audit.export(wanted)] == ["eve"]


async def test_times_narrow(redis: Client) -> None:
    audit = StoredAudit(redis, Clock())
    for second in (10, 20, 30):
        await redis.xadd(
            STREAM, {"entry": encoded(entry(second))}, id=f"{(1000 + second) * 1000}-0"
        )
    seen = await audit.entries(AuditQuery(since_s=1010, until_s=1030), limit=9)
    assert [one.request_id for one in seen] == ["adm_20", "adm_10"]
    exported = [one.request_id async for one in audit.export(AuditQuery(since_s=1020))]
    assert exported == ["adm_20", "adm_30"]


async def test_only_a_retention_lets_go(redis: Client) -> None:
    clock = Clock()
    for second in (10, 20):
        await redis.xadd(
            STREAM, {"entry": encoded(entry(second))}, id=f"{(1000 + second) * 1000}-0"
        )
    clock.now_s = 1e9
    assert len(await StoredAudit(redis, clock).entries(ALL, limit=9)) == 2
    clock.now_s = 1015 + 60
    await StoredAudit(redis, clock, keep_s=60).record(entry(30))
    kept = await StoredAudit(redis, clock).entries(ALL, limit=9)
    assert [one.request_id for one in kept] == ["adm_30", "adm_20"]


async def test_tokens_open_while_they_work(redis: Client) -> None:
    clock = Clock()
    tokens = StoredTokens(redis, clock)
    new = await tokens.create("night", Role.OPERATOR, expires_s=1060.0)
    assert new.secret.startswith(f"gwa-{new.token.token_id}-")
    assert new.secret.encode() not in (await redis.hget(TOKENS, new.token.token_id) or b"")
    assert await tokens.find(new.secret) == new.token
    assert list(await tokens.all()) == [new.token]
    for wrong in ("", "gwa-", f"{new.secret}x", new.secret[:-1], f"gwa-{new.token.token_id}-a"):
        assert await tokens.find(wrong) is None
    clock.now_s = 1060.0
    assert await tokens.find(new.secret) is None
    assert await tokens.delete(new.token.token_id) == new.token
    assert await tokens.delete(new.token.token_id) is None
    clock.now_s = 1000.0
    assert await tokens.find(new.secret) is None


async def test_a_record_that_makes_no_sense_opens_nothing(redis: Client) -> None:
    tokens = StoredTokens(redis, Clock())
    await redis.hset(TOKENS, "odd", "{}")
    assert await tokens.find("gwa-odd-secret") is None
    assert list(await tokens.all()) == []


async def test_an_answer_is_kept_for_who_repeats(redis: Client) -> None:
    replays = StoredReplays(redis)
    assert await replays.begin("k") is None
    with pytest.raises(StillRunning):
        await replays.begin("k")
    await replays.finish("k", b"answer")
    assert await replays.begin("k") == b"answer"
    assert await redis.pttl("gw:{main}:replay:k") > 80_000_000
    assert await replays.begin("l") is None
    await replays.abandon("l")
    assert await replays.begin("l") is None
    assert 0 < await redis.ttl("gw:{main}:replay:l") <= 60


async def test_a_store_that_is_gone_is_said(own_valkey: ValkeyProcess) -> None:
    client = await connect(own_valkey.url)
    own_valkey.kill()
    for work in (
        StoredAudit(client, Clock()).record(entry(1)),
        StoredAudit(client, Clock()).entries(ALL, limit=1),
        StoredTokens(client, Clock()).find("gwa-a-b"),
        StoredReplays(client).begin("k"),
    ):
        with pytest.raises(StoreSilent):
            await work
    await client.aclose()
