"""Asking before what cannot be undone, and where verbs may be left out."""

import io
import sys
from typing import Any

import pytest
import typer
from typer.main import get_command

from gateway.cli.confirming import confirm
from gateway.cli.failing import ExitCode, Failure
from gateway.cli.nouns import noun


class Terminal(io.StringIO):
    """A person who has typed already."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("typed", ["y\n", "YES\n"])
def test_a_yes_is_enough(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    confirm("Delete it?", yes=False)


@pytest.mark.parametrize("typed", ["n\n", "\n", "", "perhaps\n"])
def test_all_else_is_a_no(typed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    with pytest.raises(Failure, match="nothing was changed") as told:
        confirm("Delete it?", yes=False)
    assert told.value.code is ExitCode.FAILED


def test_where_nobody_can_be_asked_the_option_is_demanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
    confirm("Delete it?", yes=True)
    with pytest.raises(Failure, match="add --yes") as told:
        confirm("Delete it?", yes=False)
    assert told.value.code is ExitCode.USAGE


@pytest.mark.parametrize(
    ("arguments", "did"),
    [
        ([], "list -"),
        (["--loud"], "list - loud"),
        (["sonnet"], "list sonnet"),
        (["pause", "sonnet"], "pause sonnet"),
        (["list", "pause"], "list pause"),
    ],
)
def test_a_noun_alone_lists(arguments: list[str], did: str) -> None:
    app, done = noun("Things."), []

    @app.command("list")
    def list_(name: str = typer.Argument("-"), loud: bool = False) -> None:
        done.append(f"list {name}{' loud' if loud else ''}")

    @app.command()
    def pause(name: str) -> None:
        done.append(f"pause {name}")

    command: Any = get_command(app)
    command(arguments, standalone_mode=False)
    assert done == [did]
