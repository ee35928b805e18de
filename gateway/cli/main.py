"""The command `gateway`.

Each command lives in a module of its own, named like it, with a `typer.Typer` called `app`. A
module is imported when its command is run or listed, and imports what is heavy inside its
functions, so that `gateway --help` and `gateway check` start fast.
"""

import importlib
import importlib.util
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gateway import __version__

from .failing import ExitCode, Failure

COMMANDS = (
    "serve",
    "demo",
    "run",
    "top",
    "why",
    "agents",
    "teams",
    "lanes",
    "queue",
    "breakers",
    "routes",
    "usage",
    "plan",
    "keys",
    "tokens",
    "providers",
    "config",
    "audit",
    "check",
    "simulate",
)
"""In the order of the help page."""


class LazyCommands(TyperGroup):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: Any) -> list[str]:
        """The commands that are there."""
        del ctx
        return [name for name in COMMANDS if importlib.util.find_spec(_module(name))]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """A command by its name."""
        if cmd_name not in self.list_commands(ctx):
            return None
        command = typer.main.get_command(importlib.import_module(_module(cmd_name)).app)
        command.name = cmd_name
        return command


def _module(command: str) -> str:
    return f"gateway.cli.{command}"


app = typer.Typer(
    cls=LazyCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"agent-gateway {__version__}")
        raise typer.Exit


@app.callback()
def gateway(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """A gateway between fleets of AI agents and Claude, OpenAI and Gemini."""
    del version


def main() -> int:
    """Run the command line; the exit code if it returns."""
    try:
        app(prog_name="gateway")
    except Failure as failure:
        prefix = "" if failure.code is ExitCode.CONFIGURATION else "gateway: "
        print(f"{prefix}{failure}", file=sys.stderr)  # faults start with their place, for editors
        return failure.code
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    return ExitCode.OK
