"""What a call waited for, cause by cause."""

import pytest

from gateway.dataplane.waits import MAX_AHEAD, MAX_WAITS, Waits
from gateway.domain.admission import Bound, Expectation
from gateway.domain.explanation import Wait
from gateway.domain.limits import Dimension, ScopeKind

LANE, AGENT, TEAM = ScopeKind.LANE, ScopeKind.AGENT, ScopeKind.TEAM
RPM, TPM = Dimension.RPM, Dimension.TPM


def expected(
    scope: ScopeKind = LANE, dimension: Dimension = RPM, position: int = 1, ahead: str | None = None
) -> Expectation:
    return Expectation(position, 7.0, Bound(scope, "x", dimension, 7.0), ahead)


def test_the_same_cause_is_one_wait_as_it_was_at_its_beginning() -> None:
    waits = Waits()
    waits.tell(expected(position=9, ahead="bob"), 0.25, 0.5)
    waits.tell(expected(position=4, ahead="carol"), 0.25, 1.5)
    waits.tell(expected(position=1, ahead="bob"), 0.25, 2.5)
    waits.end(None, 3.25)
    assert waits.all() == (Wait(LANE, "x", RPM, 0.25, 3.0, 9, 7.0, ("bob", "carol")),)


def test_another_cause_is_another_wait_from_then_on() -> None:
    waits = Waits()
    waits.tell(expected(ahead="bob"), 0.0, 0.0)
    waits.tell(expected(AGENT, position=2), 0.0, 1.0)
    waits.tell(expected(AGENT, TPM), 0.0, 2.0)
    waits.end(None, 4.0)
    assert waits.all() == (
        Wait(LANE, "x", RPM, 0.0, 1.0, 1, 7.0, ("bob",)),
        Wait(AGENT, "x", RPM, 1.0, 1.0, 2, 7.0),
        Wait(AGENT, "x", TPM, 2.0, 2.0, 1, 7.0),
    )


def test_what_was_waited_for_is_better_known_than_what_was_predicted_once() -> None:
    seen = Bound(TEAM, "red", TPM, 0.0)
    once, twice = Waits(), Waits()
    for waits in (once, twice):
        waits.tell(expected(), 0.0, 0.0)
    twice.tell(expected(), 0.0, 1.0)
    for waits in (once, twice):
        waits.end(seen, 2.0)
    assert [(one.scope, one.name, one.dimension) for one in once.all()] == [(TEAM, "red", TPM)]
    assert [one.scope for one in twice.all()] == [LANE]


def test_a_call_that_waits_again_after_an_attempt_has_another_wait() -> None:
    waits = Waits()
    waits.tell(expected(), 0.0, 0.0)
    waits.end(None, 1.0)
    assert waits.expected is None
    waits.end(None, 2.0)  # admitted at once this time
    waits.tell(expected(), 5.0, 5.5)
    waits.end(None, 6.0)
    assert [(one.from_s, one.for_s) for one in waits.all()] == [(0.0, 1.0), (5.0, 1.0)]


def test_what_is_expected_now_is_at_hand() -> None:
    waits = Waits()
    waits.tell(expected(position=3), 0.0, 1.0)
    assert waits.expected == (expected(position=3), 1.0)


@pytest.mark.parametrize("times", [MAX_WAITS, 3 * MAX_WAITS])
def test_causes_that_alternate_for_ever_are_bounded_and_lose_no_time(times: int) -> None:
    waits = Waits()
    for second in range(times):
        waits.tell(expected((LANE, AGENT)[second % 2]), 0.0, float(second))
    waits.end(None, float(times))
    assert len(waits.all()) == MAX_WAITS
    assert sum(one.for_s for one in waits.all()) == times


def test_names_of_those_ahead_are_bounded() -> None:
    waits = Waits()
    for number in range(20):
        waits.tell(expected(ahead=f"agent-{number}"), 0.0, 0.0)
    waits.end(None, 1.0)
    assert len(waits.all()[0].ahead) == MAX_AHEAD
