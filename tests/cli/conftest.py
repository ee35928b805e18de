"""Folders and gateways for the tests of the commands."""

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

from tests.cli.gateway_command import Running, running
from tests.fixtures.valkey import short_directory


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty working folder whose path leaves room for a socket's name."""
    with short_directory() as path:
        yield path


@pytest.fixture(scope="module")
def served() -> Iterator[Running]:
    """A gateway before simulated providers, for all tests of a module."""
    with (
        short_directory() as path,
        running("serve", "--simulate", "--listen", "127.0.0.1:0", folder=path) as gateway,
    ):
        at_once = {"ttft_s": 0, "tokens_per_s": 0}
        httpx2.put(f"{gateway.ready['simulator']}/_sim/settings", json=at_once, trust_env=False)
        yield gateway
