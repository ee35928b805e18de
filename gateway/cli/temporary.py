"""Temporary budgets, and changes of many budgets at once: what `agents` and `teams` share."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from .completing import names_of
from .confirming import confirm, tell_dry_run
from .failing import ExitCode, Failure
from .moments import read_future
from .options import AsJson, Config, DryRun, GatewayUrl, read_duration
from .output import emit, emit_json, emit_table, say

if TYPE_CHECKING:
    from .admin_access import AdminApi

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"(\d\d?:\d\d)-(\d\d?:\d\d)")
_HEADINGS = ("ID", "STATE", "WHOSE", "BUDGET", "WHEN", "BY", "NOTE")
_LIMITS = ("rpm", "tpm", "concurrency", "usd_per_day", "usd_per_month", "mode")


def read_hours(text: str) -> tuple[str, ...]:
    """`22:00-06:00`: when it begins and ends."""
    match = _HOURS.fullmatch(text.strip())
    if match is None:
        raise typer.BadParameter(f"{text!r} are no hours. Write them like 22:00-06:00.")
    return tuple(one.rjust(5, "0") for one in match.groups())


def read_days(text: str) -> tuple[str, ...]:
    """`mon-fri`, or `sat,sun`."""
    found: list[str] = []
    for part in text.lower().replace(" ", "").split(","):
        first, _, last = part.partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise typer.BadParameter(f"{text!r} are no days. Write them like mon-fri or sat,sun.")
        begin, end = DAYS.index(first), DAYS.index(last or first)
        found += [DAYS[day % 7] for day in range(begin, end + 1 + (7 if end < begin else 0))]
    return tuple(dict.fromkeys(found))


For: TypeAlias = Annotated[
    float | None,
    typer.Option("--for", parser=read_duration, metavar="TIME", help="How long: 2h, 30m, 7d."),
]
Until: TypeAlias = Annotated[
    str | None,
    typer.Option("--until", parser=read_future, metavar="TIME", help="Until then."),
]
From: TypeAlias = Annotated[
    str | None,
    typer.Option("--from", parser=read_future, metavar="TIME", help="From then on; else now."),
]
Weekly: TypeAlias = Annotated[
    Any | None,
    typer.Option(
        "--weekly", parser=read_hours, metavar="HOURS", help="Again and again: 22:00-06:00."
    ),
]
Days: TypeAlias = Annotated[
    Any | None,
    typer.Option(
        "--days", parser=read_days, metavar="DAYS", help="Of --weekly: mon-fri, sat,sun; else all."
    ),
]
Zone: TypeAlias = Annotated[
    str, typer.Option("--zone", metavar="ZONE", help="Of --weekly, such as Europe/Zurich.")
]
Note: TypeAlias = Annotated[str, typer.Option("--note", metavar="TEXT", help="Why, for others.")]


def window_of(
    for_s: float | None,
    until: str | None,
    from_: str | None,
    weekly: Sequence[str] | None,
    days: Sequence[str] | None,
    zone: str,
) -> dict[str, Any]:
    """When a temporary budget holds, as the API takes it.

    Raises:
        Failure: Not exactly one way of saying so was used.
    """
    if sum(one is not None for one in (for_s, until, weekly)) != 1:
        raise Failure("say how long: one of --for, --until and --weekly.", ExitCode.USAGE)
    if weekly is None:
        if days is not None:
            raise Failure("--days belongs to --weekly.", ExitCode.USAGE)
        end = {"for_s": for_s} if for_s is not None else {"until": until}
        return end | ({} if from_ is None else {"begins_at": from_})
    if from_ is not None:
        raise Failure("--weekly begins by itself; leave --from away.", ExitCode.USAGE)
    begins, ends = weekly
    return {
        "weekly": {
            "begins": begins,
            "ends": ends,
            "days": list(days or DAYS),
            "time_zone": zone,
        }
    }


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
    days = "" if len(weekly["days"]) == len(DAYS) else f" {_days(weekly['days'])}"
    return f"{weekly['begins']}-{weekly['ends']}{days} {weekly['time_zone']}"


def _days(names: Sequence[str]) -> str:
    """Days of the week; those from one to another as such."""
    first, last = DAYS.index(names[0]), DAYS.index(names[-1])
    if len(names) > 2 and list(names) == list(DAYS[first : last + 1]):
        return f"{names[0]}-{names[-1]}"
    return ",".join(names)
