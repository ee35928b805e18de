"""One call and its replicas: leases, outboxes, things said twice."""

import pytest

from .desk import ITPM, NORMAL, Desk, S, charge, granted, refused


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.lane(itpm=600)
    return desk


def test_a_replica_must_say_hello_first(desk: Desk) -> None:
    desk.replica = "new"
    assert desk.call(["arrive", "a", "lane", "ann", "", 2, 1, charge(), 0, "", 0]) == []
    assert desk.last.known is False
    desk.call(["hello"], ["arrive", "a", "lane", "ann", "", 2, 1, charge(), 0, "", 0])
    assert granted(desk.last.events) == ["a"]


def test_a_grant_for_another_replica_s_ticket_goes_to_its_outbox(desk: Desk) -> None:
    desk.arrive("a", charge(600))
    desk.arrive("b", charge(100), agent="bob")
    desk.replica = "r2"
    desk.now_us += 2 * S
    assert desk.call(["hello"], ["cancel", "a", 0]) == []
    assert granted(desk.engine.outbox("r1")) == ["b"]
    assert desk.engine.outbox("r1") == []


def test_the_owner_of_the_next_ticket_hears_when_its_time_changes(desk: Desk) -> None:
    desk.arrive("a", charge(600))
    desk.arrive("b", charge(300))
    assert desk.last.lanes == [("lane", 30 * S + 1, "r1")]
    desk.replica = "r2"
    desk.call(["hello"])
    desk.call(["tick", "lane"])
    assert desk.engine.outbox("r1") == []
    desk.head("x", (ITPM, 9000, -1, 1))
    assert desk.engine.outbox("r1") == []  # the smaller limit governs: nothing changed
    desk.lane(itpm=1200)
    assert granted(desk.engine.outbox("r1")) == ["b"]


def test_the_owner_is_not_told_what_it_knows(desk: Desk) -> None:
    desk.arrive("a", charge(600))
    desk.settle("a", charge(600))
    desk.arrive("b", charge(500))
    desk.replica = "r2"
    desk.call(["hello"])
    desk.now_us += S
    desk.head("x", (ITPM, -1, 110, 1))
    assert desk.engine.outbox("r1") == [["n", "lane", 39 * S + 1]]  # sooner than it was told
    desk.head("x", (ITPM, -1, 60, 1))
    assert desk.engine.outbox("r1") == []  # later: it will find out in time


def test_a_replica_that_beats_lives_and_one_that_does_not_is_reaped(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=10_000, day=1000, concurrency=9)
    desk.arrive("a", charge(400, 50, cost=7))
    desk.arrive("b", charge(500), fingerprint="x")
    desk.replica = "r2"
    desk.call(["hello"])
    for _ in range(5):
        desk.now_us += S
        for desk.replica in ("r1", "r2"):
            desk.call(["beat", []])
    assert desk.see().held[1] == 400
    for _ in range(3):
        desk.now_us += S
        desk.call(["beat", []])
    seen = desk.see()
    assert (seen.held, seen.in_flight, seen.queue) == ([0] * 4, 0, [])
    assert seen.ledger[3] == [1, 400, 50, 450]
    assert seen.level[1] == 280  # the provider did get the call: it stays charged
    budget = desk.see_budget("agent:ann")
    assert (budget.tokens, budget.held_output, budget.in_flight, budget.spent_day) == (400, 0, 0, 7)
    assert budget.ledger[3] == [1, 450, 7]
    # b's client comes back, to another replica: it has its place, and capacity is there.
    desk.arrive("b2", charge(280), fingerprint="x", retry=True)
    assert granted(desk.last.events) == ["b2"]


def test_what_a_dead_replica_held_lets_others_go(desk: Desk) -> None:
    desk.lane(concurrency=1)
    desk.budget("agent:ann", concurrency=1)
    desk.arrive("a")
    desk.replica = "r2"
    desk.call(["hello"])
    desk.arrive("b", agent="bob")
    desk.arrive("c", lane="other")
    assert granted(desk.log) == ["a"]
    desk.now_us += 3 * S
    assert sorted(granted(desk.call(["beat", []]))) == ["b", "c"]


def test_what_living_replicas_hold_stays_held(desk: Desk) -> None:
    desk.arrive("a", charge(100))
    desk.replica = "r2"
    desk.call(["hello"])
    desk.arrive("b", charge(200))
    desk.now_us += 3 * S
    desk.call(["beat", []])
    assert desk.see().held[1] == 200


def test_goodbye_gives_everything_back_at_once(desk: Desk) -> None:
    desk.arrive("a", charge(400))
    desk.call(["bye"])
    desk.replica = "r2"
    desk.call(["hello"])
    assert desk.see().in_flight == 0


