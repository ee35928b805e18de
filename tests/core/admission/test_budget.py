"""Budgets of agents and teams."""

import datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.admission.budget import month_of, month_start

from .desk import BACKGROUND, START_US, URGENT, Desk, S, charge, granted, refused


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(
    ("limits", "needs", "fits", "binds"),
    [
        ({"rpm": 3}, charge(), 3, "rpm"),
        ({"tpm": 1000}, charge(200, 50), 4, "tpm"),
        ({"concurrency": 2}, charge(), 2, "concurrency"),
        ({"rpm": 5, "tpm": 300}, charge(100), 3, "tpm"),
    ],
)
@pytest.mark.parametrize("scope", ["agent:ann", "team:red"])
def test_only_what_fits_is_admitted(
    desk: Desk, scope: str, limits: dict[str, int], needs: list[int], fits: int, binds: str
) -> None:
    desk.budget(scope, soft=False, minute_s=60, **limits)
    verdicts = [desk.arrive(f"t{number}", needs, team="red") for number in range(fits + 1)]
    assert [event[0] for event in verdicts] == ["g"] * fits + ["w"]
    kind, name = scope.split(":")
    assert verdicts[-1][4:7] == [kind, name, binds]


def test_lane_agent_and_team_are_taken_together_or_not_at_all(desk: Desk) -> None:
    desk.lane(itpm=1000)
    desk.budget("agent:ann", tpm=500)
    desk.budget("team:red", tpm=300)
    desk.arrive("a", charge(400), team="red", wait_s=0)
    assert desk.see().held == [0] * 4
    assert desk.see_budget("agent:ann").held_input == 0
    desk.arrive("b", charge(300), team="red")
    held = [desk.see_budget(scope).held_input for scope in ("agent:ann", "team:red")]
    assert [desk.see().held[1], *held] == [300, 300, 300]


def test_a_budget_holds_across_lanes(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=1000)
    desk.arrive("a", charge(600), lane="claude")
    assert desk.arrive("b", charge(600), lane="openai")[0] == "w"


def test_input_counts_when_admitted_and_output_when_settled(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=1000)
    desk.arrive("a", charge(300, 200))
    seen = desk.see_budget("agent:ann")
    assert (seen.tokens, seen.held_output) == (300, 200)
    desk.now_us += 30 * S
    desk.settle("a", charge(310, 150))
    seen = desk.see_budget("agent:ann")
    assert (seen.tokens, seen.held_output) == (460, 0)
    desk.now_us += 31 * S  # the slot of admission has left the window, that of settlement has not
    assert desk.see_budget("agent:ann").tokens == 150


def test_a_correction_of_input_that_has_left_the_window_is_dropped(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=1000)
    desk.arrive("a", charge(300))
    desk.now_us += 90 * S
    desk.settle("a", charge(900))
    assert desk.see_budget("agent:ann").tokens == 0


def test_waiting_ends_when_enough_has_left_the_window(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=100)
    desk.arrive("a", charge(60))
    desk.now_us += 10 * S
    desk.arrive("b", charge(40))
    event = desk.arrive("c", charge(60))
    assert event[3] == 51 * S  # a leaves 61 slots after it was counted
    assert desk.last.lanes == [("lane", 51 * S, "r1")]
    assert granted(desk.after(50.9)) == []
    assert granted(desk.after(0.1)) == ["c"]


def test_another_minute_keeps_what_was_used(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=100)
    desk.arrive("a", charge(60))
    desk.budget("agent:ann", tpm=100, minute_s=6)
    assert desk.see_budget("agent:ann").tokens == 60
    desk.now_us += 7 * S
    assert desk.see_budget("agent:ann").tokens == 0


def test_another_minute_of_nothing_is_nothing(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=100)
    desk.budget("agent:ann", tpm=100, minute_s=6)
    assert desk.see_budget("agent:ann").window == []


def test_a_larger_limit_acts_at_once_on_what_waits(desk: Desk) -> None:
    desk.budget("agent:ann", concurrency=1)
    desk.arrive("a")
    desk.arrive("b")
    desk.budget("agent:ann", concurrency=2)
    assert granted(desk.log)[-1] == "b"


@pytest.mark.parametrize(
    ("limits", "needs", "binds", "need", "allowed"),
    [
        ({"tpm": 100}, charge(60, 41), "tpm", 101, 100),
        ({"rpm": 0}, charge(), "rpm", 1, 0),
        ({"concurrency": 0}, charge(), "concurrency", 1, 0),
    ],
)
def test_a_call_larger_than_a_hard_limit_is_refused_at_once(
    desk: Desk, limits: dict[str, int], needs: list[int], binds: str, need: int, allowed: int
) -> None:
    desk.budget("agent:ann", soft=False, minute_s=60, **limits)
    event = desk.arrive("a", needs)
    assert event == ["r", "a", "larger_than_limit", "agent", "ann", binds, need, allowed, -1]


