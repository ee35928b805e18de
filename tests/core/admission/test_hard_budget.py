"""What docs/limits.md promises of a hard `tpm` budget, whatever calls do (field-notes 10).

Time goes by in seconds here. A call's input is used when it is admitted; when its output is used
is left open: the sliding minutes hold whether all of it counts at the beginning or at the end.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from .desk import Desk, charge, granted

TPM = 1000
MINUTE = 60


@dataclass
class Call:
    """One call: what is held for it, and what it really takes; times in seconds."""

    pause: int
    lasts: int
    held_input: int
    held_output: int
    input_tokens: int
    output_tokens: int
    grows: bool
    began: int = -1
    ended: int = -1

    @property
    def beyond(self) -> int:
        """What it takes beyond what is held for it."""
        return max(0, self.input_tokens - self.held_input) + max(
            0, self.output_tokens - self.held_output
        )

    def used(self, first: int, last: int, *, early: bool) -> int:
        """Its use from one second to another."""
        if self.began < 0:
            return 0
        output_at = self.began if early else self.ended
        used = self.input_tokens if first <= self.began <= last else 0
        return used + (self.output_tokens if first <= output_at <= last else 0)


def calls(most: float) -> st.SearchStrategy[list[Call]]:
    """Calls that take up to so many times what is held for them."""

    @st.composite
    def one(draw: st.DrawFn) -> Call:
        held_input, held_output = draw(st.integers(1, 400)), draw(st.integers(0, 400))
        share = st.floats(0, most)
        return Call(
            pause=draw(st.sampled_from([0, 0, 1, 5, 30])),
            lasts=draw(st.sampled_from([0, 1, 5, 20, 90])),
            held_input=held_input,
            held_output=held_output,
            input_tokens=int(held_input * draw(share)),
            output_tokens=int(held_output * draw(share)),
            grows=draw(st.booleans()),
        )

    return st.lists(one(), min_size=2, max_size=12)


def live(plan: Sequence[Call]) -> tuple[Desk, int]:
    """Let all of them happen; returns the second in which the last one ended."""
    desk = Desk()
    desk.budget("agent:ann", tpm=TPM)
    arrivals = [sum(call.pause for call in plan[: n + 1]) for n in range(len(plan))]
    for second in range(4000):
        for n, call in enumerate(plan):
            if call.began >= 0 > call.ended and second >= call.began + call.lasts:
                call.ended = second
                desk.settle(str(n), charge(call.input_tokens, call.output_tokens))
            elif call.grows and call.began >= 0 > call.ended:
                desk.call(["extend", str(n), "lane", call.output_tokens])
            if arrivals[n] == second:
                desk.arrive(str(n), charge(call.held_input, call.held_output), wait_s=9000)
        for ticket in granted(desk.log):
            if plan[int(ticket)].began < 0:
                plan[int(ticket)].began = second
        if all(call.ended >= 0 for call in plan):
            return desk, second
        desk.after(1)
    raise AssertionError("somebody was never served")


@given(calls(most=1.0))
@settings(max_examples=40, deadline=None)
def test_no_sliding_minute_exceeds_it_as_long_as_calls_keep_to_what_is_held(
    plan: list[Call],
) -> None:
    _, end = live(plan)
    for last in range(end + 1):
        for early in (True, False):
            used = sum(call.used(last - MINUTE + 1, last, early=early) for call in plan)
            assert used <= TPM


@given(calls(most=3.0))
@settings(max_examples=40, deadline=None)
def test_what_calls_use_beyond_it_is_all_that_exceeds_it_and_is_waited_for(
    plan: list[Call],
) -> None:
    _, end = live(plan)
    for last in range(end + 1):
        window = (last - MINUTE + 1, last)
        beyond = sum(
            call.beyond for call in plan if 0 <= call.began <= last and call.ended >= window[0]
        )
        for early in (True, False):
            used = sum(call.used(*window, early=early) for call in plan)
            assert used <= TPM + beyond
    for call in plan:  # nothing is added on top of a minute that is too full already
        others = [other for other in plan if other.began < call.began]
        before = sum(_in_the_way_of(call, other) for other in others)
        assert before + call.held_input + call.held_output <= TPM


def _in_the_way_of(call: Call, other: Call) -> int:
    """At least so much of an earlier call counts when this one is admitted."""
    first = call.began - MINUTE + 1
    used = other.used(first, call.began, early=False)
    held = other.held_output + (other.held_input if first <= other.began else 0)
    if other.ended == call.began:  # just before or just after
        return min(used, held)
    return used if other.ended < call.began else held


def test_an_answer_that_outgrows_its_hold_keeps_others_of_its_budget_waiting() -> None:
    desk = Desk()
    desk.budget("agent:ann", tpm=TPM)
    desk.arrive("a", charge(100, 100))
    desk.call(["extend", "a", "lane", 700])
    assert desk.see_budget("agent:ann").held_output == 700
    event = desk.arrive("b", charge(100, 200))
    assert (event[0], event[4:7]) == ("w", ["agent", "ann", "tpm"])
    assert granted(desk.settle("a", charge(100, 500))) == ["b"]


def test_a_minute_that_was_exceeded_is_waited_for() -> None:
    desk = Desk()
    desk.budget("agent:ann", tpm=TPM)
    desk.arrive("a", charge(100, 100))
    desk.after(10)
    desk.settle("a", charge(100, 2000))
    desk.arrive("b", charge(1, 0))
    assert granted(desk.after(59)) == []
    assert granted(desk.after(2)) == ["b"]


def test_a_ticket_that_waits_asks_for_what_became_known_meanwhile() -> None:
    desk = Desk()
    desk.lane(itpm=10_000)
    desk.budget("agent:ann", tpm=TPM)
    desk.arrive("a", charge(400, 0))
    desk.arrive("b", charge(900, 0))
    assert granted(desk.call(["amend", "b", "lane", charge(500, 50)])) == ["b"]
    assert desk.see_budget("agent:ann").held_input == 900
    desk.arrive("c", charge(10, 0), agent="bob")
    before = desk.see()
    desk.call(["amend", "c", "lane", charge(5000, 0)])  # it is served already
    desk.call(["amend", "unknown", "lane", charge(5, 0)])
    assert desk.see().held == before.held


def test_the_sums_of_the_queue_follow_an_amendment() -> None:
    desk = Desk()
    desk.lane(itpm=600)
    desk.arrive("a", charge(600))
    desk.arrive("b", charge(300))
    desk.arrive("c", charge(100))
    desk.call(["amend", "b", "lane", charge(100, 7)])
    assert desk.see().waiting_charges[1] == [2, 200, 7, 207]
    assert desk.queue() == ["b", "c"]
    assert granted(desk.after(10.1)) == ["b"]
    assert refused_for_size(desk) == "larger_than_limit"


def refused_for_size(desk: Desk) -> str:
    """What becomes of a waiting call that turns out to be larger than the limit."""
    events = desk.call(["amend", "c", "lane", charge(601)])
    return next(str(event[2]) for event in events if event[0] == "r" and event[1] == "c")
