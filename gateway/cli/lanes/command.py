"""List lanes, show one, change one."""

from typing import Annotated, Any, TypeAlias

import typer

from gateway.cli.amounts import (
    Concurrency,
    Given,
    Rpm,
    Settings,
    Tpm,
    merged,
    read_count,
    settings_of,
    written,
)
from gateway.cli.completing import names_of
from gateway.cli.failing import Failure
from gateway.cli.items import add_ends, edit, place, tell_edit
from gateway.cli.nouns import noun
from gateway.cli.options import AsJson, Config, DryRun, GatewayUrl, read_name
from gateway.cli.output import emit_json, emit_table, say

from .showing import HEADINGS, row, show_one

app = noun("The providers' limits, how much of them is left, and what operators do to them.")

Itpm: TypeAlias = Annotated[
    Given | None,
    typer.Option("--itpm", parser=read_count, metavar="N", help="Input tokens a minute."),
]
Otpm: TypeAlias = Annotated[
    Given | None,
    typer.Option("--otpm", parser=read_count, metavar="N", help="Output tokens a minute."),
]


@app.command("list")
def list_(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[LANE]",
            help="Show one lane with all its figures.",
            autocompletion=names_of("lanes"),
        ),
    ] = None,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """List lanes with what is left of each limit, or show one."""
    from gateway.cli.admin_access import admin_api

    if name is not None:
        show(name, config, url, as_json)
        return
    every = admin_api(config, url).all("lanes")
    if as_json:
        emit_json(every)
    elif every:
        emit_table(HEADINGS, (row(lane) for lane in every))
    else:
        say("There are no lanes yet: none is configured, and nothing was called.")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="LANE", help="Its name.", autocompletion=names_of("lanes"))
    ],
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one lane: what is left, held and spent of each limit, blocks, and who set it."""
    from gateway.cli.admin_access import admin_api

    found = admin_api(config, url).find(place("lanes", name))
    if found is None:
        raise Failure(f"there is no lane {name}, or nothing has used it yet.")
    if as_json:
        emit_json(found)
    else:
        show_one(found)


@app.command("set")
def set_(  # noqa: PLR0913, PLR0917 - options of a command
    name: Annotated[
        str,
        typer.Argument(
            parser=read_name,
            metavar="LANE",
            help="One that is not configured is made.",
            autocompletion=names_of("lanes"),
        ),
    ],
    rpm: Rpm = None,
    itpm: Itpm = None,
    otpm: Otpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            metavar="NAME",
            help="Whose models.",
            autocompletion=names_of("providers"),
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="PATTERN", help="Which models share it. Repeatable."),
    ] = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change a lane's settings, everywhere within a second, until they are reset."""
    from gateway.cli.admin_access import admin_api

    patch: dict[str, Any] = {"provider": provider, "models": models}
    patch = {key: value for key, value in patch.items() if value is not None}
    limits = written(rpm=rpm, itpm=itpm, otpm=otpm, tpm=tpm, concurrency=concurrency)
    if limits:
        patch["limits"] = limits
    edited = edit(
        admin_api(config, url), "lanes", name, merged(patch, settings_of(settings)),
        dry_run=dry_run,
    )  # fmt: skip
    tell_edit(edited, "lanes", dry_run=dry_run, as_json=as_json)


add_ends(app, "lanes")