def test_who_would_wait_too_long_for_a_budget_is_refused_with_the_time(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=100)
    desk.budget("team:red", rpm=1)
    desk.arrive("a", charge(100), team="red")
    assert desk.arrive("b", charge(100), wait_s=10)[2:] == [
        "agent_budget",
        "agent",
        "ann",
        "tpm",
        0,
        0,
        61 * S,
    ]
    event = desk.arrive("c", charge(1), agent="bob", team="red", wait_s=10)
    assert event[2:5] == ["team_budget", "team", "red"]


# --- spend --------------------------------------------------------------------------------------


def test_spend_is_refused_at_once_until_the_day_ends(desk: Desk) -> None:
    desk.budget("agent:ann", day=1000)
    desk.arrive("a", charge(1, cost=400))
    desk.arrive("b", charge(1, cost=600))
    desk.now_us += 3600 * S
    event = desk.arrive("c", charge(1, cost=1))
    assert event == ["r", "c", "spend", "agent", "ann", "usd_per_day", 1001, 1000, 23 * 3600 * S]
    desk.settle("a", charge(1, cost=100))
    assert desk.arrive("d", charge(1, cost=300))[0] == "g"
    desk.now_us = START_US + 24 * 3600 * S
    # a's 100 belong to yesterday; b and d are still held, since nobody knows what they will cost.
    assert desk.see_budget("agent:ann").spent_day == 0
    assert desk.arrive("e", charge(1, cost=101))[2] == "spend"
    assert desk.arrive("f", charge(1, cost=100))[0] == "g"


def test_the_month_ends_with_the_month(desk: Desk) -> None:
    desk.budget("team:red", month=1000)
    desk.arrive("a", charge(1, cost=900), team="red")
    desk.settle("a", charge(1, cost=900))
    event = desk.arrive("b", charge(1, cost=101), team="red")
    assert event[5:] == ["usd_per_month", 1001, 1000, 6 * 24 * 3600 * S]  # 25 November
    desk.now_us += 6 * 24 * 3600 * S
    assert desk.arrive("c", charge(1, cost=1000), team="red")[0] == "g"


def test_a_soft_budget_is_hard_on_spend(desk: Desk) -> None:
    desk.budget("agent:ann", soft=True, day=10)
    assert desk.arrive("a", charge(1, cost=11))[2] == "spend"


def test_spend_that_others_used_up_meanwhile_ends_the_waiting(desk: Desk) -> None:
    desk.lane(concurrency=1)
    desk.budget("agent:ann", day=1000)
    desk.arrive("a", charge(1, cost=500))
    desk.arrive("b", charge(1, cost=500))
    desk.settle("a", charge(1, cost=700))
    assert refused(desk.log) == {"b": "spend"}


@settings(deadline=None)
@given(st.dates())
def test_months_are_calendar_months(date: datetime.date) -> None:
    day = (date - datetime.date(1970, 1, 1)).days
    month = date.year * 12 + date.month - 1
    assert month_of(day) == month
    first = datetime.date(1970, 1, 1) + datetime.timedelta(days=month_start(month))
    assert first == date.replace(day=1)


# --- soft ---------------------------------------------------------------------------------------


def test_a_soft_budget_may_use_idle_capacity_and_a_hard_one_may_not(desk: Desk) -> None:
    desk.lane(itpm=1000)
    desk.budget("agent:ann", soft=True, tpm=100)
    desk.budget("agent:bob", tpm=100)
    verdicts = [desk.arrive(f"a{number}", charge(100))[0] for number in range(3)]
    assert verdicts == ["g"] * 3
    verdicts = [desk.arrive(f"b{number}", charge(100), agent="bob")[0] for number in range(2)]
    assert verdicts == ["g", "w"]


def test_even_a_call_larger_than_a_soft_budget_goes_when_the_lane_is_idle(desk: Desk) -> None:
    desk.lane(itpm=1000)
    desk.budget("agent:ann", soft=True, tpm=100)
    assert desk.arrive("a", charge(500))[0] == "g"


def test_capacity_is_lent_only_above_the_background_floor(desk: Desk) -> None:
    desk.lane(itpm=1000, floors=[0, 0, 0.5])
    desk.budget("agent:ann", soft=True, tpm=100)
    desk.arrive("a", charge(100))
    desk.arrive("b", charge(400), band=URGENT)
    assert desk.see().level[1] == 500
    assert desk.arrive("c", charge(100), band=URGENT)[0] == "w"


