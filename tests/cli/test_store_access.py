"""Reaching the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.cli.failing import ExitCode, Failure
from gateway.cli.store_access import open_store, running_store
from gateway.config import Settings, StateSettings, simulated_settings
from gateway.store.embedded import EmbeddedValkey
from gateway.store.state_dir import locked
from tests.fixtures.valkey import ValkeyProcess, short_directory


@pytest.fixture
def state_dir() -> Iterator[Path]:
    with short_directory() as path:
        yield path / "var"


def at(url: str | None, state_dir: Path) -> Settings:
    return simulated_settings("http://127.0.0.1:1", state=StateSettings(url, state_dir))


async def test_a_configured_server_is_used(store_url: str, state_dir: Path) -> None:
    async with open_store(at(store_url, state_dir)) as client:
        assert await client.ping()


async def test_a_running_gateways_store_is_shared(state_dir: Path) -> None:
    assert await running_store(state_dir) is None
    async with EmbeddedValkey(state_dir) as store:
        assert await running_store(state_dir) == store.url
        async with open_store(at(None, state_dir)) as client:
            await client.set("left", "by the command")
        assert await running_store(state_dir) == store.url


async def test_without_a_gateway_the_store_runs_for_the_moment_and_keeps_its_data(
    state_dir: Path,
) -> None:
    async with open_store(at(None, state_dir)) as client:
        await client.set("kept", "1")
    assert await running_store(state_dir) is None
    async with open_store(at(None, state_dir)) as client:
        assert await client.get("kept") == b"1"


async def test_a_directory_that_somebody_holds_without_answering_is_told(state_dir: Path) -> None:
    (state_dir / "valkey").mkdir(parents=True)
    with locked(state_dir / "valkey", "var"), pytest.raises(Failure, match="in use by another"):
        async with open_store(at(None, state_dir)):
            pass


async def test_a_server_that_is_gone_is_unreachable(
    own_valkey: ValkeyProcess, state_dir: Path
) -> None:
    own_valkey.stop()
    with pytest.raises(Failure, match="cannot be reached") as caught:
        async with open_store(at(own_valkey.url, state_dir)):
            pass
    assert caught.value.code is ExitCode.UNREACHABLE
