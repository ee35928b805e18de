"""When a day ends in Pacific time, on which Gemini's daily quotas turn (provider-facts B11, B12).

Computed from the rule in force since 2007 (daylight time from the second Sunday of March to the
first of November, changing at 2 o'clock), since time zone files may be missing in a container.
"""

from datetime import UTC, date, datetime, timedelta

_STANDARD = timedelta(hours=-8)
_DAYLIGHT = timedelta(hours=-7)


def seconds_to_midnight(now: float) -> float:
    """Seconds from `now` (epoch seconds) to the next midnight in Los Angeles."""
    moment = datetime.fromtimestamp(now, UTC)
    tomorrow = (moment + _offset(moment)).date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=UTC)
    # The clocks change at 2 o'clock: at midnight the day still has the offset of the day before.
    start, end = _sundays(tomorrow.year)
    offset = _DAYLIGHT if start < tomorrow <= end else _STANDARD
    return (midnight - offset - moment).total_seconds()


def _offset(moment: datetime) -> timedelta:
    start, end = _sundays(moment.year)
    begins = datetime(start.year, start.month, start.day, 10, tzinfo=UTC)
    ends = datetime(end.year, end.month, end.day, 9, tzinfo=UTC)
    return _DAYLIGHT if begins <= moment < ends else _STANDARD


def _sundays(year: int) -> tuple[date, date]:
    """The days on which daylight time begins and ends."""
    march, november = date(year, 3, 8), date(year, 11, 1)
    return (
        march + timedelta(days=6 - march.weekday()),
        november + timedelta(days=6 - november.weekday()),
    )
