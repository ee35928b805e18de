"""`gateway run`: start any agent so that it goes through the gateway."""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from gateway.domain.call import Dialect, Priority

from .failing import ExitCode, Failure
from .options import Config, read_name
from .output import say

if TYPE_CHECKING:
    from gateway.config import Settings

_NOT_EXECUTABLE, _NOT_FOUND = 126, 127  # as shells have it

app = typer.Typer(add_completion=False)


@app.command(
    context_settings={"allow_interspersed_args": False},
    epilog="Example: gateway run --agent reviewer -- claude -p 'Review the last commit'",
)
def run(  # noqa: PLR0913, PLR0917 - one for each option of the command
    command: Annotated[
        list[str], typer.Argument(metavar="COMMAND...", help="What to start, after --.")
    ],
    agent: Annotated[
        str, typer.Option("--agent", "-a", parser=read_name, metavar="NAME", help="Who it is.")
    ],
    config: Config = None,
    url: Annotated[
        str | None,
        typer.Option("--url", metavar="URL", help="The gateway, if it is not the one from here."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="The agent's default model.")
    ] = None,
    priority: Annotated[
        Priority | None, typer.Option("--priority", help="Of all its calls.")
    ] = None,
    key_file: Annotated[
        Path | None,
        typer.Option("--key-file", metavar="FILE", help="Holds the agent's key; made elsewhere."),
    ] = None,
    anthropic_api_key: Annotated[
        bool,
        typer.Option(
            "--anthropic-api-key",
            help="Set ANTHROPIC_API_KEY and not ANTHROPIC_AUTH_TOKEN, for tools that read only "
            "that. Claude Code asks before it uses one.",
        ),
    ] = False,
) -> None:
    """Start COMMAND with the base URL and key variables of all SDKs and CLIs set.

    The agent's key is made at its first use and kept in the state directory. The command replaces
    this process: signals, terminal and exit code are its own.
    """
    from gateway.config import read_environment

    from . import codex, gemini_cli
    from .child_environment import Errand, child_environment
    from .configured import WHEREABOUTS, configured
    from .whereabouts import demand_ready, gateway_url

    environment = read_environment()
    settings = configured(config, environment, only=WHEREABOUTS)
    address = gateway_url(url, environment, settings)
    demand_ready(address)
    errand = Errand(
        url=address,
        key=_key(agent, settings, key_file),
        model=model,
        priority=priority,
        anthropic_api_key=anthropic_api_key,
        passthrough=_passthrough(settings),
    )
    if codex.is_codex(command):
        command = codex.with_overrides(command, errand)
    if gemini_cli.is_gemini_cli(command) and Dialect.GEMINI not in errand.passthrough:
        gemini_cli.demand_key_login(command, environment)
    _become(command, child_environment(environment, errand))


def _key(agent: str, settings: "Settings", key_file: Path | None) -> str:
    """The agent's key: from a file, the configuration, or kept here and made at first use."""
    from .agent_keys import key_file as kept_in
    from .agent_keys import read_key

    if key_file is not None:
        secret = read_key(key_file)
        if secret is None:
            raise Failure(f"there is no file {key_file}. Write the agent's key into it.")
        return secret
    if agent in settings.agent_keys:
        return settings.agent_keys[agent]
    try:
        secret, made = asyncio.run(_kept(agent, settings))
    except Failure as failure:
        if failure.code is not ExitCode.UNREACHABLE:
            raise
        raise Failure(
            f"{failure}\nThe key of agent {agent} can be made only where the store is: make it "
            f"there with gateway keys create {agent}, and name a file that holds it: --key-file.",
            failure.code,
        ) from None
    if made:
        say(f"gateway: made a key for agent {agent}, kept in {kept_in(settings.state.dir, agent)}")
    return secret


async def _kept(agent: str, settings: "Settings") -> tuple[str, bool]:
    from redis.exceptions import RedisError

    from .agent_keys import key_of
    from .store_access import open_store

    try:
        async with open_store(settings) as client:
            return await key_of(agent, settings, client)
    except RedisError as error:
        raise Failure(f"the store failed: {error}.", ExitCode.UNREACHABLE) from None


def _passthrough(settings: "Settings") -> frozenset[Dialect]:
    """Dialects whose default provider (the first that speaks it) takes the caller's credential."""
    first: dict[Dialect, bool] = {}
    for provider in settings.topology.providers.values():
        first.setdefault(provider.dialect, provider.passthrough)
    return frozenset(dialect for dialect, passthrough in first.items() if passthrough)


def _become(command: list[str], environment: Mapping[str, str]) -> NoReturn:
    """Replace this process.

    Raises:
        typer.Exit: The command cannot be started; 126 or 127 as from a shell.
    """
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606 - to run it is the purpose
    except FileNotFoundError:
        say(f"gateway: there is no command {command[0]}. Is it installed, and in the PATH?")
        raise typer.Exit(_NOT_FOUND) from None
    except OSError as error:
        say(f"gateway: cannot start {command[0]}: {error.strerror}.")
        raise typer.Exit(_NOT_EXECUTABLE) from None
