import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import redis.exceptions

from gateway.domain.topology import Agent, Topology
from gateway.ports import Directory, Identity
from gateway.store.connection import Client, connect
from gateway.store.directory import CachedDirectory, Refreshing
from gateway.store.keys import CHANGED, KEYS, KeyStore
from tests.fixtures.valkey import ValkeyProcess
from tests.store.clock import SetClock

_CONFIGURED = Topology(
    providers={}, lanes={}, teams={}, agents={"reviewer": Agent("reviewer", weight=3.0)}
)
_SECRET = "a-secret-from-the-file"
_NEVER_BY_ITSELF = Refreshing(resync_s=3600)


async def until(done: Callable[[], bool], within_s: float = 1.0) -> None:
    """Poll for what design.md promises within one second."""
    async with asyncio.timeout(within_s):
        while not done():  # noqa: ASYNC110 - what is waited for happens in a server
            await asyncio.sleep(0.005)


@asynccontextmanager
async def client_of(url: str, command_timeout_s: float = 2.0) -> AsyncIterator[Client]:
    client = await connect(url, command_timeout_s=command_timeout_s)
    try:
        yield client
    finally:
        await client.aclose()


def directory_on(
    client: Client, clock: SetClock | None = None, refreshing: Refreshing = _NEVER_BY_ITSELF
) -> CachedDirectory:
    return CachedDirectory(
        client, _CONFIGURED, {"reviewer": _SECRET}, clock or SetClock(), refreshing
    )


async def test_it_is_a_directory(store: Client) -> None:
    async with directory_on(store) as directory:
        port: Directory = directory
        assert port.identify("unknown") is None
        assert port.topology == _CONFIGURED


async def test_a_key_from_the_file_is_known_and_not_stored(store: Client) -> None:
    async with directory_on(store) as directory:
        assert directory.identify(_SECRET) == Identity("reviewer", "config-reviewer")
    assert await store.hlen(KEYS) == 0


async def test_a_key_made_earlier_is_known_from_the_start(store: Client) -> None:
    new = await KeyStore(store, SetClock()).create("reviewer")
    async with directory_on(store) as directory:
        assert directory.identify(new.secret) == Identity("reviewer", new.record.public_id)
        for changed in (new.secret + "x", new.secret[:-1], new.secret.upper(), "\ud800", ""):
            assert directory.identify(changed) is None


async def test_a_new_key_acts_everywhere_within_a_second(store_url: str) -> None:
    async with client_of(store_url) as one, client_of(store_url) as two:
        keys = KeyStore(one, SetClock())
        async with directory_on(one) as here, directory_on(two) as there:
            new = await keys.create("newcomer")
            await until(lambda: None not in {here.identify(new.secret), there.identify(new.secret)})
            assert there.topology.agents["newcomer"] == Agent("newcomer")
            assert there.topology.agents["reviewer"].weight == 3.0


async def test_a_revocation_acts_everywhere_within_a_second(store_url: str) -> None:
    async with client_of(store_url) as one, client_of(store_url) as two:
        keys = KeyStore(one, SetClock())
        new = await keys.create("newcomer")
        async with directory_on(two) as there:
            assert there.identify(new.secret) is not None
            await keys.revoke(new.record.public_id)
            await until(lambda: there.identify(new.secret) is None)
            assert "newcomer" not in there.topology.agents


async def test_a_key_expires_without_being_told(store: Client) -> None:
    clock = SetClock()
    new = await KeyStore(store, clock).create("reviewer", expires_in_s=10)
    async with directory_on(store, clock) as directory:
        assert directory.identify(new.secret) is not None
        clock.now_s += 10
        assert directory.identify(new.secret) is None


async def test_both_keys_work_during_a_rotation(store: Client) -> None:
    clock = SetClock()
    keys = KeyStore(store, clock)
    old = await keys.create("reviewer")
    async with directory_on(store, clock) as directory:
        new = await keys.rotate(old.record.public_id, overlap_s=10)
        await until(lambda: directory.identify(new.secret) is not None)
        assert directory.identify(old.secret) is not None
        clock.now_s += 10
        await until(lambda: directory.identify(old.secret) is None)
        assert directory.identify(new.secret) is not None


