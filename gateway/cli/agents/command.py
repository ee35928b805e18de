"""List agents, show one, change one."""

from typing import Annotated, Any, TypeAlias

import typer

from gateway.cli.amounts import (
    Concurrency,
    Mode,
    Rpm,
    Settings,
    Tpm,
    UsdPerDay,
    UsdPerMonth,
    merged,
    settings_of,
    written,
)
from gateway.cli.completing import names_of
from gateway.cli.failing import Failure
from gateway.cli.items import add_ends, edit, place, tell_edit
from gateway.cli.nouns import noun
from gateway.cli.options import AsJson, Config, DryRun, GatewayUrl, read_name
from gateway.cli.output import emit_json, emit_table, say
from gateway.domain.call import Priority

from .showing import HEADINGS, row, show_one

app = noun("Who calls, within which budget, and what is used of it.")

NAME: TypeAlias = Annotated[
    str,
    typer.Argument(metavar="AGENT", help="Its name.", autocompletion=names_of("agents")),
]


@app.command("list")
def list_(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[AGENT]",
            help="Show one, or those that match a pattern.",
            autocompletion=names_of("agents"),
        ),
    ] = None,
    team: Annotated[
        str | None,
        typer.Option(
            "--team", metavar="NAME", help="Only of this team.", autocompletion=names_of("teams")
        ),
    ] = None,
    priority: Annotated[
        Priority | None, typer.Option("--priority", help="Only with this default.")
    ] = None,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """List agents: limits in force, what is used of them, and where they come from."""
    from gateway.cli.admin_access import admin_api

    if name is not None and not set(name) & set("*?["):
        show(name, config, url, as_json)
        return
    api = admin_api(config, url)
    found = api.all("agents", name=name, team=team, priority=priority)
    if as_json:
        emit_json(found)
    elif found:
        emit_table(HEADINGS, (row(one) for one in found))
    else:
        say("There is no such agent." if name or team or priority else "There are no agents yet.")


@app.command()
def show(
    name: NAME, config: Config = None, url: GatewayUrl = None, as_json: AsJson = False
) -> None:
    """Show one agent: each limit with what is used and left, and who set it."""
    from gateway.cli.admin_access import admin_api

    found = admin_api(config, url).find(place("agents", name))
    if found is None:
        raise Failure(f"there is no agent {name}, or it has not called yet.")
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
            metavar="AGENT",
            help="One that is not there is made.",
            autocompletion=names_of("agents"),
        ),
    ],
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    usd_per_day: UsdPerDay = None,
    usd_per_month: UsdPerMonth = None,
    mode: Mode = None,
    priority: Annotated[
        Priority | None, typer.Option("--priority", help="Of its calls that name none.")
    ] = None,
    weight: Annotated[
        float | None, typer.Option("--weight", metavar="N", help="Its share of a full lane.")
    ] = None,
    team: Annotated[
        str | None,
        typer.Option(
            "--team", metavar="NAME", help="none: no team.", autocompletion=names_of("teams")
        ),
    ] = None,
    models: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="PATTERN", help="What it may call. Repeatable."),
    ] = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change an agent's settings, everywhere within a second, until they are reset."""
    from gateway.cli.admin_access import admin_api

    patch: dict[str, Any] = {"priority": priority, "weight": weight, "models": models}
    patch = {key: value for key, value in patch.items() if value is not None}
    if team is not None:
        patch["team"] = None if team == "none" else team
    budget = written(
        rpm=rpm,
        tpm=tpm,
        concurrency=concurrency,
        usd_per_day=usd_per_day,
        usd_per_month=usd_per_month,
    )
    if mode is not None:
        budget["mode"] = mode.value
    if budget:
        patch["budget"] = budget
    edited = edit(
        admin_api(config, url), "agents", name, merged(patch, settings_of(settings)),
        dry_run=dry_run,
    )  # fmt: skip
    tell_edit(edited, "agents", dry_run=dry_run, as_json=as_json)


add_ends(app, "agents")
