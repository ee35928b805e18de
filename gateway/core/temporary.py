"""When a temporary budget holds: a window, and a time that is handed in.

A weekly window goes by the clock on the wall: where daylight saving begins or ends within it, it is
an hour shorter or longer, and it opens and closes when that clock says so. A time that the clock
skips counts as the moment of the skip; of a time that it shows twice, the first counts.

Failure policy: a time zone that this machine does not know is `UnknownZone`; when a window that is
stored already names one, it stays closed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gateway.domain.temporary import Span, TemporaryBudget, Weekly, Window

MINUTES_A_DAY = 1440
_DAYS_AHEAD = 8


class UnknownZone(ValueError):  # noqa: N818 - said of a name
    """This machine knows no such time zone."""


def zone(name: str) -> tzinfo:
    """The time zone of a name.

    Raises:
        UnknownZone: There is none.
    """
    if name == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownZone(
            f"there is no time zone {name[:64]!r} on this machine; use a name such as "
            "Europe/Zurich, or UTC (the names come with the package tzdata)"
        ) from error


def holding(budgets: Iterable[TemporaryBudget], now_s: float) -> list[TemporaryBudget]:
    """Those that hold now, in the order in which they were made: the last wins."""
    found = [one for one in budgets if open_until(one.window, now_s) is not None]
    return sorted(found, key=lambda one: (one.created_s, one.budget_id))


def open_until(window: Window, now_s: float) -> float | None:
    """When a window that is open now closes; `None`: it is closed."""
    if isinstance(window, Span):
        return window.until_s if window.from_s <= now_s < window.until_s else None
    return next((ends for begins, ends in _turns(window, now_s) if begins <= now_s < ends), None)


def opens_at(window: Window, now_s: float) -> float | None:
    """When a window opens next; `None`: never again."""
    if isinstance(window, Span):
        return window.from_s if now_s < window.from_s else None
    return next((begins for begins, _ in _turns(window, now_s) if begins > now_s), None)


def is_over(window: Window, now_s: float) -> bool:
    """Whether a window is closed for good."""
    return isinstance(window, Span) and now_s >= window.until_s


def _turns(window: Weekly, now_s: float) -> Iterable[tuple[float, float]]:
    """From when to when it is open, around now, in order."""
    try:
        where = zone(window.time_zone)
    except UnknownZone:
        return
    length = window.to_minute - window.from_minute
    if length <= 0:
        length += MINUTES_A_DAY
    today = datetime.fromtimestamp(now_s, where).date()
    for ahead in range(-2, _DAYS_AHEAD):
        day = today + timedelta(days=ahead)
        if day.weekday() in window.days:
            midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - zone added below
            begins = midnight + timedelta(minutes=window.from_minute)
            ends = begins + timedelta(minutes=length)
            yield _epoch(begins, where), _epoch(ends, where)


def _epoch(wall: datetime, where: tzinfo) -> float:
    return wall.replace(tzinfo=where).timestamp()
