"""What operators do to the queue, and which configuration counts."""

from typing import Any

import pytest

from gateway.core.admission.messages import refused as verdict
from gateway.domain.outcome import Reason

from .desk import BACKGROUND, NORMAL, URGENT, Desk, S, charge, granted, refused


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.lane(itpm=60_000, concurrency=1)
    desk.arrive("running", charge(1), agent="zoe")
    desk.arrive("first", agent="ann")
    desk.arrive("second", agent="bob")
    desk.arrive("third", agent="ann")
    return desk


def test_a_call_that_is_moved_goes_with_its_new_priority(desk: Desk) -> None:
    assert desk.queue() == ["first", "second", "third"]
    events = desk.call(["move", "third", URGENT])
    assert desk.queue() == ["third", "first", "second"]
    assert [event[:3] for event in events] == [["w", "third", 1]]
    desk.call(["move", "first", BACKGROUND])
    assert desk.queue() == ["third", "second", "first"]


def test_a_call_moved_back_comes_before_later_ones_of_its_agent(desk: Desk) -> None:
    desk.call(["move", "first", URGENT])
    desk.call(["move", "first", NORMAL])
    assert [one for one in desk.queue() if one != "second"] == ["first", "third"]


def test_the_next_of_an_agent_is_served_when_its_first_was_moved_away(desk: Desk) -> None:
    desk.call(["move", "first", BACKGROUND])
    assert granted(desk.settle("running", charge(1))) == ["third"]
    assert granted(desk.settle("third")) == ["second"]
    assert granted(desk.settle("second")) == ["first"]


def test_a_call_that_is_dismissed_is_told_why_and_keeps_no_place(desk: Desk) -> None:
    (event,) = desk.call(["dismiss", "first", "cancelled", -1])
    told = verdict(event)
    assert (told.reason, told.retry_after_s) == (Reason.CANCELLED, None)
    assert (told.disposition.status, told.disposition.final) == (403, True)
    assert desk.queue() == ["third", "second"]
    assert not desk.engine.books.places
    (event,) = desk.call(["dismiss", "second", "drained", 30 * S])
    assert (verdict(event).reason, verdict(event).retry_after_s) == (Reason.DRAINED, 30.0)


def test_another_replica_hears_of_its_call_by_its_outbox(desk: Desk) -> None:
    desk.replica = "r2"
    desk.call(["hello"], ["dismiss", "first", "cancelled", -1])
    assert refused(desk.engine.outbox("r1")) == {"first": "cancelled"}


def test_what_runs_or_is_unknown_is_left_alone(desk: Desk) -> None:
    for operation in (["dismiss", "running", "cancelled", -1], ["move", "running", URGENT],
                      ["dismiss", "nobody", "cancelled", -1], ["move", "nobody", URGENT]):  # fmt: skip
        assert desk.call(operation) == []
    assert desk.see().in_flight == 1


@pytest.mark.parametrize("scope", ["lane:lane", "agent:ann", "team:red"])
def test_the_limits_of_an_older_configuration_change_nothing(scope: str) -> None:
    desk = Desk()

    def limit(rpm: int) -> dict[str, Any]:
        if scope.startswith("lane"):
            return {
                "limits": [rpm, -1, -1, -1], "concurrency": -1, "margin": 0, "floors": [0, 0, 0],
                "minute_us": 60 * S, "max_depth": 10, "ageing_us": 30 * S,
            }  # fmt: skip
        return {"limits": [rpm, -1, -1, -1, -1], "soft": 0, "minute_us": 60 * S}

    def in_force() -> int:
        found = desk.see() if scope.startswith("lane") else desk.see_budget(scope)
        return int(found.limits[0])

    desk.call(["configure", scope, limit(1)])
    assert in_force() == 1
    for rpm, stamp, rules in [
        (2, [0, 200], True),  # a replica loaded its file
        (3, [0, 100], False),  # another one had loaded its own before
        (4, [7, 100], True),  # which hears of a run-time edit first
        (5, [0, 200], False),
        (6, [7, 200], True),  # both know it: the file that was loaded last counts
        (7, [7, 200], True),
        (8, [7, 100], False),
    ]:
        before = in_force()
        desk.call(["configure", scope, limit(rpm), stamp])
        assert in_force() == (rpm if rules else before), (rpm, stamp)
