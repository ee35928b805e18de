"""Lanes: buckets, floors, margin, concurrency, blocks."""

import pytest

from .desk import (
    ALL,
    BACKGROUND,
    ITPM,
    NORMAL,
    OTPM,
    RPM,
    URGENT,
    Desk,
    S,
    charge,
    granted,
    refused,
)


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_lane_that_nobody_configured_lets_everything_through(desk: Desk) -> None:
    for number in range(50):
        assert desk.arrive(f"t{number}", charge(10**9, 10**9))[0] == "g"


@pytest.mark.parametrize(
    ("limits", "needs", "fits"),
    [
        ({"rpm": 3}, charge(), 3),
        ({"itpm": 1000}, charge(300), 3),
        ({"otpm": 1000}, charge(0, 250), 4),
        ({"tpm": 1000}, charge(300, 200), 2),
        ({"concurrency": 5}, charge(10, 10), 5),
        ({"rpm": 9, "itpm": 1000, "otpm": 500}, charge(100, 250), 2),
        ({"itpm": 1000, "margin": 0.2}, charge(200), 4),
    ],
)
def test_only_what_fits_is_admitted(
    desk: Desk, limits: dict[str, float], needs: list[int], fits: int
) -> None:
    desk.lane("lane", **limits)
    verdicts = [desk.arrive(f"t{number}", needs)[0] for number in range(fits + 2)]
    assert verdicts == ["g"] * fits + ["w"] * 2


