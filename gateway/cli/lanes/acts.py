"""What operators do to a lane without editing it: each acts at once, on all replicas."""

from enum import StrEnum
from typing import Annotated, Any, TypeAlias

import typer

from gateway.cli.completing import names_of
from gateway.cli.confirming import tell_dry_run
from gateway.cli.items import place
from gateway.cli.options import AsJson, Config, DryRun, GatewayUrl, read_duration
from gateway.cli.output import emit, emit_json

from .showing import blocked

NAME: TypeAlias = Annotated[
    str, typer.Argument(metavar="LANE", help="Which lane.", autocompletion=names_of("lanes"))
]


class Blockable(StrEnum):
    """Limits that can be blocked alone."""

    RPM = "rpm"
    ITPM = "itpm"
    OTPM = "otpm"
    TPM = "tpm"


def add_to(app: typer.Typer) -> None:
    """Add the verbs."""
    for verb in (pause, resume, block, unblock):
        app.command()(verb)


def pause(
    name: NAME, dry_run: DryRun = False, config: Config = None, url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Admit nothing more until it is resumed; what waits keeps its place, what runs goes on."""
    _act(name, "pause", None, config, url, dry_run=dry_run, as_json=as_json)


def resume(
    name: NAME, dry_run: DryRun = False, config: Config = None, url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """End a pause."""
    _act(name, "resume", None, config, url, dry_run=dry_run, as_json=as_json)


def block(
    name: NAME,
    for_: Annotated[
        float,
        typer.Option("--for", parser=read_duration, metavar="TIME", help="How long: 10m, 2h."),
    ],
    limits: Annotated[
        list[Blockable] | None,
        typer.Option("--limit", help="Only this limit, as a provider's 429 would. Repeatable."),
    ] = None,
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Stop a lane, or some of its limits, for a time, as a provider's 429 would."""
    wish = {"for_s": for_, "dimensions": [one.value for one in limits or ()]}
    _act(name, "block", wish, config, url, dry_run=dry_run, as_json=as_json)


def unblock(
    name: NAME, dry_run: DryRun = False, config: Config = None, url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """End all blocks of a lane, the provider's as well."""
    _act(name, "unblock", None, config, url, dry_run=dry_run, as_json=as_json)


def _act(
    name: str, verb: str, wish: Any, config: Any, url: Any, *, dry_run: bool, as_json: bool
) -> None:
    from gateway.cli.admin_access import admin_api

    lane = admin_api(config, url).change(
        "POST", place("lanes", name, f":{verb}"), wish, dry_run="true" if dry_run else None
    )
    if as_json:
        emit_json(lane)
    else:
        state = blocked(lane)
        emit(f"{name} is {'open' if state == '-' else _in_words(state)}.")
    tell_dry_run(dry_run=dry_run)


def _in_words(state: str) -> str:
    return state if state == "paused" else f"blocked: {state}"
