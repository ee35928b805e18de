"""The provider is the truth: what its headers say corrects our buckets."""

import pytest

from .desk import BACKGROUND, ITPM, NORMAL, OTPM, RPM, URGENT, Desk, charge, granted


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.lane(itpm=10_000, otpm=5_000)
    return desk


def test_figures_that_calls_in_flight_explain_change_nothing(desk: Desk) -> None:
    desk.arrive("a", charge(2000, 500))
    for remaining in (8000, 9000, 10_000):
        desk.head("a", (ITPM, 10_000, remaining, 1), (OTPM, -1, 4700, 1))
    seen = desk.see()
    assert seen.level == [0, 8000, 4500, 0]
    assert seen.drift == [0, 0, 0, 0]


def test_less_than_we_think_is_somebody_else_and_is_adopted_at_once(desk: Desk) -> None:
    desk.arrive("a", charge(2000))
    desk.head("a", (ITPM, -1, 5000, 1))
    assert desk.see().level[1] == 5000
    assert desk.see().drift[1] == 3000  # ours minus theirs


def test_more_than_calls_in_flight_explain_is_adopted_too(desk: Desk) -> None:
    desk.arrive("a", charge(2000))
    desk.settle("a", charge(2000))
    desk.arrive("b", charge(1000))  # level 7000, held 1000
    desk.head("b", (ITPM, -1, 9500, 1))
    assert desk.see().level[1] == 8500
    assert desk.see().drift[1] == -1500


def test_what_is_left_of_a_provider_s_larger_limit_does_not_refill_ours(desk: Desk) -> None:
    desk.arrive("a", charge(9000))
    desk.head("a", (ITPM, 80_000, 71_000, 1))
    desk.settle("a", charge(9000))
    desk.arrive("b", charge(10))
    desk.head("b", (ITPM, 80_000, 79_000, 1))
    assert desk.see().level[1] == 990
    assert desk.see().drift[1] == 0
    desk.head("b", (ITPM, 80_000, 500, 1))  # but what is left of it binds
    assert desk.see().level[1] == 500


def test_a_rounded_figure_is_only_wrong_beyond_its_rounding(desk: Desk) -> None:
    desk.arrive("a", charge(2400))  # level 7600, told 8000 or 7000
    desk.head("a", (ITPM, -1, 7000, 1000))
    assert desk.see().level[1] == 7000
    desk.head("a", (ITPM, -1, 7000, 1000))
    assert desk.see().level[1] == 7000
    desk.head("a", (ITPM, -1, 6500, 1000))
    assert desk.see().level[1] == 7000


def test_the_same_news_in_several_answers_counts_once(desk: Desk) -> None:
    for ticket in "abc":
        desk.arrive(ticket, charge(1000))
    desk.after(0)
    # A neighbour took 2000 before a reached the provider: all three answers say so.
    desk.head("a", (ITPM, -1, 7000, 1))
    desk.head("b", (ITPM, -1, 6000, 1))
    desk.head("c", (ITPM, -1, 5000, 1))
    assert desk.see().level[1] == 5000


@pytest.mark.parametrize("remaining", [9000, 9400])
def test_an_answer_may_tell_of_its_call_s_arrival_or_of_its_end(desk: Desk, remaining: int) -> None:
    desk.arrive("a", charge(1000))  # 9000 are left when it arrives
    desk.after(6)  # and 10000 six seconds later
    desk.arrive("b", charge(600))
    desk.head("a", (ITPM, -1, remaining, 1))
    assert desk.see().level[1] == 9400


def test_what_a_correction_took_is_not_taken_again_at_settlement(desk: Desk) -> None:
    desk.arrive("a", charge(1000))  # in truth 1300
    desk.head("a", (ITPM, -1, 8700, 1))
    assert desk.see().level[1] == 8700
    desk.settle("a", charge(1300))
    assert desk.see().level[1] == 8700
    assert desk.see().pending[1] == 0


def test_calls_in_flight_explain_no_more_than_they_hold(desk: Desk) -> None:
    desk.arrive("a", charge(1000))
    desk.head("a", (ITPM, -1, 2000, 1))  # a neighbour took most of it
    assert desk.see().pending[1] == 1000
    desk.settle("a", charge(1000))
    assert (desk.see().level[1], desk.see().pending[1]) == (2000, 0)


