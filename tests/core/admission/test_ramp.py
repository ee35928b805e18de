"""Lanes that begin again slowly (field-notes 13)."""

import pytest

from .desk import ALL, ITPM, NORMAL, Desk, S, charge, granted

RAMP = [600 * S, 0.5, 60 * S]
"""After ten minutes of rest from a half, within a minute."""


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.lane(itpm=6000, ramp=RAMP)
    return desk


def admitted_within(desk: Desk, seconds: int) -> int:
    """How many calls of 100 tokens an endless backlog gets through, from now on."""
    for number in range(400):
        desk.arrive(f"{desk.now_us}-{number}", charge(100), wait_s=100_000)
    before = desk.see().ledger[0][ITPM - 1]
    for _ in range(seconds):
        desk.after(1)
    return int(desk.see().ledger[0][ITPM - 1] - before) // 100


def test_after_a_long_rest_a_lane_begins_with_a_part_of_its_limits_and_grows_to_all(
    desk: Desk,
) -> None:
    desk.arrive("a", charge(100))
    desk.settle("a", charge(100))
    desk.after(600)
    seen = desk.see()
    assert (seen.pace, seen.level[1], seen.capacity[1]) == (0.5, 3000, 6000)
    desk.arrive("b", charge(3000))
    desk.after(30)
    seen = desk.see()
    assert seen.pace == 0.75
    assert seen.level[1] == pytest.approx(30 * 100 * 0.75)
    desk.after(30)
    assert desk.see().pace == 1
    desk.after(60)
    assert desk.see().level[1] == 6000


def test_the_ramp_waits_for_the_first_call(desk: Desk) -> None:
    desk.after(5000)
    assert desk.see().pace == 0.5
    desk.after(5000)
    desk.arrive("a", charge(100))
    desk.after(6)
    assert desk.see().pace == pytest.approx(0.55)


def test_a_lane_that_is_in_use_never_slows_down(desk: Desk) -> None:
    for number in range(4):
        desk.arrive(f"t{number}", charge(10))
        desk.after(500)
        desk.settle(f"t{number}", charge(10))
    desk.arrive("long", charge(10))
    desk.after(5000)
    assert desk.see().pace == 1
    desk.settle("long", charge(10))
    assert desk.see().pace == 1


def test_traffic_rises_over_the_ramp(desk: Desk) -> None:
    desk.after(700)
    desk.arrive("first", charge(3000))
    shares = [admitted_within(desk, 20) for _ in range(6)]
    assert shares[:3] == [pytest.approx(n, abs=1) for n in (11, 15, 18)]
    assert shares[3:] == [20, 20, 20]


def test_a_429_that_names_no_limit_begins_a_ramp_when_its_block_ends(desk: Desk) -> None:
    desk.block(ALL, for_s=5)
    desk.after(5)
    seen = desk.see()
    assert (seen.pace, seen.level[1]) == (0.5, 0)
    desk.after(60)
    assert desk.see().pace == 1


def test_a_429_of_a_limit_begins_none(desk: Desk) -> None:
    desk.block(ITPM, for_s=5)
    desk.after(6)
    assert (desk.see().pace, desk.see().level[1]) == (1, 100)


def test_an_answer_does_not_undo_a_ramp(desk: Desk) -> None:
    desk.after(700)
    desk.arrive("a", charge(1000))
    desk.head("a", (ITPM, -1, 5000, 1))
    assert desk.see().level[1] == 2000


def test_what_an_operator_unblocks_begins_its_ramp_at_once(desk: Desk) -> None:
    desk.block(ALL, for_s=500)
    desk.call(["unblock", "lane"])
    desk.after(30)
    assert desk.see().pace == 0.75


def test_a_call_larger_than_the_part_waits_for_it_and_goes(desk: Desk) -> None:
    desk.after(700)
    event = desk.arrive("a", charge(5000), band=NORMAL)
    assert event[0] == "w"
    assert granted([e for _ in range(60) for e in desk.after(1)]) == ["a"]


def test_without_a_ramp_a_lane_is_as_fast_as_ever() -> None:
    desk = Desk()
    desk.lane(itpm=6000)
    desk.after(5000)
    desk.block(ALL, for_s=1)
    desk.after(2)
    assert (desk.see().pace, desk.see().level[1]) == (1, 100)
