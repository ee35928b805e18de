"""The command as a whole: help, version, completion, exit codes, a fast start."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway import __version__
from gateway.cli.main import COMMANDS, LazyCommands
from tests.cli.conftest import Command
from tests.cli.gateway_command import environment, gateway

HEAVY = ("redis", "uvicorn", "httpx2", "fastapi", "prometheus_client", "gateway.simulator.server")


def test_the_help_page_names_every_command(command: Command) -> None:
    page = command("--help")
    assert page.code == 0
    for name in ("serve", "run", "keys", "check", "simulate"):
        assert f" {name} " in page.out


def test_a_command_that_is_not_there_is_not_listed() -> None:
    assert LazyCommands().get_command(None, "nonsense") is None
    assert set(LazyCommands().list_commands(None)) <= set(COMMANDS)


def test_the_version_is_told(folder: Path) -> None:
    assert gateway("--version", folder=folder).out == f"agent-gateway {__version__}\n"


def test_python_dash_m_is_the_same_command(folder: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"],
        cwd=folder, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == f"agent-gateway {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [("nonsense",), ("serve", "--nonsense"), ("keys", "create"), ("run", "--", "true"), ("keys", "expire", "x")],
)  # fmt: skip
def test_wrong_usage_exits_with_2_and_says_so_on_standard_error(
    arguments: tuple[str, ...], command: Command
) -> None:
    told = command(*arguments)
    assert (told.code, told.out) == (2, "")
    assert "Usage: gateway" in told.err


def test_the_shell_completes_commands(folder: Path) -> None:
    told = gateway(
        folder=folder,
        env={"_GATEWAY_COMPLETE": "complete_bash", "COMP_WORDS": "gateway che", "COMP_CWORD": "1"},
    )
    assert told.out.split() == ["check"]


@pytest.mark.parametrize(
    ("arguments", "heavy"),
    [
        (["--help"], (*HEAVY, "gateway.config", "gateway.store")),
        (["check", "--json"], HEAVY),
        (["keys", "--help"], (*HEAVY, "gateway.config", "gateway.store")),
        (["agents", "raise", "--help"], (*HEAVY, "gateway.config", "gateway.store")),
    ],
)
def test_what_starts_often_imports_nothing_heavy(
    arguments: list[str], heavy: tuple[str, ...], folder: Path
) -> None:
    script = (
        "import sys\n"
        "from gateway.cli.main import main\n"
        f"sys.argv = ['gateway', *{arguments!r}]\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
    )
    told = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder, env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stderr.splitlines()[-1] == "[]"
