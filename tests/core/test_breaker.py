"""The switch, from state to state; and replicas that tell each other of theirs, in any order."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.breaker import Breaker, BreakerSettings, Result, later
from gateway.domain.breaking import FOR_EVER_S, BreakerFact
from gateway.domain.facts import BreakerState

CLOSED, HALF_OPEN, OPEN = BreakerState.CLOSED, BreakerState.HALF_OPEN, BreakerState.OPEN
GOOD, BAD, SLOW, NOTHING = Result.GOOD, Result.BAD, Result.SLOW, Result.NOTHING
PLAIN = BreakerSettings(in_row=3, volume=10, open_s=5.0, longest_s=60.0, jitter=0.0)


def breaker(settings: BreakerSettings = PLAIN, chance: float = 0.0) -> Breaker:
    return Breaker(settings, lambda: chance)


def calls(one: Breaker, *results: Result, now_s: float = 1000.0) -> None:
    for result in results:
        generation, _ = one.ask(now_s)
        assert generation is not None
        one.leave(generation)
        one.tell(generation, result, now_s)


def opened(settings: BreakerSettings = PLAIN, chance: float = 0.0) -> Breaker:
    one = breaker(settings, chance)
    calls(one, BAD, BAD, BAD)
    assert one.fact.state is OPEN
    return one


def test_a_closed_breaker_lets_everything_through() -> None:
    one = breaker()
    calls(one, *[GOOD, BAD, BAD] * 3)
    assert one.closed
    assert one.ask(1000.0) == (0, None)


def test_failures_in_a_row_open_it() -> None:
    one = opened()
    assert (one.fact.cause, one.fact.openings, one.closed) == ("failures_in_row", 1, False)
    assert one.ask(1004.9) == (None, None)
    assert one.wait_s(1001.0) == pytest.approx(4.0)


@pytest.mark.parametrize(
    ("results", "cause"),
    [
        ([GOOD, BAD] * 4, ""),
        ([GOOD, BAD] * 5, "failure_ratio"),
        ([GOOD] * 6 + [GOOD, BAD, BAD, GOOD], ""),
        ([SLOW] * 7 + [GOOD, GOOD], ""),
        ([GOOD, GOOD] + [SLOW] * 8, "slow_ratio"),
        ([NOTHING] * 100, ""),
        ([BAD, BAD, NOTHING, BAD], "failures_in_row"),
        ([GOOD, BAD, BAD, NOTHING, NOTHING] * 4, "failure_ratio"),
    ],
)
def test_what_opens_it(results: list[Result], cause: str) -> None:
    one = breaker()
    for result in results:
        if one.closed:
            calls(one, result)
    assert one.fact.cause == cause


def test_failures_older_than_the_window_do_not_count() -> None:
    one = breaker(replace(PLAIN, in_row=0, window_s=30.0))
    calls(one, *[BAD] * 9, now_s=1000.0)
    calls(one, *[GOOD] * 9 + [BAD] * 8, now_s=1031.0)
    assert one.closed
    calls(one, BAD, now_s=1040.0)
    assert one.fact.cause == "failure_ratio"


def test_after_its_time_it_lets_a_few_through_to_see() -> None:
    one = opened(replace(PLAIN, probes=2))
    first, moved = one.ask(1005.0)
    assert moved is not None
    assert moved.state is HALF_OPEN
    second, _ = one.ask(1005.0)
    assert first == second == one.generation
    assert one.ask(1005.0) == (None, None)
    assert one.wait_s(1005.0) > 0
    one.leave(first or 0)
    assert one.ask(1005.0)[0] == first


def test_good_probes_close_it() -> None:
    one = opened()
    calls(one, GOOD, now_s=1006.0)
    assert one.fact.state is HALF_OPEN
    calls(one, NOTHING, GOOD, now_s=1006.0)
    assert one.fact.state is CLOSED
    calls(one, BAD, BAD, now_s=1007.0)
    assert one.closed, "what was counted before is forgotten"


@pytest.mark.parametrize("result", [BAD, SLOW])
def test_a_probe_that_fails_opens_it_for_twice_as_long(result: Result) -> None:
    one = opened()
    calls(one, result, now_s=1006.0)
    assert (one.fact.state, one.fact.cause, one.fact.openings) == (OPEN, "probe", 2)
    assert one.fact.until_s == pytest.approx(1016.0)


def test_the_open_time_doubles_up_to_a_bound_with_some_chance() -> None:
    one = opened(replace(PLAIN, jitter=0.2), chance=0.5)
    now_s, spans = 1000.0, [one.fact.until_s - 1000.0]
    for _ in range(5):
        now_s = one.fact.until_s
        calls(one, BAD, now_s=now_s)
        spans.append(one.fact.until_s - now_s)
    assert spans == pytest.approx([5.5, 11.0, 22.0, 44.0, 66.0, 66.0])


@pytest.mark.parametrize(
    ("asked_s", "open_s"), [(0.0, 5.0), (3.0, 5.0), (20.0, 20.0), (900.0, 60.0)]
)
def test_it_stays_open_for_as_long_as_the_other_side_asked(asked_s: float, open_s: float) -> None:
    """Within its own bound: a provider's word does not switch a lane off for a day."""
    one = breaker()
    calls(one, BAD, BAD)
    moved = one.tell(0, BAD, 1000.0, asked_s)
    assert moved is one.fact
    assert one.wait_s(1000.0) == pytest.approx(open_s)