@pytest.mark.parametrize("timed_out", [False, True])
def test_a_grant_that_crosses_a_cancel_is_given_back_but_one_that_crosses_a_timeout_stands(
    desk: Desk, timed_out: bool
) -> None:
    desk.arrive("a", charge(400))
    events = desk.cancel("a", timed_out=timed_out)
    assert granted(events) == (["a"] if timed_out else [])
    assert desk.see().level[1] == (200 if timed_out else 600)


def test_what_is_sent_twice_changes_nothing(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=10_000)
    assert desk.arrive("a", charge(400))[0] == "g"
    assert desk.arrive("a", charge(400))[0] == "g"
    assert desk.arrive("b", charge(400)) == desk.arrive("b", charge(400))
    assert desk.see().held[1] == 400
    desk.settle("a", charge(300))
    desk.settle("a", charge(300))
    desk.cancel("b")
    desk.cancel("b")
    seen = desk.see()
    assert (seen.level[1], seen.ledger[1][1], seen.queue) == (300, 300, [])
    assert desk.see_budget("agent:ann").tokens == 300


def test_another_replica_s_ticket_is_not_told_to_whoever_asks(desk: Desk) -> None:
    desk.arrive("a", charge(400))
    desk.replica = "r2"
    desk.call(["hello"])
    assert desk.call(["arrive", "a", "lane", "ann", "", 2, 1, charge(), 0, "", 0]) == []
    assert desk.call(["beat", ["a"]]) == []


def test_a_beat_finds_out_what_was_lost(desk: Desk) -> None:
    desk.arrive("a", charge(400))
    desk.arrive("b", charge(400))
    events = desk.call(["beat", ["a", "b", "lost"]])
    assert [event[:2] for event in events] == [["g", "a"], ["u", "lost"], ["w", "b"]]
    assert desk.last.lanes[0][0] == "lane"  # and b's lane was pumped


def test_an_audit_names_the_caller_s_own_tickets_a_few_at_a_time(desk: Desk) -> None:
    desk.lane(itpm=60_000)
    for number in range(40):
        desk.arrive(f"t{number:02}")
    assert desk.call(["audit", ""]) == [["o", "t31", [f"t{number:02}" for number in range(32)]]]
    assert desk.call(["audit", "t31"]) == [["o", "", [f"t{number}" for number in range(32, 40)]]]
    desk.replica = "r2"
    desk.call(["hello"])
    assert desk.call(["audit", ""]) == []


def test_a_disowned_ticket_keeps_its_charge_spent_and_holds_nothing(desk: Desk) -> None:
    desk.arrive("a", charge(400))
    desk.arrive("b", charge(400))
    desk.call(["disown", "a"], ["disown", "b"], ["disown", "x"])
    seen = desk.see()
    assert (seen.in_flight, seen.waiting, seen.held[1], seen.level[1]) == (0, [0, 0, 0], 0, 200)
    assert seen.ledger[3][1] == 400


def test_nobody_disowns_another_replica_s_ticket(desk: Desk) -> None:
    desk.arrive("a", charge(400))
    desk.replica = "r2"
    desk.call(["hello"], ["disown", "a"])
    assert desk.see().in_flight == 1


# --- batches that arrive late -------------------------------------------------------------------


def arrival(ticket: str) -> list[object]:
    return ["arrive", ticket, "lane", "ann", "", NORMAL, 1, charge(100), 600 * S, "", 0]


def test_of_a_batch_that_arrives_after_a_later_one_nothing_is_done(desk: Desk) -> None:
    desk.call(["batch", 7], arrival("a"))
    desk.call(["batch", 8], ["settle", "a", "lane", charge(100)])
    desk.call(["batch", 7], arrival("a"))
    assert (desk.last.late, desk.last.events) == (8, [])
    assert desk.see().in_flight == 0


def test_the_same_batch_sent_again_is_answered_again(desk: Desk) -> None:
    desk.call(["batch", 7], arrival("a"))
    assert granted(desk.call(["batch", 7], arrival("a"))) == ["a"]
    assert desk.see().in_flight == 1


def test_what_a_replica_had_on_its_way_when_it_was_declared_dead_does_nothing(desk: Desk) -> None:
    desk.call(["batch", 7], arrival("a"))
    desk.replica = "r2"
    desk.call(["hello"])
    desk.now_us += 4 * S
    desk.call(["tick", "lane"])
    assert desk.see().in_flight == 0
    desk.replica = "r1"
    desk.call(["batch", 7], ["hello", 0], arrival("a"))
    assert desk.last.late == 8
    desk.call(["batch", 8], ["hello", 1], arrival("b"))  # unless it lives after all
    assert desk.see().in_flight == 1


# --- a store that has lost what it knew ---------------------------------------------------------