def test_nothing_is_lent_while_somebody_within_budget_waits_for_the_lane(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.budget("agent:ann", soft=True, tpm=100)
    desk.arrive("a", charge(100))
    desk.arrive("b", charge(500), agent="bob")
    desk.arrive("c", charge(100), agent="bob", band=BACKGROUND)
    desk.arrive("d", charge(10), band=URGENT)
    assert granted(desk.after(5)) == []  # 50 are there: enough for d, but they are c's
    assert granted(desk.after(5.1)) == ["c"]
    assert granted(desk.after(1)) == ["d"]


def test_who_may_be_lent_capacity_is_promised_the_wait_for_the_lane_only(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.budget("agent:ann", soft=True, tpm=100)
    desk.arrive("a", charge(600))
    assert desk.arrive("b", charge(100), wait_s=20)[3:7] == [10 * S, "lane", "lane", "itpm"]
    assert granted(desk.after(10.1)) == ["b"]


def test_who_waits_for_lent_capacity_is_not_served_past_its_deadline(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.budget("agent:ann", soft=True, tpm=100)
    desk.arrive("a", charge(600))
    desk.arrive("b", charge(100), wait_s=20)
    assert refused(desk.after(21)) == {"b": "queue_timeout"}


def test_who_waits_for_lent_capacity_is_refused_once_the_money_is_spent(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.budget("agent:ann", soft=True, tpm=100, day=1000)
    desk.arrive("a", charge(600, cost=500))
    desk.arrive("b", charge(100, cost=500))
    assert refused(desk.settle("a", charge(600, cost=501))) == {"b": "spend"}


def test_who_waits_for_lent_capacity_is_refused_once_it_can_never_fit(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.budget("agent:ann", soft=True, tpm=100)
    desk.arrive("a", charge(600))
    desk.arrive("b", charge(100))
    desk.lane(itpm=50)
    assert refused(desk.log) == {"b": "larger_than_limit"}


def test_a_call_that_cost_more_moves_its_flow_also_while_it_waits_for_lent_capacity(
    desk: Desk,
) -> None:
    desk.lane(itpm=600)
    for agent in ("ann", "bob"):
        desk.budget(f"agent:{agent}", soft=True, tpm=100)
    desk.arrive("a", charge(300), agent="ann")
    desk.arrive("b", charge(300), agent="bob")
    desk.arrive("a2", charge(100), agent="ann")
    desk.arrive("b2", charge(100), agent="bob")
    assert desk.queue() == ["a2", "b2"]
    desk.settle("a", charge(400))
    assert desk.queue() == ["b2", "a2"]


def test_a_hard_team_budget_binds_the_members_with_soft_ones(desk: Desk) -> None:
    desk.lane(itpm=1000)
    desk.budget("agent:ann", soft=True, tpm=100)
    desk.budget("team:red", tpm=150)
    desk.arrive("a", charge(100), team="red")
    assert desk.arrive("b", charge(100), team="red")[0] == "w"
    assert desk.queue() == ["b"]


def test_what_waits_for_lent_capacity_can_be_bound_by_a_hard_budget_meanwhile(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.budget("agent:ann", soft=True, tpm=100)
    desk.budget("team:red", tpm=700)
    desk.arrive("a", charge(600), team="red")
    assert desk.arrive("b", charge(100), team="red")[0] == "w"  # soft, and the lane is empty
    desk.arrive("c", charge(100), agent="cat", team="red", band=URGENT)
    assert granted(desk.after(10.1)) == ["c"]  # the team's last tokens
    assert granted(desk.after(20)) == []
    assert granted(desk.after(32)) == ["b"]  # the team's window lets go of a


# --- who waits for a budget ---------------------------------------------------------------------


def test_a_ticket_that_its_budget_keeps_back_is_skipped(desk: Desk) -> None:
    desk.lane(itpm=1000)
    desk.budget("agent:ann", concurrency=1)
    desk.arrive("a", charge(10), band=URGENT)
    desk.arrive("b", charge(10), band=URGENT)
    assert desk.arrive("c", charge(10), agent="bob", band=BACKGROUND)[0] == "g"


def test_of_a_team_s_waiting_calls_the_first_is_served_first(desk: Desk) -> None:
    desk.budget("team:red", concurrency=1)
    for ticket, agent in (("a", "ann"), ("b", "bob"), ("c", "cat"), ("d", "dan")):
        desk.arrive(ticket, charge(10), agent=agent, team="red")
    order = []
    for ticket in ("a", "b", "c"):
        order += granted(desk.settle(ticket, charge(10)))
    assert order == ["b", "c", "d"]


def test_one_release_lets_go_all_that_fit_into_it(desk: Desk) -> None:
    desk.budget("team:red", tpm=300)
    desk.arrive("a", charge(0, 300), agent="ann", team="red")
    for ticket, agent in (("b", "bob"), ("c", "cat"), ("d", "dan"), ("e", "eve")):
        desk.arrive(ticket, charge(0, 100), agent=agent, team="red")
    assert granted(desk.settle("a", charge())) == ["b", "c", "d"]


def test_small_calls_of_a_team_do_not_overtake_a_large_one_for_ever(desk: Desk) -> None:
    desk.budget("team:red", tpm=300)
    desk.arrive("a", charge(100), agent="ann", team="red")
    desk.arrive("big", charge(250), agent="bob", team="red")
    assert desk.arrive("small", charge(10), agent="cat", team="red")[0] == "w"
    assert desk.arrive("less", charge(10), agent="dan", team="red", band=BACKGROUND)[0] == "w"
    assert desk.arrive("first", charge(10), agent="eve", team="red", band=URGENT)[0] == "g"
    assert granted(desk.after(61)) == ["big", "small", "less"]


def test_a_flow_that_moves_from_its_team_s_budget_to_its_own_lets_the_next_try(desk: Desk) -> None:
    desk.budget("team:red", concurrency=1)
    desk.budget("agent:bob", tpm=100)
    desk.arrive("b0", charge(100), agent="bob", lane="other")
    desk.arrive("a", charge(10), agent="ann", team="red")
    desk.arrive("b", charge(50), agent="bob", team="red")
    desk.arrive("c", charge(10), agent="cat", team="red")
    assert granted(desk.settle("a", charge(10))) == ["c"]


def test_a_woken_flow_that_its_own_budget_keeps_back_lets_the_next_of_its_team_try(
    desk: Desk,
) -> None:
    desk.budget("team:red", concurrency=1)
    desk.budget("agent:bob", tpm=100)
    desk.arrive("a", charge(10), agent="ann", team="red")
    desk.arrive("b", charge(50), agent="bob", team="red")
    desk.arrive("c", charge(10), agent="cat", team="red")
    desk.arrive("b0", charge(100), agent="bob", lane="other")
    assert granted(desk.settle("a", charge(10))) == ["c"]
    assert [row.name for row in desk.see().queue] == ["bob"]


def test_an_agent_that_left_its_team_does_not_overtake_its_own_calls(desk: Desk) -> None:
    desk.budget("team:red", concurrency=1)
    desk.arrive("a", charge(10), agent="ann", team="red")
    desk.arrive("b", charge(10), agent="bob", team="red")
    assert desk.arrive("c", charge(10), agent="bob")[0] == "w"
    assert granted(desk.settle("a", charge(10))) == ["b", "c"]


def test_a_release_in_one_lane_lets_go_a_ticket_of_another(desk: Desk) -> None:
    desk.budget("agent:ann", concurrency=1)
    desk.arrive("a", lane="claude")
    desk.arrive("b", lane="openai")
    assert granted(desk.settle("a", lane="claude")) == ["b"]


def test_the_first_of_a_group_may_leave_and_the_next_takes_its_turn(desk: Desk) -> None:
    desk.budget("team:red", tpm=300)
    desk.arrive("a", charge(100), agent="ann", team="red")
    desk.arrive("big", charge(250), agent="bob", team="red")
    desk.arrive("small", charge(10), agent="cat", team="red")
    assert granted(desk.cancel("big")) == ["small"]


def test_a_ticket_behind_the_first_of_its_flow_leaves_quietly(desk: Desk) -> None:
    desk.budget("agent:ann", concurrency=1)
    for ticket in "abc":
        desk.arrive(ticket)
    assert desk.cancel("c") == []
    assert granted(desk.settle("a")) == ["b"]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 12_000), st.integers(0, 60), st.integers(0, 60)),
        min_size=5,
        max_size=60,
    )
)
def test_no_sliding_minute_exceeds_a_hard_budget(calls: list[tuple[int, int, int]]) -> None:
    """Whatever arrives when, as long as calls use what was estimated of them."""
    desk = Desk()
    desk.budget("agent:ann", tpm=100, rpm=7)
    used: list[tuple[int, int, int]] = []
    running: dict[str, tuple[int, int]] = {}
    seen = 0

    def note() -> None:
        nonlocal seen
        for ticket in granted(desk.log[seen:]):
            used.append((desk.now_us, running[ticket][0], 1))
        seen = len(desk.log)

    for number, (pause_ms, input_tokens, output_tokens) in enumerate(calls):
        desk.now_us += pause_ms * 1000
        ticket = f"t{number}"
        size = min(input_tokens, 100 - output_tokens), output_tokens
        running[ticket] = size
        desk.arrive(ticket, charge(*size))
        note()
        before = f"t{number - 2}"
        if before in granted(desk.log):
            desk.settle(before, charge(*running[before]))
            used.append((desk.now_us, running[before][1], 0))
            note()
    used.sort()
    assert all(early[0] <= late[0] for early, late in pairwise(used))
    for start, _, _ in used:
        window = [each for each in used if start <= each[0] < start + 60 * S]
        assert sum(tokens for _, tokens, _ in window) <= 100
        assert sum(requests for _, _, requests in window) <= 7
