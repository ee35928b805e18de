from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.gemini.pacific import seconds_to_midnight

LOS_ANGELES = ZoneInfo("America/Los_Angeles")


def _expected(now: float) -> float:
    local = datetime.fromtimestamp(now, LOS_ANGELES)
    tomorrow = local.date() + timedelta(days=1)
    midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=LOS_ANGELES)
    return midnight.timestamp() - now


@given(st.integers(int(datetime(2024, 1, 1, tzinfo=UTC).timestamp()), 2_082_700_000))
def test_midnight_agrees_with_the_time_zone_database(now: int) -> None:
    assert seconds_to_midnight(now) == _expected(now)


@pytest.mark.parametrize(
    "day", [(2026, 3, 7), (2026, 3, 8), (2026, 10, 31), (2026, 11, 1), (2026, 12, 31)]
)
@pytest.mark.parametrize("hour", range(24))
def test_midnight_is_right_around_the_changes(day: tuple[int, int, int], hour: int) -> None:
    now = datetime(*day, hour, 30, tzinfo=UTC).timestamp()
    assert seconds_to_midnight(now) == _expected(now)
