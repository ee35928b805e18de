"""Temporary budgets, and changes of many budgets at once: what `agents` and `teams` share."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .completing import names_of
from .confirming import confirm, tell_dry_run
from .failing import ExitCode, Failure
from .options import AsJson, Config, DryRun, GatewayUrl
from .output import emit, emit_json, emit_table, say
from .windows import weekly_in_words

if TYPE_CHECKING:
    from .admin_access import AdminApi

_HEADINGS = ("ID", "STATE", "WHOSE", "BUDGET", "WHEN", "BY", "NOTE")
_LIMITS = ("rpm", "tpm", "concurrency", "usd_per_day", "usd_per_month", "mode")


def changing(budget: Mapping[str, Any], factors: Mapping[str, float]) -> dict[str, Any]:
    """New limits and factors, as the API takes them.

    Raises:
        Failure: There are none.
    """
    if not budget and not factors:
        raise Failure("say what becomes of the budget: --tpm 40k, --factor 2.", ExitCode.USAGE)
    return ({"budget": dict(budget)} if budget else {}) | (
        {"factors": dict(factors)} if factors else {}
    )


def raise_budgets(
    api: "AdminApi", wish: Mapping[str, Any], *, dry_run: bool, as_json: bool
) -> None:
    """Make a temporary budget and show it."""
    made = api.change("POST", "temporary-budgets", wish, dry_run="true" if dry_run else None)
    if as_json:
        emit_json(made)
    else:
        emit_table(_HEADINGS, [_row(made)])
        if not dry_run:
            say(f"To end it before: gateway agents end {made['id']}")
    tell_dry_run(dry_run=dry_run)


def adjust_budgets(
    api: "AdminApi", wish: Mapping[str, Any], *, yes: bool, dry_run: bool, as_json: bool
) -> None:
    """Change many budgets at once, after they were shown."""
    planned = api.change("POST", "budgets:adjust", wish, dry_run="true")
    count = len(planned["changed"])
    if not as_json or not (yes or dry_run):
        _tell_adjusted(planned)
    if dry_run or not count:
        if as_json:
            emit_json(planned)
        tell_dry_run(dry_run=dry_run)
        return
    confirm(f"Change {count} budget{'s' if count > 1 else ''}?", yes=yes)
    done = api.change("POST", "budgets:adjust", wish)
    if as_json:
        emit_json(done)
    else:
        say(f"{len(done['changed'])} changed.")


def add_temporary(app: typer.Typer) -> None:
    """Add the verbs that list temporary budgets and end one."""

    @app.command()
    def temporary(
        everything: Annotated[
            bool, typer.Option("--all", help="Those that ended in the last week, too.")
        ] = False,
        config: Config = None,
        url: GatewayUrl = None,
        as_json: AsJson = False,
    ) -> None:
        """List temporary budgets, of agents and teams."""
        from .admin_access import admin_api

        found = admin_api(config, url).all("temporary-budgets")
        wanted = [one for one in found if everything or one["state"] != "ended"]
        if as_json:
            emit_json(wanted)
        elif wanted:
            emit_table(_HEADINGS, (_row(one) for one in wanted))
        else:
            say("There are no temporary budgets.")

    @app.command()
    def end(
        budget_id: Annotated[
            str,
            typer.Argument(
                metavar="ID",
                help="Of the temporary budget.",
                autocompletion=names_of("temporary-budgets", "id"),
            ),
        ],
        dry_run: DryRun = False,
        config: Config = None,
        url: GatewayUrl = None,
        as_json: AsJson = False,
    ) -> None:
        """End a temporary budget now, for good; the budgets are what they were."""
        from .admin_access import admin_api
        from .items import place

        path = place("temporary-budgets", budget_id)
        admin_api(config, url).change("DELETE", path, dry_run="true" if dry_run else None)
        if as_json:
            emit_json({"ended": budget_id})
        else:
            emit(f"{budget_id} has ended.")
        tell_dry_run(dry_run=dry_run)


def _tell_adjusted(planned: Any) -> None:
    from .wording import as_written

    rows = [
        (
            one["item"],
            name,
            as_written(one["before"][name]),
            as_written(one["after"][name]),
        )
        for one in planned["changed"]
        for name in one["after"]
        if one["before"][name] != one["after"][name]
    ]
    if rows:
        emit_table(("WHOSE", "LIMIT", "BEFORE", "NOW"), rows)
    else:
        say("No budget would change.")


def _row(one: Any) -> tuple[str, ...]:
    whose = [*one["agents"], *(f"team {name}" for name in one["teams"])]
    return (
        one["id"],
        one["state"],
        _few(whose),
        ", ".join(_what(one)),
        _when(one),
        one["created_by"],
        one["note"],
    )


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3]) or "nobody now"
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more"


def _what(one: Any) -> Iterator[str]:
    from .wording import as_written

    for name in _LIMITS:
        if name in one["budget"]:
            yield f"{name} {as_written(one['budget'][name])}"
        if name in one["factors"]:
            yield f"{name} x {as_written(one['factors'][name])}"


def _when(one: Any) -> str:
    from .wording import moment

    weekly = one["weekly"]
    if weekly is None:
        begins = f"from {moment(one['begins_at'])} " if one["state"] == "waits" else ""
        return f"{begins}until {moment(one['until'])}"
    return weekly_in_words(weekly)
