"""`gateway serve`: the gateway."""

import asyncio
import errno
import logging
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gateway import __version__

from .failing import ExitCode, Failure
from .options import Config, read_address
from .output import emit_json, say

if TYPE_CHECKING:
    from collections.abc import Callable

    from gateway.config import Settings
    from gateway.config.source import Source

_log = logging.getLogger("gateway")

app = typer.Typer(add_completion=False)


@app.command()
def serve(
    config: Config = None,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Against simulated providers, with modest limits."),
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, max=256, help="Processes.")
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", "-l", metavar="HOST:PORT", help="Port 0 picks one.")
    ] = None,
    simulator_listen: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="With --simulate.")
    ] = "127.0.0.1:0",
    as_json: Annotated[
        bool, typer.Option("--json", help="Say as one line of JSON when it is ready.")
    ] = False,
) -> None:
    """Serve until told to stop.

    Ctrl-C or SIGTERM stops it gracefully: calls in flight may finish within
    server.shutdown_grace. A second one cuts them. Standard output has the access log, standard
    error everything else.
    """
    from gateway.config import read_environment
    from gateway.config.simulated import with_simulator_keys
    from gateway.config.source import Source

    from .configured import configured
    from .simulated_providers import simulated

    environment = read_environment()
    settings = configured(config, with_simulator_keys(environment) if simulate else environment)
    settings = _overridden(settings, workers, listen)
    for note in settings.notes:
        say(f"Note: {note}")
    with ExitStack() as stack:
        simulator_url = None
        if simulate:
            settings = stack.enter_context(simulated(settings, simulator_listen))
            simulator_url = _simulator(settings)
        file = None if settings.file is None else Path(settings.file)
        _serve(settings, Source(file, Path.cwd(), simulator_url), as_json=as_json)


def _overridden(settings: "Settings", workers: int | None, listen: str | None) -> "Settings":
    if workers is not None:
        settings = replace(settings, server=replace(settings.server, workers=workers))
    if listen is not None:
        settings = replace(settings, listen=read_address(listen))
    return settings


def _serve(settings: "Settings", source: "Source", *, as_json: bool) -> None:
    from gateway.store.embedded import EmbeddedValkeyError
    from gateway.store.state_dir import StateDirError, make_private
    from gateway.wiring.logs import log_to_stderr
    from gateway.wiring.serving import CutShort
    from gateway.wiring.serving import serve as serve_until_told
    from gateway.wiring.tracing import ExtraMissing, demand_otel

    from .whereabouts import leaving_address

    log_to_stderr(settings.logging.level)
    ready: list[str] = []
    try:
        demand_otel(settings.tracing)
        make_private(settings.state.dir)
        _demand_store(settings)
        with leaving_address(settings.state.dir) as leave:
            prepared: list[Prepared | None] = []
            announce = _announcer(settings, leave, prepared, source.simulator_url, as_json=as_json)

            def when_ready(url: str) -> None:
                ready.append(url)
                announce(url)

            def prepare() -> None:
                prepared.append(_prepared(settings))

            serve_until_told(settings, when_ready, source=source, prepare=prepare)
    except (ExtraMissing, StateDirError, EmbeddedValkeyError) as error:
        raise Failure(str(error)) from None
    except CutShort:
        say("gateway: stopped at once; calls that were still running were cut.")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    except OSError as error:
        raise Failure(_why_not_bound(error, settings)) from None
    except SystemExit:  # so the server reports a start that failed; its code means nothing here
        ready.clear()
    if not ready:
        raise Failure("the gateway did not start; the messages above say why.")


def _demand_store(settings: "Settings") -> None:
    """Try the configured store before anything else starts.

    Raises:
        Failure: It cannot be used.
    """
    if settings.state.url is None:
        return

    from .store_access import open_store

    async def reach() -> None:
        async with open_store(settings):
            pass

    asyncio.run(reach())


def _why_not_bound(error: OSError, settings: "Settings") -> str:
    listen = settings.listen
    remedy = "Choose another address with --listen, or listen: in the configuration."
    match error.errno:
        case errno.EADDRINUSE:
            return f"{listen} is in use by another program. Stop that one. {remedy}"
        case errno.EACCES:
            return f"{listen} may not be used: ports below 1024 need privileges. {remedy}"
        case errno.EADDRNOTAVAIL:
            return f"{listen.host} is not an address of this machine. {remedy}"
        case _:
            return f"cannot listen on {listen}: {error.strerror or error}. {remedy}"


@dataclass(frozen=True)
class Prepared:
    """What a first use needs, made before anything is served: every worker knows the first key.

    Attributes:
        admin_token: Where the admin token is, for a person to read.
        key_file: The first key's file, if there is one.
    """

    admin_token: str
    key_file: Path | None


def _prepared(settings: "Settings") -> Prepared | None:
    try:
        return Prepared(_admin_token_place(settings), _first_key(settings))
    except Exception as error:  # noqa: BLE001 - the gateway serves, whatever can be told about it
        _log.error("cannot prepare the first use: %s", error)
        return None


def _announcer(
    settings: "Settings",
    leave: "Callable[[str], None]",
    prepared: "list[Prepared | None]",
    simulator_url: str | None,
    *,
    as_json: bool,
) -> "Callable[[str], None]":
    """What is done once calls can be served; it runs beside the server, in a thread."""
    from .agent_keys import DEFAULT_AGENT
    from .recipes import Ready, told
    from .whereabouts import callable_url

    def announce(url: str) -> None:
        try:
            url = callable_url(url)
            leave(url)
        except Exception as error:  # noqa: BLE001 - the gateway serves, whatever is told about it
            _log.error("cannot leave the address for other commands: %s", error)
            return
        first = prepared[-1]
        if first is None:
            return
        ready = Ready(
            version=__version__,
            url=url,
            admin_token=first.admin_token,
            key_file=first.key_file,
            agent=DEFAULT_AGENT,
            simulator=simulator_url,
        )
        if as_json:
            emit_json(ready.plain(), indent=None)
        else:
            say(told(ready))

    return announce


def _admin_token_place(settings: "Settings") -> str:
    from gateway.store.secrets import admin_token, admin_token_path

    if settings.admin_token is not None:
        return f"admin.token in {settings.file}"
    admin_token(settings.state.dir)
    return str(admin_token_path(settings.state.dir).resolve())


def _first_key(settings: "Settings") -> Path | None:
    from .agent_keys import first_key
    from .store_access import open_store

    async def make() -> Path | None:
        async with open_store(settings) as client:
            return await first_key(settings, client)

    path = asyncio.run(make())
    return None if path is None else path.resolve()


def _simulator(settings: "Settings") -> str:
    provider = next(iter(settings.topology.providers.values()))
    return provider.base_url.removesuffix("/v1")
