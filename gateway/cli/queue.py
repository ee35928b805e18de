"""`gateway queue`: who waits, for what, and for how long still; and what operators do about it."""

from typing import Annotated, Any, TypeAlias

import typer

from gateway.domain.call import Priority

from .completing import names_of
from .confirming import confirm, tell_dry_run, will_be
from .failing import ExitCode, Failure
from .items import place
from .nouns import noun
from .options import AsJson, Config, DryRun, GatewayUrl, Yes, read_duration
from .output import emit, emit_json, emit_table, say

app = noun("Who waits, for what, and for how long still; and what to do about it.")

_HEADINGS = ("LANE", "PLACE", "REQUEST", "AGENT", "PRIORITY", "WAITED", "EXPECTED", "WAITS FOR")
_COME_BACK = "30s"

Lane: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--lane", metavar="NAME", help="Only this lane.", autocompletion=names_of("lanes")
    ),
]
Agent: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--agent",
        "-a",
        metavar="NAME",
        help="Only this agent's calls.",
        autocompletion=names_of("agents"),
    ),
]
RequestId: TypeAlias = Annotated[
    str,
    typer.Argument(
        metavar="REQUEST_ID",
        help="Which waiting call.",
        autocompletion=names_of("queue", "request_id"),
    ),
]


@app.command("list")
def list_(
    lane: Lane = None,
    agent: Agent = None,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """List the calls that wait, in the order in which they will go."""
    from .admin_access import admin_api

    waiting = admin_api(config, url).all("queue", lane=lane, agent=agent)
    if as_json:
        emit_json(waiting)
    elif waiting:
        emit_table(_HEADINGS, (_row(call) for call in waiting))
    else:
        say("Nobody waits.")


@app.command()
def move(
    request_id: RequestId,
    priority: Annotated[Priority, typer.Option("--priority", help="Its priority from now on.")],
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Let a waiting call wait with another priority."""
    from .admin_access import admin_api

    path, dry = place("queue", request_id), "true" if dry_run else None
    moved = admin_api(config, url).change(
        "PATCH", path, {"priority": priority.value}, dry_run=dry
    )  # fmt: skip
    if as_json:
        emit_json(moved)
    else:
        emit(f"{request_id} is {moved['priority']}, place {moved['position']} of {moved['lane']}.")
    tell_dry_run(dry_run=dry_run)


@app.command()
def cancel(
    request_id: RequestId,
    yes: Yes = False,
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Refuse a waiting call for good: its client gets 403 and does not try again."""
    from .admin_access import admin_api

    api = admin_api(config, url)
    confirm(f"Refuse {request_id} for good?", yes=yes or dry_run)
    api.change("DELETE", place("queue", request_id), dry_run="true" if dry_run else None)
    if as_json:
        emit_json({"cancelled": request_id})
    else:
        emit(f"{request_id} {will_be(dry_run=dry_run)} refused.")
    tell_dry_run(dry_run=dry_run)


@app.command()
def drain(  # noqa: PLR0913, PLR0917 - options of a command
    lane: Lane = None,
    agent: Agent = None,
    come_back: Annotated[
        float,
        typer.Option(
            "--retry-after",
            parser=read_duration,
            metavar="TIME",
            help="When clients are told to come back.",
        ),
    ] = _COME_BACK,  # type: ignore[assignment]  # typer parses defaults, too
    yes: Yes = False,
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Refuse all that waits in a lane or of an agent; later calls wait as usual."""
    from .admin_access import admin_api

    if lane is None and agent is None:
        raise Failure("say what to drain: --lane or --agent, or both.", ExitCode.USAGE)
    api = admin_api(config, url)
    query = {"lane": lane, "agent": agent, "retry_after_s": max(1, round(come_back))}
    if not (yes or dry_run):
        count = api.change("POST", "queue:drain", **query, dry_run="true")["refused"]
        confirm(f"Refuse {count} waiting call{'' if count == 1 else 's'}?", yes=yes)
    drained = api.change("POST", "queue:drain", **query, dry_run="true" if dry_run else None)
    if as_json:
        emit_json(drained)
    else:
        count = drained["refused"]
        verb = will_be(dry_run=dry_run, many=count != 1)
        emit(f"{count} waiting call{'' if count == 1 else 's'} {verb} refused.")
    tell_dry_run(dry_run=dry_run)


def _row(call: Any) -> tuple[str, ...]:
    from .wording import limit_in_words, seconds

    bound = call["bound"]
    return (
        call["lane"],
        str(call["position"]),
        call["request_id"],
        call["agent"],
        call["priority"],
        seconds(call["waited_s"]),
        seconds(call["eta_s"]),
        "its turn" if bound is None else limit_in_words(**bound),
    )
