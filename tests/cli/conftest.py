"""Folders, gateways and the command itself for the tests of the commands."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest

from gateway.cli.main import main
from tests.cli.gateway_command import SETTLED, Outcome, Running, running, unwanted
from tests.fixtures.valkey import short_directory

Command = Callable[..., Outcome]


@pytest.fixture
def folder() -> Iterator[Path]:
    """An empty working folder whose path leaves room for a socket's name."""
    with short_directory() as path:
        yield path


@pytest.fixture
def command(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Command:
    """The command in this process and in `folder`: as `gateway_command.gateway`, but at once."""
    monkeypatch.chdir(folder)
    for name in unwanted():
        monkeypatch.delenv(name)

    def run(*arguments: str, env: dict[str, str] | None = None) -> Outcome:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["gateway", *arguments])
            for name, value in {**SETTLED, **(env or {})}.items():
                patch.setenv(name, value)
            capfd.readouterr()
            try:
                code = main()
            except SystemExit as exit_:
                code = exit_.code if isinstance(exit_.code, int) else 0
            out, err = capfd.readouterr()
        return Outcome(int(code), out, err)

    return run


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
