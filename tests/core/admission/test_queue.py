"""Order: bands, fair shares, holding, ageing, places that are kept."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from .desk import BACKGROUND, NORMAL, URGENT, Desk, S, charge, granted, refused


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.lane(itpm=60_000, concurrency=1)
    desk.arrive("running", charge(1), agent="zoe")
    return desk


@pytest.fixture
def free() -> Desk:
    """A lane of ten tokens a second with a full bucket."""
    desk = Desk()
    desk.lane(itpm=600, ageing_s=100)
    return desk


def drain(desk: Desk, ticket: str, limit: int = 1000) -> list[str]:
    """Settle one call after the other; returns the order in which tickets were served."""
    order: list[str] = []
    events = desk.settle(ticket, charge(1))
    while (found := granted(events)) and len(order) < limit:
        order += found
        needs = desk.engine.books.tickets[order[-1]].charge
        desk.now_us += S
        events = desk.settle(order[-1], needs)
    return order


def test_urgent_before_normal_before_background(desk: Desk) -> None:
    desk.arrive("b", charge(10), agent="bob", band=BACKGROUND)
    desk.arrive("n", charge(10), agent="ned", band=NORMAL)
    desk.arrive("u", charge(10), agent="uma", band=URGENT)
    assert desk.queue() == ["u", "n", "b"]
    assert drain(desk, "running") == ["u", "n", "b"]


def test_within_a_flow_first_come_first_served(desk: Desk) -> None:
    for ticket in "cab":
        desk.arrive(ticket, charge(10))
    assert drain(desk, "running") == ["c", "a", "b"]


def test_agents_take_turns_however_many_calls_each_has(desk: Desk) -> None:
    for number in range(4):
        desk.arrive(f"a{number}", charge(10), agent="ann")
    desk.arrive("b0", charge(10), agent="bob")
    assert drain(desk, "running")[:3] == ["a0", "b0", "a1"]


def test_turns_are_counted_in_tokens_not_in_calls(desk: Desk) -> None:
    desk.lane(concurrency=1, ageing_s=0)
    for number in range(10):
        desk.arrive(f"a{number}", charge(400), agent="ann")
    for number in range(40):
        desk.arrive(f"b{number}", charge(100), agent="bob")
    order = Counter(ticket[0] for ticket in drain(desk, "running")[:25])
    assert order == {"a": 5, "b": 20}


@pytest.mark.parametrize("weight", [2, 3])
def test_weights_are_shares(desk: Desk, weight: int) -> None:
    desk.lane(concurrency=1, ageing_s=0)
    for number in range(60):
        desk.arrive(f"a{number}", charge(100), agent="ann", weight=1)
        desk.arrive(f"b{number}", charge(100), agent="bob", weight=weight)
    order = Counter(ticket[0] for ticket in drain(desk, "running", 40)[:40])
    assert order["b"] / order["a"] == pytest.approx(weight, rel=0.1)


def test_a_newcomer_does_not_make_up_for_time_it_was_away(desk: Desk) -> None:
    desk.lane(concurrency=1, ageing_s=0)
    for number in range(20):
        desk.arrive(f"a{number}", charge(100), agent="ann")
    drain(desk, "running", 10)
    for number in range(20):
        desk.arrive(f"b{number}", charge(100), agent="bob")
    last = next(t.id for t in desk.engine.books.tickets.values() if t.admitted)
    order = Counter(ticket[0] for ticket in drain(desk, last, 8)[:8])
    assert abs(order["a"] - order["b"]) <= 1


def test_a_call_that_cost_more_than_expected_costs_its_flow_a_turn(desk: Desk) -> None:
    for number in range(3):
        desk.arrive(f"a{number}", charge(100), agent="ann")
        desk.arrive(f"b{number}", charge(100), agent="bob")
    assert granted(desk.settle("running", charge(1))) == ["a0"]
    order = []
    for ticket, used in (("a0", 300), ("b0", 100), ("b1", 100)):
        order += granted(desk.settle(ticket, charge(used)))
        desk.now_us += S
    assert order == ["b0", "b1", "b2"]


def test_a_lane_with_a_tpm_limit_charges_what_its_provider_counts(desk: Desk) -> None:
    desk.lane(tpm=100_000, concurrency=1)
    needs = charge(10)
    needs[3] = 1000  # the requested maximum
    desk.arrive("a", needs, agent="ann")
    desk.settle("running", charge(1))
    assert desk.see().virtual[1] == 0
    assert desk.engine.books.flow(NORMAL, "ann", "lane").tag == 1000


# --- hold ---------------------------------------------------------------------------------------


def test_a_large_call_that_waits_for_the_lane_holds_its_place(free: Desk) -> None:
    desk = free
    desk.arrive("a", charge(590))
    desk.arrive("large", charge(500), agent="ann")
    desk.arrive("small", charge(1), agent="bob", band=BACKGROUND)
    assert granted(desk.after(40)) == []
    assert granted(desk.after(10.1)) == ["large", "small"]


def test_urgent_calls_pass_one_that_holds(free: Desk) -> None:
    desk = free
    desk.arrive("a", charge(590))
    desk.arrive("large", charge(500), agent="ann")
    assert desk.arrive("u", charge(5), agent="uma", band=URGENT)[0] == "g"


# --- ageing -------------------------------------------------------------------------------------


def saturate(desk: Desk, band: int) -> None:
    """A lane of 60 calls a minute with an endless supply of one band."""
    desk.lane(rpm=60, ageing_s=10)
    for number in range(60):
        desk.arrive(f"full{number}", agent="zoe", band=band)
    for number in range(200):
        desk.arrive(f"more{number}", agent="zoe", band=band, wait_s=5000)


def seconds_until(desk: Desk, ticket: str) -> int:
    """How long a ticket waits, in whole seconds."""
    for second in range(1, 100):
        if ticket in granted(desk.after(1.00001)):
            return second
    pytest.fail(f"{ticket} starves")


@pytest.mark.parametrize(
    ("above", "band", "periods"),
    [(NORMAL, BACKGROUND, 1), (URGENT, BACKGROUND, 2), (URGENT, NORMAL, 2)],
)
def test_no_band_starves(desk: Desk, above: int, band: int, periods: int) -> None:
    """Above the next band after one period, but above urgent only after two."""
    saturate(desk, above)
    desk.arrive("old", agent="ann", band=band, wait_s=5000)
    assert seconds_until(desk, "old") in {10 * periods, 10 * periods + 1}


def test_a_band_that_rose_was_served_once_and_waits_again(desk: Desk) -> None:
    saturate(desk, NORMAL)
    for number in range(3):
        desk.arrive(f"old{number}", agent="ann", band=BACKGROUND, wait_s=5000)
    times = [seconds_until(desk, f"old{number}") for number in range(3)]
    assert times[1:] == [10, 10]


def test_a_band_that_rises_may_use_the_floor_of_the_band_it_joins(desk: Desk) -> None:
    desk.lane(itpm=600, ageing_s=4, floors=[0, 0.1, 0.5])
    desk.arrive("a", charge(500), band=URGENT)
    desk.arrive("b", charge(60), band=BACKGROUND)
    assert desk.last.lanes == [("lane", 4 * S, "r1")]
    assert granted(desk.after(4)) == ["b"]


@pytest.mark.parametrize("band", [NORMAL, BACKGROUND])
def test_however_long_it_waits_no_band_uses_what_is_left_for_urgent_calls(
    desk: Desk, band: int
) -> None:
    desk.lane(itpm=600, ageing_s=4, floors=[0, 0.5, 0.5])
    desk.arrive("a", charge(500), band=URGENT)  # 100 are left
    desk.arrive("b", charge(60), band=band)
    assert granted(desk.after(25)) == []  # 350, six times the ageing period
    assert granted(desk.after(1.1)) == ["b"]  # 361: the floor of 300 stays
    assert desk.arrive("c", charge(300), band=URGENT)[0] == "g"


# --- waiting and its bounds ---------------------------------------------------------------------


def test_now_or_never(desk: Desk) -> None:
    assert desk.arrive("a", charge(10), wait_s=0)[:3] == ["r", "a", "queue_timeout"]
    assert desk.queue() == []


def test_a_full_queue_refuses(desk: Desk) -> None:
    desk.lane(concurrency=1, max_depth=2)
    desk.arrive("a", charge(10))
    desk.arrive("b", charge(10))
    full = ["queue_full", "lane", "lane", "rpm", 2, 2]
    assert desk.arrive("c", charge(10))[2:8] == full
    assert desk.arrive("d", charge(10), agent="newcomer")[2:8] == full


def test_a_queue_full_of_lower_priority_is_not_full_for_a_higher_one(desk: Desk) -> None:
    """Else a patient background agent could shut everybody else out."""
    desk.lane(concurrency=1, max_depth=2)
    desk.arrive("a", charge(10), band=BACKGROUND)
    desk.arrive("b", charge(10), band=BACKGROUND)
    assert desk.arrive("c", charge(10), band=BACKGROUND)[2] == "queue_full"
    assert desk.arrive("d", charge(10))[0] == "w"
    assert desk.arrive("e", charge(10), band=URGENT)[0] == "w"
    full = ["queue_full", "lane", "lane", "rpm", 2, 2]
    assert desk.arrive("f", charge(10))[2:8] == full
    assert desk.arrive("g", charge(10), band=URGENT)[0] == "w"
    assert desk.arrive("h", charge(10), band=URGENT)[2:8] == full


def test_position_and_predicted_wait_are_told_at_arrival(free: Desk) -> None:
    desk = free
    desk.arrive("a", charge(600))
    assert desk.arrive("b", charge(100))[2:7] == [1, 10 * S, "lane", "lane", "itpm"]
    assert desk.arrive("c", charge(100))[2:4] == [2, 20 * S]
    # Ann has two calls waiting; Bob, with one, will be served after one of hers.
    assert desk.arrive("d", charge(100), agent="bob")[2:4] == [2, 20 * S]
    assert desk.arrive("e", charge(100), agent="uma", band=URGENT)[2:4] == [1, 10 * S]
    assert desk.arrive("f", charge(100), agent="bea", band=BACKGROUND)[2:4] == [5, 50 * S]


def test_who_would_wait_too_long_is_refused_at_once_with_the_time(free: Desk) -> None:
    desk = free
    desk.arrive("a", charge(600))
    event = desk.arrive("b", charge(200), wait_s=19)
    assert event == ["r", "b", "queue_timeout", "lane", "lane", "itpm", 0, 0, 20 * S]
    assert desk.arrive("c", charge(200), wait_s=20)[0] == "w"


def test_waiting_for_concurrency_is_predicted_from_how_long_calls_run(desk: Desk) -> None:
    desk.lane(concurrency=1)
    desk.now_us += 8 * S
    desk.settle("running", charge(1))
    desk.arrive("a", charge(1))
    assert desk.arrive("b", charge(1))[3] == 8 * S
    assert desk.arrive("c", charge(1))[3] == 16 * S


def test_nobody_is_served_past_its_deadline(desk: Desk) -> None:
    desk.arrive("a", charge(10), wait_s=5)
    desk.now_us += 6 * S
    events = desk.settle("running", charge(1))
    assert granted(events) == []
    assert refused(events) == {"a": "queue_timeout"}


def test_a_timed_out_ticket_is_told_the_present_prediction(free: Desk) -> None:
    desk = free
    desk.arrive("a", charge(600), agent="zoe")
    desk.arrive("b", charge(300), wait_s=30)
    desk.now_us += 10 * S
    assert desk.cancel("b", timed_out=True) == [
        ["r", "b", "queue_timeout", "lane", "lane", "itpm", 0, 0, 20 * S],
    ]


# --- places -------------------------------------------------------------------------------------


def test_a_retry_keeps_its_place_in_its_flow(desk: Desk) -> None:
    desk.arrive("a", charge(10), fingerprint="x")
    desk.arrive("b", charge(10))
    desk.cancel("a")
    desk.now_us += 5 * S
    desk.arrive("a2", charge(10), fingerprint="x", retry=True)
    assert desk.queue() == ["a2", "b"]


def test_a_retry_keeps_the_place_of_its_flow_among_others(desk: Desk) -> None:
    desk.lane(concurrency=1)
    for number in range(4):
        desk.arrive(f"z{number}", charge(10), agent="zoe")
    desk.arrive("a", charge(10), fingerprint="x")
    desk.cancel("a")
    served = granted(desk.settle("running", charge(1)))
    served += granted(desk.settle("z0", charge(10)))
    assert served == ["z0", "z1"]
    desk.arrive("a2", charge(10), fingerprint="x", retry=True)
    assert granted(desk.settle("z1", charge(10))) == ["a2"]


@pytest.mark.parametrize(
    "change",
    [
        {"retry": False},
        {"fingerprint": "y"},
        {"agent": "bob"},
        {"band": BACKGROUND},
        {"lane": "other"},
    ],
)
def test_a_place_is_kept_for_the_same_call_only(desk: Desk, change: dict[str, object]) -> None:
    desk.arrive("a", charge(10), fingerprint="x")
    desk.arrive("b", charge(10))
    desk.cancel("a")
    settings: dict[str, object] = {"fingerprint": "x", "retry": True, **change}
    desk.arrive("a2", charge(10), **settings)  # type: ignore[arg-type] # a table of keywords
    assert desk.queue()[0] == "b"


def test_a_place_is_kept_for_a_minute_and_taken_once(desk: Desk) -> None:
    desk.arrive("a", charge(10), fingerprint="x")
    desk.arrive("b", charge(10))
    desk.cancel("a")
    desk.now_us += 60 * S
    desk.arrive("late", charge(10), fingerprint="x", retry=True)
    assert desk.queue() == ["b", "late"]


def test_who_never_waited_has_no_place(desk: Desk) -> None:
    desk.arrive("a", charge(10), fingerprint="x", wait_s=0)
    desk.arrive("b", charge(10))
    desk.arrive("a2", charge(10), fingerprint="x", retry=True)
    assert desk.queue() == ["b", "a2"]


def test_a_retry_whose_flow_waits_for_its_budget_is_tried_at_once(desk: Desk) -> None:
    desk.lane()
    desk.budget("agent:ann", tpm=100)
    desk.arrive("first", charge(50))
    desk.arrive("a", charge(40), fingerprint="x", band=URGENT, agent="ann", wait_s=600)
    assert granted(desk.log)[-1] == "a"
    desk.arrive("large", charge(60), fingerprint="y")
    desk.arrive("b", charge(90))
    desk.cancel("large")
    desk.arrive("large2", charge(5), fingerprint="y", retry=True)
    assert granted(desk.log)[-1] == "large2"


# --- fairness -----------------------------------------------------------------------------------


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 500), min_size=30, max_size=60),
    weights=st.tuples(st.integers(1, 4), st.integers(1, 4)),
)
def test_two_backlogged_flows_differ_by_no_more_than_one_call_of_each(
    sizes: list[int], weights: tuple[int, int]
) -> None:
    """The bound of start-time fair queuing: |Wa/wa - Wb/wb| <= la/wa + lb/wb."""
    desk = Desk()
    desk.lane(concurrency=1, ageing_s=0)
    desk.arrive("running", charge(1), agent="zoe")
    for number, size in enumerate(sizes):
        desk.arrive(f"a{number}", charge(size), agent="ann", weight=weights[0])
        desk.arrive(f"b{number}", charge(501 - size), agent="bob", weight=weights[1])
    served = {"a": 0.0, "b": 0.0}
    left = {"a": len(sizes), "b": len(sizes)}
    bound = 500 / weights[0] + 500 / weights[1]
    for ticket in drain(desk, "running"):
        flow, number = ticket[0], int(ticket[1:])
        size = sizes[number] if flow == "a" else 501 - sizes[number]
        served[flow] += size / weights["ab".index(flow)]
        left[flow] -= 1
        if not all(left.values()):
            break
        assert abs(served["a"] - served["b"]) <= bound