@pytest.mark.parametrize(("again", "level"), [(0, 1000), (1, 100)])
def test_after_a_loss_a_lane_begins_low_until_an_answer_says_how_it_stands(
    again: int, level: float
) -> None:
    desk = Desk(replica="r0")
    desk.replica = "r1"
    settings = {
        "limits": [-1, 1000, -1, -1],
        "concurrency": -1,
        "margin": 0,
        "floors": [0, 0, 0],
        "minute_us": 60 * S,
        "max_depth": 10,
        "ageing_us": 30 * S,
    }
    desk.call(["hello", again], ["configure", "lane:lane", settings])
    assert desk.see().level[1] == level
    desk.head("unknown", (2, 1000, 800, 1))
    assert desk.see().level[1] == 800
    desk.lane("new", itpm=1000)  # one that was made later has not lost anything
    assert desk.see("new").level[1] == 1000


def test_a_replica_that_was_only_silent_for_long_finds_its_lanes_as_they_were(desk: Desk) -> None:
    before = desk.see().level
    desk.call(["bye"])
    desk.call(["hello", 1])
    desk.lane(itpm=600)
    assert desk.see().level == before


@pytest.mark.parametrize(
    ("again", "limits", "granted"),
    [
        (1, [-1, 1000, -1, -1, -1], []),
        (1, [10, -1, -1, -1, -1], []),
        (1, [-1, -1, 5, 900, -1], ["call"]),  # nothing of a minute that others must tell of
        (0, [-1, 1000, -1, -1, -1], ["call"]),
    ],
)
def test_a_budget_that_was_lost_lets_nobody_through_until_all_can_have_told_their_use(
    again: int, limits: list[int], granted: list[str]
) -> None:
    desk = Desk(replica="r0")
    desk.replica = "r1"
    settings = {"limits": limits, "soft": 0, "minute_us": 60 * S}
    desk.call(["hello", again, 2 * S], ["configure", "agent:ann", settings])

    def served() -> list[str]:
        return [str(event[1]) for event in desk.log if event[0] == "g"]

    nothing = charge(requests=0)
    desk.call(["arrive", "call", "lane", "ann", "", 2, 1, charge(600), 9 * S, "", 0])
    desk.call(["arrive", "told", "debts", "ann", "", 1, 1, nothing, 9 * S, "", 0])
    assert served() == [*granted, "told"]
    desk.call(["settle", "told", "debts", charge(300)])
    desk.now_us += 2 * S
    desk.call(["tick", "lane"])
    assert sorted(served()) == ["call", "told"]


def test_a_timeout_of_an_unknown_ticket_says_so(desk: Desk) -> None:
    assert desk.cancel("x", timed_out=True) == [["u", "x"]]
    assert desk.cancel("x") == []


def test_operations_about_unknown_tickets_do_nothing(desk: Desk) -> None:
    before = desk.see()
    desk.settle("x", charge(100))
    desk.call(["extend", "x", "lane", 5])
    assert desk.see() == before


def test_arrivals_and_settlements_of_one_call_share_what_there_is(desk: Desk) -> None:
    arrive = ["arrive", "b", "lane", "ann", "", 2, 1, charge(500), 0, "", 0]
    desk.arrive("a", charge(600))
    assert granted(desk.call(["settle", "a", "lane", charge(50)], arrive)) == ["b"]


def test_a_wait_names_what_it_was_for(desk: Desk) -> None:
    desk.arrive("a", charge(600))
    desk.arrive("b", charge(100))
    events = desk.after(10.1)
    assert events == [["g", "b", 10_100_000, "lane", "lane", "itpm"]]


def test_the_listing_says_what_each_ticket_waits_for(desk: Desk) -> None:
    desk.budget("agent:ann", tpm=600)
    desk.budget("team:red", concurrency=1)
    desk.arrive("a", charge(600), team="red")
    desk.arrive("b", charge(100), team="red")
    desk.arrive("c", charge(50), agent="bob")
    desk.arrive("d", charge(1), agent="cat", team="red")
    desk.now_us += S
    rows = [
        (row.ticket, row.waited_us, row.predicted_us, row.kind, row.name, row.dimension)
        for row in desk.see().queue
    ]
    assert rows == [
        ("c", S, 4 * S, "lane", "lane", "itpm"),
        ("d", S, 4_100_000, "lane", "lane", "itpm"),
        ("b", S, 60 * S, "agent", "ann", "tpm"),
    ]


def test_looking_changes_nothing(desk: Desk) -> None:
    desk.see("nobody")
    desk.see_budget("agent:nobody")
    assert "nobody" not in desk.engine.books.lanes
    assert not desk.see("nobody").known
    assert not desk.see_budget("agent:nobody").known


def test_nobody_is_lost_when_a_lane_gets_room_twice_in_one_call(desk: Desk) -> None:
    for ticket in "abcd":
        desk.arrive(ticket, charge(300))
    events = desk.call(["cancel", "a", 0], ["cancel", "b", 0])
    assert granted(events) == ["c", "d"]
    assert refused(desk.log) == {}
