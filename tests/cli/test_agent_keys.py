"""Keys that this machine keeps."""

import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.cli.agent_keys import first_key, key_file, key_of, read_key, replace_kept, write_key
from gateway.cli.failing import Failure
from gateway.cli.key_names import public_part
from gateway.config import Settings, StateSettings, simulated_settings
from gateway.store.connection import Client, connect
from gateway.store.keys import KeyStore, digest_of
from gateway.wiring.clock import SystemClock


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return simulated_settings("http://127.0.0.1:1", state=StateSettings(None, tmp_path / "var"))


@pytest.fixture
async def client(store_url: str) -> AsyncIterator[Client]:
    client = await connect(store_url)
    yield client
    await client.aclose()


async def test_a_key_is_made_once_kept_privately_and_stored_as_a_hash(
    settings: Settings, client: Client
) -> None:
    secret, made = await key_of("alice", settings, client)
    assert made
    assert await key_of("alice", settings, client) == (secret, False)
    path = key_file(settings.state.dir, "alice")
    assert path.read_text() == f"{secret}\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    [record] = await KeyStore(client, SystemClock()).all()
    assert record.digest == digest_of(secret)


async def test_a_store_that_was_emptied_gets_a_new_key(settings: Settings, client: Client) -> None:
    old, _ = await key_of("alice", settings, client)
    await client.flushall()
    new, made = await key_of("alice", settings, client)
    assert made
    assert new != old
    assert read_key(key_file(settings.state.dir, "alice")) == new


async def test_a_revoked_key_is_never_replaced_silently(settings: Settings, client: Client) -> None:
    secret, _ = await key_of("alice", settings, client)
    await KeyStore(client, SystemClock()).revoke(public_part(secret))
    with pytest.raises(Failure, match=r"was revoked.*delete .*alice\.key"):
        await key_of("alice", settings, client)


async def test_an_expired_key_is_never_replaced_silently(
    settings: Settings, client: Client
) -> None:
    secret, _ = await key_of("alice", settings, client)
    await KeyStore(client, SystemClock()).expire(public_part(secret), in_s=0)
    with pytest.raises(Failure, match="has expired"):
        await key_of("alice", settings, client)


async def test_the_first_start_makes_the_default_agent(settings: Settings, client: Client) -> None:
    path = await first_key(settings, client)
    assert path == key_file(settings.state.dir, "default")
    assert await first_key(settings, client) == path
    assert len(await KeyStore(client, SystemClock()).all()) == 1


async def test_there_is_no_default_agent_where_anybody_has_a_key(
    settings: Settings, client: Client
) -> None:
    assert await first_key(replace(settings, agent_keys={"bob": "k" * 16}), client) is None
    await KeyStore(client, SystemClock()).create("carol")
    assert await first_key(settings, client) is None


async def test_a_kept_key_follows_its_rotation(settings: Settings, client: Client) -> None:
    secret, _ = await key_of("alice", settings, client)
    assert replace_kept(settings, "another", "alice", "gw-new-secret") is None
    kept = replace_kept(settings, public_part(secret), "alice", "gw-new-secret")
    assert kept == key_file(settings.state.dir, "alice")
    assert read_key(kept) == "gw-new-secret"


def test_an_empty_key_file_is_an_error_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "agents" / "alice.key"
    write_key(path, "")
    with pytest.raises(Failure, match=r"is empty\. Delete it"):
        read_key(path)