def test_the_margin_stays_between_their_figure_and_our_level(desk: Desk) -> None:
    desk.lane(itpm=10_000, margin=0.1)
    desk.arrive("a", charge(1000))
    assert desk.see().level[1] == 8000
    desk.head("a", (ITPM, -1, 9000, 1))
    assert desk.see().level[1] == 8000
    desk.head("a", (ITPM, -1, 6000, 1))
    assert desk.see().level[1] == 5000


def test_limits_that_the_configuration_leaves_out_are_learned(desk: Desk) -> None:
    desk.arrive("a", charge(3000), lane="own")
    desk.head("a", (ITPM, 20_000, 17_000, 1), (RPM, 50, 49, 1), lane="own")
    seen = desk.see("own")
    assert seen.limits == [50, 20_000, -1, -1]
    assert seen.configured == [-1] * 4
    assert seen.level[1] == pytest.approx(20_000 * 0.99 - 3000)


def test_of_a_configured_and_a_told_limit_the_smaller_governs_and_both_are_shown(
    desk: Desk,
) -> None:
    desk.arrive("a", charge(10))
    desk.head("a", (ITPM, 8000, -1, 1))
    desk.head("a", (OTPM, 90_000, -1, 1))
    seen = desk.see()
    assert (seen.limits[1], seen.limits[2]) == (8000, 5000)
    assert (seen.learned[1], seen.learned[2]) == (8000, 90_000)


def test_a_correction_lets_go_whom_it_makes_room_for(desk: Desk) -> None:
    desk.arrive("a", charge(10_000))
    desk.settle("a", charge(10_000))
    desk.arrive("b", charge(4000))
    assert granted(desk.head("unknown", (ITPM, -1, 6000, 1))) == ["b"]


def test_during_a_block_figures_only_lower(desk: Desk) -> None:
    desk.block(ITPM, for_s=6)
    desk.head("unknown", (ITPM, -1, 9000, 1))
    assert desk.see().level[1] == -1000
    desk.head("unknown", (ITPM, -1, -2000 + 2001, 1))
    assert desk.see().level[1] == -1000


def test_the_answer_of_a_ticket_of_another_lane_still_tells_of_this_one(desk: Desk) -> None:
    desk.arrive("a", charge(10), lane="other")
    desk.head("a", (ITPM, -1, 4000, 1))
    assert desk.see().level[1] == 4000


def test_dimensions_without_limit_are_not_corrected(desk: Desk) -> None:
    desk.arrive("a", charge(10))
    desk.head("a", (RPM, -1, 3, 1))
    assert desk.see().drift == [0, 0, 0, 0]


# --- a rate-limit 429 ---------------------------------------------------------------------------


def test_a_refused_call_waits_again_in_its_old_place_and_goes_when_the_block_ends(
    desk: Desk,
) -> None:
    desk.arrive("a", charge(6000))
    desk.arrive("b", charge(6000))
    desk.block(ITPM, for_s=5)
    desk.requeue("a", charge(6000))
    assert desk.queue() == ["a", "b"]
    assert granted(desk.after(4.9)) == []
    assert granted(desk.after(0.2)) == ["a"]


def test_a_refused_call_counted_as_a_request_for_the_lane_only(desk: Desk) -> None:
    desk.lane(rpm=60, itpm=10_000)
    desk.budget("agent:ann", rpm=5, tpm=9000)
    desk.arrive("a", charge(6000, 100))
    desk.block(ITPM, for_s=5)
    desk.requeue("a", charge(6000, 100))
    assert desk.see().ledger[1] == [1, 0, 0, 0]
    assert desk.see().held == [0, 0, 0, 0]
    budget = desk.see_budget("agent:ann")
    assert (budget.requests, budget.tokens, budget.in_flight) == (0, 0, 0)


def test_several_refused_calls_do_not_all_go_at_once_when_the_block_ends(desk: Desk) -> None:
    desk.arrive("a", charge(3000))
    desk.arrive("b", charge(3000))
    for ticket in "ab":
        desk.block(ITPM, for_s=5)
        desk.requeue(ticket, charge(3000))
    assert granted(desk.after(5.01)) == ["a"]
    assert granted(desk.after(18)) == []
    assert granted(desk.after(3)) == ["b"]  # with room for strangers: there must be one