def test_a_bucket_refills_continuously_up_to_its_capacity(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.arrive("a", charge(600))
    desk.arrive("b", charge(100))
    assert desk.last.lanes == [("lane", 10 * S + 1, "r1")]
    assert granted(desk.after(9.9)) == []
    assert granted(desk.after(0.2)) == ["b"]
    desk.after(500)
    assert desk.see().level[1] == 600


def test_a_dimension_that_a_call_does_not_need_does_not_bind_it(desk: Desk) -> None:
    desk.lane(itpm=100, otpm=100)
    desk.arrive("a", charge(0, 100))
    assert desk.arrive("b", charge(100, 0))[0] == "g"


def test_a_limit_that_one_call_fits_lets_it_through_whatever_margin_and_floor(desk: Desk) -> None:
    desk.lane(rpm=1, itpm=100, margin=0.1, floors=[0, 0.5, 0.9])
    assert desk.arrive("a", charge(100), band=BACKGROUND)[0] == "g"


def test_a_call_larger_than_the_limit_is_refused_at_once_with_the_figures(desk: Desk) -> None:
    desk.lane(itpm=100)
    event = desk.arrive("a", charge(101))
    assert event == ["r", "a", "larger_than_limit", "lane", "lane", "itpm", 101, 100, -1]


def test_concurrency_is_held_to_settlement(desk: Desk) -> None:
    desk.lane(concurrency=1)
    desk.arrive("a")
    desk.arrive("b")
    assert granted(desk.after(60)) == []
    assert granted(desk.settle("a")) == ["b"]


def test_a_band_leaves_its_floor_to_the_bands_above(desk: Desk) -> None:
    desk.lane(itpm=1000, floors=[0, 0.2, 0.5])
    desk.arrive("a", charge(500), band=BACKGROUND)
    assert desk.arrive("b", charge(1), band=BACKGROUND)[0] == "w"
    desk.cancel("b")
    assert desk.arrive("c", charge(300), band=NORMAL)[0] == "g"
    assert desk.arrive("d", charge(1), band=NORMAL)[0] == "w"
    desk.cancel("d")
    assert desk.arrive("e", charge(200), band=URGENT)[0] == "g"


def test_a_floor_costs_no_throughput(desk: Desk) -> None:
    desk.lane(itpm=600, floors=[0, 0.05, 0.2])
    for number in range(200):
        desk.arrive(f"t{number}", charge(60), band=BACKGROUND, wait_s=10_000)
    served = 0
    for _ in range(600):
        served += len(granted(desk.after(1)))
    assert served == 100  # ten minutes at the full rate


def test_a_lane_says_which_bands_are_saturated_and_by_what(desk: Desk) -> None:
    desk.lane(rpm=100, itpm=1000, floors=[0, 0.05, 0.2])
    for used, saturated in (
        (0, ["", "", ""]),
        (799, ["", "", ""]),
        (1, ["", "", "itpm"]),
        (150, ["", "itpm", "itpm"]),
        (50, ["itpm"] * 3),
    ):
        desk.arrive(f"t{used}", charge(used), band=URGENT)
        assert desk.see().saturated == saturated
    desk.call(["cancel", "t799", 0])
    assert desk.see().saturated == ["", "", ""]


def test_who_is_kept_back_by_a_floor_alone_is_told_so(desk: Desk) -> None:
    desk.lane(itpm=1000, floors=[0, 0, 0.5])
    desk.arrive("a", charge(400), band=URGENT)
    event = desk.arrive("b", charge(200), band=BACKGROUND)
    assert (event[0], event[4:7]) == ("w", ["band", "lane", "itpm"])
    assert [entry.kind for entry in desk.see().queue] == ["band"]
    assert desk.arrive("c", charge(900), band=BACKGROUND)[4:7] == ["lane", "lane", "itpm"]
    desk.cancel("c")
    assert ["g", "b", 6_060_000, "band", "lane", "itpm"] in desk.after(6.06)


def test_settlement_returns_what_was_not_used_and_takes_what_was_used_beyond(desk: Desk) -> None:
    desk.lane(itpm=1000)
    desk.arrive("a", charge(500))
    desk.settle("a", charge(200))
    assert desk.see().level[1] == 800
    desk.arrive("b", charge(800))
    desk.settle("b", charge(900))
    assert desk.see().level[1] == -100


def test_the_ledger_sums_to_zero_whatever_happens(desk: Desk) -> None:
    desk.lane(itpm=1000)
    for ticket in "abcd":
        desk.arrive(ticket, charge(100, 10))
    desk.settle("a", charge(70, 30))
    desk.cancel("b")
    desk.call(["extend", "c", "lane", 25])
    seen = desk.see()
    reserved, settled, released, expired = seen.ledger
    assert reserved == [4, 400, 75, 455]  # a produced 20 more, c grew by 15
    assert settled == [1, 70, 30, 100]
    assert released == [1, 130, 10, 120]  # a's input over-estimated, b whole
    assert [sum(row) for row in zip(settled, released, expired, seen.held, strict=True)] == reserved


def test_a_growing_answer_holds_more(desk: Desk) -> None:
    desk.lane(otpm=1000, tpm=5000)
    desk.arrive("a", charge(100, 50))
    desk.call(
        ["extend", "a", "lane", 300], ["extend", "a", "lane", 200], ["extend", "x", "lane", 9]
    )
    seen = desk.see()
    assert seen.held == [1, 100, 300, 400]
    assert seen.level[2:] == [700, 4600]


# --- blocks -------------------------------------------------------------------------------------


def test_a_block_stops_what_needs_the_dimension_and_nothing_else(desk: Desk) -> None:
    desk.lane(itpm=1000, otpm=1000)
    desk.block(OTPM, for_s=5)
    assert desk.arrive("a", charge(10, 0))[0] == "g"
    assert desk.arrive("b", charge(10, 10))[0] == "w"


def test_after_a_block_the_bucket_starts_from_empty(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.block(ITPM, for_s=5)
    desk.arrive("a", charge(10))
    assert desk.last.lanes == [("lane", 6 * S + 1, "r1")]
    assert granted(desk.after(5)) == []
    assert desk.see().level[1] == 0
    assert granted(desk.after(1.001)) == ["a"]


def test_a_second_block_does_not_empty_the_bucket_twice(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.block(ITPM, for_s=5)
    desk.block(ITPM, for_s=5)
    desk.block(ITPM, for_s=1)
    desk.after(5)
    assert desk.see().level[1] == 0


def test_a_block_that_names_nothing_stops_the_lane(desk: Desk) -> None:
    desk.lane(rpm=60, concurrency=9)
    desk.block(ALL, for_s=2)
    event = desk.arrive("a", wait_s=30)
    assert (event[0], event[6]) == ("w", "rpm")
    assert granted(desk.after(3.1)) == ["a"]


def test_who_cannot_outwait_a_block_is_refused_at_once_with_the_time(desk: Desk) -> None:
    desk.lane(concurrency=1)
    desk.arrive("a")
    desk.arrive("b", wait_s=10)
    desk.arrive("c", wait_s=100)
    events = desk.block(ALL, for_s=50)
    assert events == [["r", "b", "lane_blocked", "lane", "lane", "rpm", 0, 0, 50 * S]]
    assert desk.arrive("d", wait_s=20)[2:] == ["lane_blocked", "lane", "lane", "rpm", 0, 0, 50 * S]
    assert desk.queue() == ["c"]


def test_an_operator_ends_a_block_and_pauses_a_lane(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.block(ITPM, ALL, for_s=500)
    desk.arrive("a", charge(100))
    desk.call(["unblock", "lane"])
    assert desk.see().blocked_until_us == [0] * 5
    assert desk.see().level[1] == 0
    assert granted(desk.after(10.1)) == ["a"]
    desk.call(["pause", "lane"])
    assert desk.arrive("b", charge(10), wait_s=60)[:3] == ["r", "b", "lane_blocked"]
    desk.arrive("c", charge(10), wait_s=5000)
    assert granted(desk.after(100)) == []
    assert granted(desk.call(["resume", "lane"])) == ["c"]


# --- limits that change -------------------------------------------------------------------------


def test_a_new_limit_acts_at_once_on_what_waits_and_what_is_used_stays_used(desk: Desk) -> None:
    desk.lane(itpm=1000)
    desk.arrive("a", charge(900))
    desk.arrive("b", charge(500))
    desk.lane(itpm=2000)
    assert granted(desk.log)[-1] == "b"
    assert desk.see().level[1] == 600
    desk.lane(itpm=1000)
    assert desk.see().level[1] == -400


def test_a_ticket_that_outgrew_a_lowered_limit_is_refused(desk: Desk) -> None:
    desk.lane(itpm=1000)
    desk.arrive("a", charge(900))
    desk.arrive("b", charge(500))
    desk.lane(itpm=400)
    assert refused(desk.log) == {"b": "larger_than_limit"}


def test_a_clock_that_goes_back_refills_nothing(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.arrive("a", charge(600))
    desk.after(-20)
    assert desk.see().level[1] == 0
    desk.after(1)
    assert desk.see().level[1] == 10


def test_requests_are_counted_like_tokens(desk: Desk) -> None:
    desk.lane(rpm=60)
    for number in range(60):
        desk.arrive(f"t{number}")
    desk.arrive("last")
    assert desk.see().queue[0].dimension == "rpm"
    assert granted(desk.after(1.001)) == ["last"]
    assert desk.see().ledger[0][RPM - 1] == 61
