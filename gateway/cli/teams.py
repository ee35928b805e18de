"""`gateway teams`: groups of agents with a common budget."""

from typing import Annotated, Any

import typer

from . import budget_tables
from .amounts import (
    Concurrency,
    Factors,
    Mode,
    Rpm,
    Settings,
    Tpm,
    UsdPerDay,
    UsdPerMonth,
    factors_of,
    merged,
    settings_of,
    written,
)
from .completing import names_of
from .failing import Failure
from .items import add_ends, edit, place, tell_edit
from .nouns import noun
from .options import AsJson, Config, DryRun, GatewayUrl, Yes, read_name
from .output import emit, emit_json, emit_table, say
from .temporary import add_temporary, adjust_budgets, changing, raise_budgets
from .windows import Days, For, From, Note, Until, Weekly, Zone, window_of

app = noun("Groups of agents with a common budget.")
_HEADINGS = ("TEAM", "AGENTS", *budget_tables.HEADINGS)


@app.command("list")
def list_(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[TEAM]", help="Show one.", autocompletion=names_of("teams")),
    ] = None,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """List teams: limits in force, what is used of them, and where they come from."""
    from .admin_access import admin_api

    if name is not None:
        show(name, config, url, as_json)
        return
    found = admin_api(config, url).all("teams")
    if as_json:
        emit_json(found)
    elif found:
        emit_table(_HEADINGS, (_row(one) for one in found))
    else:
        say("There are no teams.")


@app.command()
def show(
    name: Annotated[
        str, typer.Argument(metavar="TEAM", help="Its name.", autocompletion=names_of("teams"))
    ],
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Show one team: its members, and each limit with what is used and left."""
    from .admin_access import admin_api

    found = admin_api(config, url).find(place("teams", name))
    if found is None:
        raise Failure(f"there is no team {name}.")
    if as_json:
        emit_json(found)
        return
    emit(f"{name}: {', '.join(found['members']) or 'nobody'}")
    budget_tables.show_limits(found)


@app.command("set")
def set_(  # noqa: PLR0913, PLR0917 - options of a command
    name: Annotated[
        str,
        typer.Argument(
            parser=read_name,
            metavar="TEAM",
            help="One that is not there is made.",
            autocompletion=names_of("teams"),
        ),
    ],
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    usd_per_day: UsdPerDay = None,
    usd_per_month: UsdPerMonth = None,
    mode: Mode = None,
    settings: Settings = None,
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change a team's budget, everywhere within a second, until it is reset."""
    from .admin_access import admin_api

    budget = _budget(mode, rpm=rpm, tpm=tpm, concurrency=concurrency,
                     usd_per_day=usd_per_day, usd_per_month=usd_per_month)  # fmt: skip
    patch = merged({"budget": budget} if budget else {}, settings_of(settings))
    edited = edit(admin_api(config, url), "teams", name, patch, dry_run=dry_run)
    tell_edit(edited, "teams", dry_run=dry_run, as_json=as_json)


add_ends(app, "teams")


@app.command("raise")
def raise_(  # noqa: PLR0913, PLR0917 - options of a command
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="TEAM...", help="Names or patterns.", autocompletion=names_of("teams")
        ),
    ],
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    usd_per_day: UsdPerDay = None,
    usd_per_month: UsdPerMonth = None,
    mode: Mode = None,
    factors: Factors = None,
    for_: For = None,
    until: Until = None,
    from_: From = None,
    weekly: Weekly = None,
    days: Days = None,
    zone: Zone = "UTC",
    note: Note = "",
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Give teams other limits for a time; they return by themselves."""
    from .admin_access import admin_api

    budget = _budget(mode, rpm=rpm, tpm=tpm, concurrency=concurrency,
                     usd_per_day=usd_per_day, usd_per_month=usd_per_month)  # fmt: skip
    wish = {
        "select": {"teams": names},
        "note": note,
        **changing(budget, factors_of(factors)),
        **window_of(for_, until, from_, weekly, days, zone),
    }
    raise_budgets(admin_api(config, url), wish, dry_run=dry_run, as_json=as_json)


add_temporary(app)


@app.command()
def adjust(  # noqa: PLR0913, PLR0917 - options of a command
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="TEAM...", help="Names or patterns.", autocompletion=names_of("teams")
        ),
    ],
    rpm: Rpm = None,
    tpm: Tpm = None,
    concurrency: Concurrency = None,
    usd_per_day: UsdPerDay = None,
    usd_per_month: UsdPerMonth = None,
    mode: Mode = None,
    factors: Factors = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    config: Config = None,
    url: GatewayUrl = None,
    as_json: AsJson = False,
) -> None:
    """Change the lasting limits of many teams at once: all of them, or none."""
    from .admin_access import admin_api

    budget = _budget(mode, rpm=rpm, tpm=tpm, concurrency=concurrency,
                     usd_per_day=usd_per_day, usd_per_month=usd_per_month)  # fmt: skip
    wish = {"select": {"teams": names}, **changing(budget, factors_of(factors))}
    adjust_budgets(admin_api(config, url), wish, yes=yes, dry_run=dry_run, as_json=as_json)


def _budget(mode: Any, **limits: Any) -> dict[str, Any]:
    return written(**limits) | ({} if mode is None else {"mode": mode.value})


def _row(one: Any) -> tuple[str, ...]:
    return one["name"], str(len(one["members"])), *budget_tables.cells(one)