async def test_a_change_that_was_never_announced_is_found_by_the_safety_net(store: Client) -> None:
    new = await KeyStore(store, SetClock()).create("reviewer")
    async with directory_on(store, refreshing=Refreshing(resync_s=0.05)) as directory:
        await store.delete(KEYS)
        await until(lambda: directory.identify(new.secret) is None)


async def test_last_use_is_stored(store: Client) -> None:
    clock = SetClock()
    keys = KeyStore(store, clock)
    new = await keys.create("reviewer")
    async with directory_on(store, clock) as directory:
        directory.identify(new.secret)
        await directory.reload()
    assert [key.last_used_s for key in await keys.all()] == [clock.now_s]


async def test_known_keys_work_while_the_store_is_gone_and_changes_are_caught_up_with(
    own_valkey: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with client_of(own_valkey.url) as client, directory_on(client) as directory:
        new = await KeyStore(client, SetClock()).create("newcomer")
        await until(lambda: directory.identify(new.secret) is not None)
        own_valkey.kill()
        await until(lambda: "cannot be reached" in caplog.text)
        assert directory.identify(new.secret) is not None
        own_valkey.start()  # empty: it kept nothing
        await until(lambda: directory.identify(new.secret) is None, within_s=2.0)
        await until(lambda: "store is back" in caplog.text)
        assert caplog.text.count("cannot be reached") == 1
        again = await KeyStore(client, SetClock()).create("newcomer")
        await until(lambda: directory.identify(again.secret) is not None)


async def test_a_channel_that_falls_silent_is_opened_again(
    own_valkey: ValkeyProcess, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    refreshing = Refreshing(resync_s=3600, silence_s=0.05)
    async with (
        client_of(own_valkey.url, command_timeout_s=0.1) as client,
        directory_on(client, refreshing=refreshing) as directory,
    ):
        own_valkey.pause()
        await until(lambda: "cannot be reached" in caplog.text)
        own_valkey.resume()
        await until(lambda: "store is back" in caplog.text, within_s=3.0)
        new = await KeyStore(client, SetClock()).create("reviewer")
        await until(lambda: directory.identify(new.secret) is not None)


async def test_a_quiet_channel_that_answers_pings_stays_open(store: Client) -> None:
    refreshing = Refreshing(resync_s=3600, silence_s=0.02)
    async with directory_on(store, refreshing=refreshing):
        for _ in range(2):
            subscribers = await store.pubsub_numsub(CHANGED)
            connections = {
                entry["id"] for entry in await store.client_list() if entry["sub"] == "1"
            }
            await asyncio.sleep(0.1)  # several silences long: the thing under test
        assert subscribers == [(CHANGED.encode(), 1)]
        assert connections == {
            entry["id"] for entry in await store.client_list() if entry["sub"] == "1"
        }


async def test_the_store_must_be_there_at_the_start(own_valkey: ValkeyProcess) -> None:
    async with client_of(own_valkey.url) as client:
        own_valkey.kill()
        with pytest.raises(redis.exceptions.ConnectionError):
            async with directory_on(client):
                pass


async def test_an_error_in_the_body_comes_through_as_it_is(store: Client) -> None:
    with pytest.raises(ZeroDivisionError):
        async with directory_on(store):
            raise ZeroDivisionError


async def test_it_works_on_a_cluster(cluster_url: str) -> None:
    async with client_of(cluster_url) as one, client_of(cluster_url) as two:
        keys = KeyStore(one, SetClock())
        async with directory_on(two) as there:
            new = await keys.create("newcomer")
            await until(lambda: there.identify(new.secret) is not None)
            await keys.revoke(new.record.public_id)
            await until(lambda: there.identify(new.secret) is None)
