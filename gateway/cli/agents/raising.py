"""Budgets of agents for a time, and of many agents at once."""

from typing import Annotated, Any, TypeAlias

import typer

from gateway.cli.amounts import (
    Concurrency,
    Factors,
    Mode,
    Rpm,
    Tpm,
    UsdPerDay,
    UsdPerMonth,
    factors_of,
    written,
)
from gateway.cli.completing import names_of
from gateway.cli.failing import ExitCode, Failure
from gateway.cli.options import AsJson, Config, DryRun, GatewayUrl, Yes
from gateway.cli.temporary import add_temporary, adjust_budgets, changing, raise_budgets
from gateway.cli.windows import Days, For, From, Note, Until, Weekly, Zone, window_of
from gateway.domain.call import Priority

Names: TypeAlias = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[AGENT]...",
        help="Names or patterns.",
        autocompletion=names_of("agents"),
    ),
]
Teams: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--team", metavar="NAME", help="Agents of this team.", autocompletion=names_of("teams")
    ),
]
Priorities: TypeAlias = Annotated[
    list[Priority] | None,
    typer.Option("--priority", help="Agents with this default."),
]


def add_to(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command("raise")(raise_)
    add_temporary(app)
    app.command()(adjust)


def raise_(  # noqa: PLR0913, PLR0917 - options of a command
    names: Names = None,
    teams: Teams = None,
    priorities: Priorities = None,
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
    """Give agents other limits for a time; they return by themselves."""
    from gateway.cli.admin_access import admin_api

    budget = written(
        rpm=rpm, tpm=tpm, concurrency=concurrency,
        usd_per_day=usd_per_day, usd_per_month=usd_per_month,
    )  # fmt: skip
    wish = {
        "select": _selected(names, teams, priorities),
        "note": note,
        **changing(budget | _mode(mode), factors_of(factors)),
        **window_of(for_, until, from_, weekly, days, zone),
    }
    raise_budgets(admin_api(config, url), wish, dry_run=dry_run, as_json=as_json)


def adjust(  # noqa: PLR0913, PLR0917 - options of a command
    names: Names = None,
    teams: Teams = None,
    priorities: Priorities = None,
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
    """Change the lasting limits of many agents at once: all of them, or none."""
    from gateway.cli.admin_access import admin_api

    budget = written(
        rpm=rpm, tpm=tpm, concurrency=concurrency,
        usd_per_day=usd_per_day, usd_per_month=usd_per_month,
    )  # fmt: skip
    wish = {
        "select": _selected(names, teams, priorities),
        **changing(budget | _mode(mode), factors_of(factors)),
    }
    adjust_budgets(admin_api(config, url), wish, yes=yes, dry_run=dry_run, as_json=as_json)


def _selected(
    names: list[str] | None, teams: list[str] | None, priorities: list[Priority] | None
) -> dict[str, Any]:
    if not (names or teams or priorities):
        raise Failure("say whose: AGENT, --team or --priority ('*': everybody).", ExitCode.USAGE)
    given = {"agents": names, "members_of": teams, "priorities": priorities}
    return {key: list(value) for key, value in given.items() if value}


def _mode(mode: Any) -> dict[str, Any]:
    return {} if mode is None else {"mode": mode.value}
