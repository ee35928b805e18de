"""What a waiting ticket is told: its place, who is ahead of it, what keeps it back, and again."""

import pytest

from gateway.core.admission.operations import TOLD_AT_ONCE

from .desk import BACKGROUND, NORMAL, URGENT, Desk, charge


@pytest.fixture
def desk() -> Desk:
    """One call at a time, and one is running."""
    desk = Desk()
    desk.lane(concurrency=1)
    desk.arrive("running", charge(10), agent="zoe")
    return desk


def told(desk: Desk, ticket: str) -> dict[str, object]:
    """What a beat says of one ticket."""
    [event] = [event for event in desk.call(["beat", [ticket]]) if event[0] == "w"]
    names = ("position", "wait_us", "kind", "name", "dimension", "left_us", "ahead")
    return dict(zip(names, event[2:], strict=True))


def test_nobody_is_ahead_of_the_first(desk: Desk) -> None:
    desk.arrive("a", charge(10))
    assert told(desk, "a") | {"left_us": 0} == {
        "position": 1,
        "wait_us": 0,
        "kind": "lane",
        "name": "lane",
        "dimension": "concurrency",
        "left_us": 0,
        "ahead": "",
    }


def test_another_agent_is_ahead_in_the_band_or_above(desk: Desk) -> None:
    desk.arrive("b", charge(10), agent="bob", band=BACKGROUND)
    assert told(desk, "b")["ahead"] == ""
    desk.arrive("n", charge(10), agent="ned", band=NORMAL)
    assert told(desk, "b")["ahead"] == "ned"
    desk.arrive("u", charge(10), agent="bob", band=URGENT)
    assert told(desk, "b")["ahead"] == told(desk, "n")["ahead"] == "bob"
    assert told(desk, "u")["ahead"] == ""


def test_an_agent_s_own_earlier_call_is_ahead_of_its_next(desk: Desk) -> None:
    desk.arrive("a", charge(10))
    desk.arrive("b", charge(10))
    assert told(desk, "b") | {"wait_us": 0, "left_us": 0} == {
        "position": 2,
        "wait_us": 0,
        "kind": "lane",
        "name": "lane",
        "dimension": "concurrency",
        "left_us": 0,
        "ahead": "ann",
    }


def test_a_call_that_its_budget_keeps_back_waits_for_its_like_only() -> None:
    desk = Desk()
    desk.lane(itpm=60_000)
    desk.budget("team:red", rpm=1)
    desk.arrive("running", charge(10), agent="zoe", team="red")
    desk.arrive("a", charge(10), agent="ann", team="red")
    desk.arrive("b", charge(10), agent="bob", team="red")
    assert (told(desk, "a")["kind"], told(desk, "a")["ahead"]) == ("team", "")
    assert (told(desk, "b")["kind"], told(desk, "b")["ahead"]) == ("team", "ann")


def test_what_is_expected_follows_what_happens(desk: Desk) -> None:
    desk.arrive("a", charge(10), agent="ann")
    desk.arrive("b", charge(10), agent="bob")
    assert told(desk, "b")["position"] == 2
    desk.cancel("a")
    desk.now_us += 5_000_000
    now = told(desk, "b")
    assert (now["position"], now["ahead"], now["left_us"]) == (1, "", 595_000_000)


def test_a_beat_never_refuses_whoever_waits_already() -> None:
    desk = Desk()
    desk.lane(itpm=600)
    desk.arrive("running", charge(600), agent="zoe")
    desk.arrive("a", charge(50), agent="ann", wait_s=6)
    desk.arrive("u", charge(500), agent="uma", band=URGENT)
    now = told(desk, "a")
    assert (now["position"], now["wait_us"], now["left_us"]) == (2, 55_000_000, 6_000_000)


def test_the_queue_shows_how_long_slots_and_blocks_keep_each_back(desk: Desk) -> None:
    desk.now_us += 4_000_000
    desk.settle("running", charge(10))  # calls run for four seconds
    desk.arrive("next", charge(10), agent="zoe")
    desk.arrive("a", charge(10), agent="ann")
    desk.arrive("b", charge(10), agent="bob")
    rows = [(row.ticket, row.predicted_us, row.dimension) for row in desk.see().queue]
    assert rows == [("a", 4_000_000, "concurrency"), ("b", 8_000_000, "concurrency")]
    desk.block(1, for_s=6)
    rows = [(row.ticket, row.predicted_us, row.dimension) for row in desk.see().queue]
    assert rows == [("a", 6_000_000, "rpm"), ("b", 8_000_000, "concurrency")]
    desk.call(["pause", "lane"])
    assert {row.predicted_us for row in desk.see().queue} == {3_600_000_000}


def test_the_queue_shows_how_long_a_budget_of_calls_keeps_each_back() -> None:
    desk = Desk()
    desk.lane(itpm=60_000)
    desk.budget("agent:ann", concurrency=1)
    desk.arrive("running", charge(10))
    desk.now_us += 2_000_000
    desk.settle("running", charge(10))
    for ticket in ("next", "a", "b"):
        desk.arrive(ticket, charge(10))
    rows = [(row.ticket, row.predicted_us, row.kind, row.dimension) for row in desk.see().queue]
    assert rows == [
        ("a", 2_000_000, "agent", "concurrency"),
        ("b", 4_000_000, "agent", "concurrency"),
    ]


def test_one_beat_tells_so_many_and_no_more(desk: Desk) -> None:
    names = [f"t{number:03}" for number in range(TOLD_AT_ONCE + 5)]
    for name in names:
        desk.arrive(name, charge(1))
    told = [event[1] for event in desk.call(["beat", names]) if event[0] == "w"]
    assert told == names[:TOLD_AT_ONCE]