def test_a_requeue_of_an_unknown_ticket_is_an_arrival_and_one_sent_twice_changes_nothing(
    desk: Desk,
) -> None:
    assert granted(desk.requeue("a", charge(10))) == ["a"]
    desk.block(ITPM, for_s=5)
    desk.requeue("a", charge(10))
    before = desk.see()
    desk.requeue("a", charge(10))
    assert desk.see() == before


# --- calls that answer late ---------------------------------------------------------------------


def test_a_late_answer_cannot_hide_foreign_use_behind_what_was_left_at_its_arrival(
    desk: Desk,
) -> None:
    desk.arrive("a", charge(9000))  # 1000 are left when it arrives
    desk.after(40)  # 7667 when its answer comes, and 6000 ten seconds earlier
    desk.head("a", (ITPM, -1, 3000, 1))
    assert desk.see().drift[1] == pytest.approx(3000)  # which went to somebody else


def test_an_early_answer_may_still_tell_of_its_call_s_arrival(desk: Desk) -> None:
    desk.arrive("a", charge(9000))
    desk.after(10)
    desk.head("a", (ITPM, -1, 1000, 1))
    assert desk.see().drift[1] == 0


# --- strangers on the account -------------------------------------------------------------------


@pytest.mark.parametrize(("band", "goes"), [(URGENT, True), (NORMAL, False), (BACKGROUND, False)])
def test_what_a_stranger_took_is_left_in_the_bucket_by_all_but_urgent_calls(
    desk: Desk, band: int, *, goes: bool
) -> None:
    desk.head("unknown", (ITPM, -1, 8000, 1))
    assert desk.see().strangers[1] == 2000
    event = desk.arrive("a", charge(7000), band=band)
    assert (event[0] == "g") is goes
    if not goes:
        assert event[4:7] == ["band", "lane", "itpm"]  # there is enough, but it is not theirs
        assert event[3] == 6_000_000  # 1000 are missing
        desk.see()
        assert granted(desk.after(6.2)) == ["a"]


def test_the_largest_correction_counts_up_to_a_quarter_of_the_bucket(desk: Desk) -> None:
    for remaining, kept in ((9000, 1000), (8500, 1000), (4000, 2500)):
        desk.head("unknown", (ITPM, -1, remaining, 1))
        assert desk.see().strangers[1] == kept


def test_each_429_leaves_more_for_strangers_up_to_a_quarter_of_the_bucket(desk: Desk) -> None:
    """From the moment when the refused call goes again, which the provider itself has named."""
    desk.arrive("a", charge(100, 10))
    kept = []
    for _ in range(7):
        desk.block(ITPM, for_s=1)
        desk.requeue("a", charge(100, 10))
        assert granted([event for _ in range(18) for event in desk.after(1)]) == ["a"]
        kept.append(round(desk.see().strangers[1]))
    assert kept == sorted(kept)
    assert 400 < kept[0] <= 500
    assert 2000 < kept[-1] <= 2500
    assert desk.see().strangers[2] == 0


def test_strangers_of_whom_nothing_is_heard_are_forgotten_over_minutes(desk: Desk) -> None:
    desk.head("unknown", (ITPM, -1, 8000, 1))
    desk.after(300)
    assert desk.see().strangers[1] == 1000
    for _ in range(60):
        desk.after(60)
    assert desk.see().strangers[1] == 0


def test_an_estimate_of_our_own_that_was_too_low_is_no_stranger(desk: Desk) -> None:
    desk.arrive("a", charge(1000))  # in truth 1300
    desk.head("a", (ITPM, -1, 8700, 1))
    assert desk.see().strangers[1] == 300
    desk.settle("a", charge(1300))
    assert desk.see().strangers[1] == 0


def test_leaving_room_for_strangers_costs_no_throughput(desk: Desk) -> None:
    desk.lane(itpm=600)
    desk.head("unknown", (ITPM, -1, 450, 1))
    for number in range(200):
        desk.arrive(f"t{number}", charge(60), wait_s=10_000)
    served = len(granted([event for _ in range(600) for event in desk.after(1)]))
    assert served >= 100  # ten minutes at the full rate, and what was left at first


def test_a_call_as_large_as_the_limit_still_goes_once_the_bucket_is_full(desk: Desk) -> None:
    desk.head("unknown", (ITPM, -1, 5000, 1))
    desk.arrive("a", charge(10_000))
    assert granted(desk.after(31)) == ["a"]
