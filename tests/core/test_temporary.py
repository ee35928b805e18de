"""Budgets for a time: when they hold, on a clock that is handed in."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.temporary import UnknownZone, holding, is_over, open_until, opens_at, zone
from gateway.domain.call import Priority
from gateway.domain.limits import Budget, BudgetMode
from gateway.domain.temporary import (
    BudgetChange,
    Selector,
    Span,
    TemporaryBudget,
    Weekly,
)
from gateway.domain.topology import Agent, Team, Topology

NIGHTS = Weekly(22 * 60, 6 * 60, (0, 1, 2, 3, 4), "UTC")
ALL_WEEK = tuple(range(7))


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def shown(epoch_s: float | None) -> str | None:
    return None if epoch_s is None else f"{datetime.fromtimestamp(epoch_s, UTC):%a %d %H:%M}"


def test_a_span_holds_from_its_beginning_to_its_end() -> None:
    span = Span(100, 200)
    assert [open_until(span, t) for t in (99, 100, 199.9, 200)] == [None, 200, 200, None]
    assert [opens_at(span, t) for t in (99, 100)] == [100, None]
    assert [is_over(span, t) for t in (99, 199, 200)] == [False, False, True]


@pytest.mark.parametrize(
    ("now", "until", "opens"),
    [  # 2026-11-25 is a Wednesday
        ("2026-11-25T21:59", None, "Wed 25 22:00"),
        ("2026-11-25T22:00", "Thu 26 06:00", "Thu 26 22:00"),
        ("2026-11-26T05:59", "Thu 26 06:00", "Thu 26 22:00"),
        ("2026-11-26T06:00", None, "Thu 26 22:00"),
        ("2026-11-28T03:00", "Sat 28 06:00", "Mon 30 22:00"),  # Friday's night
        ("2026-11-28T23:00", None, "Mon 30 22:00"),
        ("2026-11-30T02:00", None, "Mon 30 22:00"),  # Sunday has none
    ],
)
def test_nights_of_working_days(now: str, until: str | None, opens: str) -> None:
    assert shown(open_until(NIGHTS, at(now))) == until
    assert shown(opens_at(NIGHTS, at(now))) == opens
    assert not is_over(NIGHTS, at(now))


def test_a_window_goes_by_the_clock_on_the_wall() -> None:
    """Zurich is UTC+1 in winter and UTC+2 in summer, which began on 29 March 2026."""
    night = Weekly(22 * 60, 6 * 60, ALL_WEEK, "Europe/Zurich")
    assert shown(open_until(night, at("2026-01-10T21:30"))) == "Sun 11 05:00"
    assert shown(open_until(night, at("2026-07-10T20:30"))) == "Sat 11 04:00"
    assert open_until(night, at("2026-07-10T19:30")) is None
    begins, ends = opens_at(night, at("2026-03-28T12:00")), None
    assert begins is not None
    ends = open_until(night, begins)
    assert ends is not None
    assert ends - begins == 7 * 3600  # the night in which the clocks go forward


def test_a_window_of_a_whole_day_holds_all_day() -> None:
    monday = Weekly(0, 0, (0,), "UTC")
    assert open_until(monday, at("2026-11-29T23:59")) is None
    assert shown(open_until(monday, at("2026-11-30T00:00"))) == "Tue 01 00:00"
    assert open_until(monday, at("2026-12-01T00:00")) is None


def test_an_unknown_zone_is_told_and_stays_closed() -> None:
    for name in ("Mars/Olympus", "", "../etc/passwd", "x" * 300):
        with pytest.raises(UnknownZone):
            zone(name)
    assert open_until(Weekly(0, 0, ALL_WEEK, "Mars/Olympus"), at("2026-11-25T12:00")) is None


@given(
    st.integers(0, 1439),
    st.integers(0, 1439),
    st.sets(st.integers(0, 6), min_size=1),
    st.sampled_from(["UTC", "Europe/Zurich", "America/New_York", "Asia/Kolkata"]),
    st.integers(int(at("2026-01-01T00:00")), int(at("2027-12-31T00:00"))),
)
def test_an_open_window_closes_within_a_day_and_a_closed_one_opens_within_eight(
    begins: int, ends: int, days: set[int], name: str, now_s: int
) -> None:
    window = Weekly(begins, ends, tuple(sorted(days)), name)
    until_s = open_until(window, now_s)
    if until_s is not None:
        assert now_s < until_s <= now_s + 25 * 3600
        assert open_until(window, until_s - 1) is not None
    else:
        opens_s = opens_at(window, now_s)
        assert opens_s is not None
        assert now_s < opens_s <= now_s + 8 * 86400 + 3600
        assert open_until(window, opens_s) is not None


def budget(name: str, created_s: float, window: Span) -> TemporaryBudget:
    return TemporaryBudget(name, Selector(agents=("*",)), BudgetChange(), window, created_s, "eve")


def test_the_one_made_last_comes_last() -> None:
    budgets = [
        budget("new", 20, Span(0, 100)),
        budget("old", 10, Span(0, 100)),
        budget("over", 30, Span(0, 50)),
    ]
    assert [one.budget_id for one in holding(budgets, 60)] == ["old", "new"]


TOPOLOGY = Topology(
    {},
    {},
    {"red": Team("red"), "blue": Team("blue")},
    {
        "ann": Agent("ann", "red", Priority.BACKGROUND),
        "bob": Agent("bob", "blue", Priority.BACKGROUND),
        "ann-2": Agent("ann-2", "red"),
    },
)


@pytest.mark.parametrize(
    ("selector", "agents", "teams"),
    [
        (Selector(), [], []),
        (Selector(agents=("ann*",)), ["ann", "ann-2"], []),
        (Selector(priorities=(Priority.BACKGROUND,)), ["ann", "bob"], []),
        (Selector(members_of=("red",), priorities=(Priority.BACKGROUND,)), ["ann"], []),
        (Selector(teams=("b*",)), [], ["blue"]),
        (Selector(agents=("bob",), teams=("*",)), ["bob"], ["red", "blue"]),
    ],
)
def test_who_is_meant(selector: Selector, agents: list[str], teams: list[str]) -> None:
    assert selector.agents_in(TOPOLOGY) == agents
    assert selector.teams_in(TOPOLOGY) == teams


def test_a_change_sets_multiplies_and_lifts() -> None:
    before = Budget(rpm=10, tpm=3, usd_per_day_micro=1_000_000)
    change = BudgetChange({"rpm": None, "concurrency": 4}, {"tpm": 0.1, "usd_per_month": 9.0})
    after = change.applied(before)
    assert after == Budget(tpm=1, concurrency=4, usd_per_day_micro=1_000_000)
    assert change.names == {"rpm", "concurrency", "tpm", "usd_per_month"}
    assert BudgetChange(mode=BudgetMode.SOFT).applied(before).mode is BudgetMode.SOFT
