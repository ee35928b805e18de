"""When a temporary budget holds, as it is written on the command line."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias

import typer

from .failing import ExitCode, Failure
from .moments import read_future
from .options import read_duration

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOURS = re.compile(r"(\d\d?:\d\d)-(\d\d?:\d\d)")


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


def weekly_in_words(weekly: Any) -> str:
    """Hours, days and clock of a weekly window of the admin API."""
    days = "" if len(weekly["days"]) == len(DAYS) else f" {_days(weekly['days'])}"
    return f"{weekly['begins']}-{weekly['ends']}{days} {weekly['time_zone']}"


def _days(names: Sequence[str]) -> str:
    """Days of the week; those from one to another as such."""
    first, last = DAYS.index(names[0]), DAYS.index(names[-1])
    if len(names) > 2 and list(names) == list(DAYS[first : last + 1]):
        return f"{names[0]}-{names[-1]}"
    return ",".join(names)
