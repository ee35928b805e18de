import re
from dataclasses import replace

import msgspec
import pytest

from gateway.store.connection import Client
from gateway.store.keys import KEYS, KeyStore, UnknownKey, digest_of
from tests.store.clock import SetClock


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def keys(store: Client, clock: SetClock) -> KeyStore:
    return KeyStore(store, clock)


async def test_a_key_has_a_public_part_and_160_random_bits(keys: KeyStore) -> None:
    new = await keys.create("reviewer")
    match = re.fullmatch(r"gw-([a-z2-7]{8})-([a-z2-7]{32})", new.secret)
    assert match
    assert match[1] == new.record.public_id
    assert (await keys.create("reviewer")).secret != new.secret


async def test_the_store_holds_only_a_hash(keys: KeyStore, store: Client) -> None:
    new = await keys.create("reviewer")
    secret = new.secret.rpartition("-")[2].encode()
    held = msgspec.msgpack.encode(await store.hgetall(KEYS))
    assert secret not in held
    assert digest_of(new.secret) in held
    assert new.secret not in repr(new)


async def test_a_stored_key_reads_as_it_was_made(keys: KeyStore) -> None:
    first = await keys.create("reviewer")
    second = await keys.create("writer", expires_in_s=60)
    assert await keys.all() == sorted(
        [first.record, second.record], key=lambda record: record.public_id
    )
    assert await keys.get(second.record.public_id) == second.record


@pytest.mark.parametrize("name", ["", "two words", "-x", "a/b", "x" * 65])
async def test_a_name_no_agent_may_have_is_refused(keys: KeyStore, name: str) -> None:
    with pytest.raises(ValueError, match="agent's name"):
        await keys.create(name)


async def test_revoking_is_for_good_and_keeps_the_first_time(
    keys: KeyStore, clock: SetClock
) -> None:
    key = (await keys.create("reviewer")).record
    revoked = await keys.revoke(key.public_id)
    clock.now_s += 5
    assert await keys.revoke(key.public_id) == revoked
    assert await keys.expire(key.public_id, in_s=None) == revoked
    assert await keys.get(key.public_id) == revoked
    assert not revoked.works_at(clock.now_s)


async def test_an_expiry_can_be_set_moved_and_lifted(keys: KeyStore, clock: SetClock) -> None:
    key = (await keys.create("reviewer", expires_in_s=10)).record
    assert key.works_at(clock.now_s + 9.9)
    assert not key.works_at(clock.now_s + 10)
    assert (await keys.expire(key.public_id, in_s=20)).expires_s == clock.now_s + 20
    assert await keys.get(key.public_id) == replace(key, expires_s=clock.now_s + 20)
    await keys.expire(key.public_id, in_s=None)
    assert await keys.get(key.public_id) == replace(key, expires_s=None)


async def test_rotating_lets_the_old_key_work_for_the_overlap(
    keys: KeyStore, clock: SetClock
) -> None:
    old = (await keys.create("reviewer")).record
    new = await keys.rotate(old.public_id, overlap_s=30)
    assert new.record.agent == "reviewer"
    assert await keys.get(old.public_id) == replace(old, expires_s=clock.now_s + 30)
    clock.now_s += 31
    with pytest.raises(ValueError, match="no longer works"):
        await keys.rotate(old.public_id, overlap_s=30)


async def test_rotating_never_lengthens_the_old_keys_life(keys: KeyStore) -> None:
    old = (await keys.create("reviewer", expires_in_s=5)).record
    await keys.rotate(old.public_id, overlap_s=30)
    assert await keys.get(old.public_id) == old


async def test_a_key_that_never_was_is_named(keys: KeyStore) -> None:
    assert await keys.get("nobody") is None
    for change in (
        keys.revoke("nobody"),
        keys.expire("nobody", in_s=1),
        keys.rotate("nobody", overlap_s=1),
    ):
        with pytest.raises(UnknownKey, match="nobody"):
            await change


async def test_a_record_that_makes_no_sense_is_skipped(
    keys: KeyStore, store: Client, caplog: pytest.LogCaptureFixture
) -> None:
    key = (await keys.create("reviewer")).record
    await store.hset(KEYS, "broken", b"\xc1")
    assert await keys.all() == [key]
    assert await keys.get("broken") is None
    assert "broken" in caplog.text


async def test_last_use_is_remembered(keys: KeyStore, clock: SetClock) -> None:
    key = (await keys.create("reviewer")).record
    await keys.note_used({})
    await keys.note_used({key.public_id: clock.now_s})
    assert await keys.get(key.public_id) == replace(key, last_used_s=clock.now_s)