def test_calm_makes_the_next_open_time_a_first_one() -> None:
    one = opened()
    calls(one, GOOD, GOOD, now_s=1005.0)
    calls(one, BAD, BAD, BAD, now_s=1010.0)
    assert one.fact.openings == 2
    calls(one, GOOD, GOOD, now_s=1030.0)
    calls(one, BAD, BAD, BAD, now_s=1030.0 + PLAIN.calm_s)
    assert one.fact.openings == 1


def test_a_result_of_an_earlier_state_counts_for_nothing() -> None:
    """A call that began before the failure and ends long after."""
    one = breaker()
    old, _ = one.ask(1000.0)
    calls(one, BAD, BAD, BAD)
    probe, _ = one.ask(1005.0)
    for result in (GOOD, GOOD, BAD):
        assert one.tell(old or 0, result, 1005.0) is None
    one.leave(old or 0)
    assert one.ask(1005.0) == (None, None), "nor does it free a probe's place"
    assert one.tell(probe or 0, GOOD, 1005.0) is None
    assert one.fact.state is HALF_OPEN


def test_somebody_holds_it_open() -> None:
    one = breaker()
    fact = one.force(OPEN, "manual", 1000.0)
    assert fact.held
    assert one.ask(1e9) == (None, None)
    one.force(CLOSED, "manual", 1001.0)
    assert one.closed
    assert not one.fact.held


def test_another_replica_tells_of_a_later_state() -> None:
    one, other = opened(), breaker()
    assert other.hear(one.fact)
    assert other.ask(1001.0) == (None, None)
    assert not other.hear(one.fact), "nothing new"
    assert not other.hear(BreakerFact()), "an older one"


STATES = st.builds(
    BreakerFact,
    generation=st.integers(0, 3),
    state=st.sampled_from(BreakerState),
    until_s=st.sampled_from([0.0, 10.0, 20.0, FOR_EVER_S]),
)


@given(facts=st.lists(STATES, min_size=1), seed=st.integers(0, 1000))
def test_replicas_agree_whatever_the_order_in_which_they_hear(
    facts: list[BreakerFact], seed: int
) -> None:
    shuffled = facts[:]
    random.Random(seed).shuffle(shuffled)
    one, other = breaker(), breaker()
    for fact in facts:
        one.hear(fact)
    for fact in [*shuffled, *shuffled]:
        other.hear(fact)
    assert not later(one.fact, other.fact)
    assert not later(other.fact, one.fact)
    assert one.closed == other.closed


@given(
    steps=st.lists(
        st.tuples(st.sampled_from(Result), st.floats(0.0, 20.0), st.booleans()), max_size=200
    )
)
def test_a_half_open_breaker_never_has_more_probes_out_than_it_may(
    steps: list[tuple[Result, float, bool]],
) -> None:
    """And its generation grows with each move, by one."""
    one, now_s = breaker(replace(PLAIN, probes=2)), 1000.0
    out: list[int] = []
    for result, after_s, ends in steps:
        now_s += after_s
        before = one.generation
        if ends and out:
            generation = out.pop(0)
            one.leave(generation)
            moved = one.tell(generation, result, now_s)
        else:
            asked, moved = one.ask(now_s)
            if asked is not None:
                out.append(asked)
        assert one.generation == before + (moved is not None)
        if one.fact.state is HALF_OPEN:
            assert sum(g == one.generation for g in out) <= 2
        assert one.closed == (one.fact.state is CLOSED)
