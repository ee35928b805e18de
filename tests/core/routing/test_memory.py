"""Matching, conversations, pins, counts, and the test that returns a route to shadow."""

from dataclasses import replace

import pytest

from gateway.core.routing.conversations import Pin, Pins, conversation, in_share
from gateway.core.routing.holdout import ArmCounts, judge, wilson
from gateway.core.routing.ledger import Pinned, RouteLedger, Shared, Warmed
from gateway.core.routing.matching import Caller, matching
from gateway.domain.call import Priority
from gateway.domain.facts import Routed
from gateway.domain.routes import Arm, Choice, Route, RouteMatch, RouteMode, Trouble, Why

CALLER = Caller("claude-sonnet-5", "ann", "red", Priority.NORMAL, "/v1/messages", ("job=ci",))
ROUTE = Route(RouteMatch(), "weak", RouteMode.ENFORCE, name="r", min_volume=20, margin=0.1)
PIN = Pin("r", Choice.MOVE, Why.SIMPLE, Arm.ROUTED, until=100.0)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        (RouteMatch(), True),
        (RouteMatch(model="claude-*"), True),
        (RouteMatch(model="gpt-*"), False),
        (RouteMatch(agents=("bob", "ann")), True),
        (RouteMatch(agents=("bob",)), False),
        (RouteMatch(teams=("red",), priorities=(Priority.NORMAL,)), True),
        (RouteMatch(teams=("red",), priorities=(Priority.URGENT,)), False),
        (RouteMatch(tags=("job=ci", "job=x")), True),
        (RouteMatch(tags=("job=x",)), False),
        (RouteMatch(path="/v1/mess*"), True),
        (RouteMatch(path="/v1/chat*"), False),
    ],
)
def test_every_condition_must_hold(match: RouteMatch, fits: bool) -> None:
    assert (matching([replace(ROUTE, match=match)], CALLER) is not None) is fits


def test_the_first_policy_decides_and_auto_finds_one_that_says_what_it_means() -> None:
    narrow = replace(ROUTE, name="a", match=RouteMatch(model="gpt-*"), complex="strong")
    wide = replace(ROUTE, name="b", complex="other")
    assert matching([narrow, wide], CALLER) is wide
    auto = replace(CALLER, model="auto")
    assert matching([replace(narrow, complex=""), wide], auto) is wide
    assert matching([narrow, wide], auto) is narrow
    assert matching([narrow, wide], replace(CALLER, model="auto:b")) is wide
    assert matching([narrow, wide], replace(CALLER, model="auto:c")) is None


def test_a_conversation_is_known_by_how_it_begins() -> None:
    main = conversation("ann", "r", session="s", opening=b"1")
    assert main == conversation("ann", "r", session="s", opening=b"1")
    others = {
        conversation("bob", "r", session="s", opening=b"1"),
        conversation("ann", "q", session="s", opening=b"1"),
        conversation("ann", "r", session="t", opening=b"1"),
        conversation("ann", "r", session="s", opening=b"2"),
        conversation("ann", "r", session="s", branch="sub", opening=b"1"),
    }
    assert len(others | {main}) == 6
    named = conversation("ann", "r", named="mine", opening=b"1")
    assert named == conversation("ann", "r", named="mine", opening=b"2")
    assert conversation("ann", "r", opening=b"") == ""


def test_a_share_of_conversations_is_held_out_and_always_the_same() -> None:
    held = [name for name in map(str, range(4_000)) if in_share(name, 0.1)]
    assert 300 < len(held) < 500
    assert held == [name for name in map(str, range(4_000)) if in_share(name, 0.1)]
    assert not in_share("x", 0.0)


def test_pins_are_bounded_expire_and_hear_of_others() -> None:
    pins = Pins(most=2)
    for name in "abc":
        pins.put(name, PIN)
    assert (pins.get("a", 0.0), pins.get("b", 0.0), len(pins)) == (None, PIN, 2)
    assert pins.get("b", 100.0) is None
    pins.hear("c", replace(PIN, choice=Choice.STAY))
    assert pins.get("c", 0.0) == PIN
    back = replace(PIN, choice=Choice.STAY, escalated=True)
    pins.hear("c", back)
    pins.hear("c", replace(PIN, troubled=True))
    assert pins.get("c", 0.0) == back


def taken(arm: Arm = Arm.ROUTED, name: str = "", *troubles: Trouble) -> Routed:
    return Routed(
        RouteMode.ENFORCE, Choice.MOVE, Why.SIMPLE, "s", "w", policy="r", arm=arm,
        conversation=name, troubles=troubles, stay_microusd=10, other_microusd=4,
    )  # fmt: skip


def test_a_conversation_is_troubled_once() -> None:
    ledger = RouteLedger()
    ledger.remember("c", PIN)
    ledger.begun("r", Arm.ROUTED)
    for number in range(3):
        ledger.finished(f"req-{number}", taken(Arm.ROUTED, "c", Trouble.ERROR), 4, 1.0)
    about = ledger.recent("req-1")
    assert about is not None
    ledger.feedback(about, good=False, now=1.0)
    arm = ledger.counts("r")[Arm.ROUTED]
    assert (arm.conversations, arm.troubled, arm.calls, arm.saved) == (1, 1, 3, 18)
    assert arm.troubles[Trouble.ERROR] == 3
    assert ledger.conversation("c", 1.0) == about


def test_what_the_store_did_not_take_is_not_lost_and_not_counted_twice() -> None:
    ledger = RouteLedger()
    ledger.finished("a", taken(), 4, 1.0)
    before = ledger.counts("r")
    gone = ledger.take()
    assert ledger.counts("r") == before
    ledger.put_back(gone)
    assert ledger.counts("r") == before
    ledger.set_totals("r", ledger.take()["r"])
    assert ledger.counts("r") == before


def test_only_news_is_told() -> None:
    heard: list[Shared] = []
    ledger = RouteLedger()
    ledger.listen(heard.append)
    ledger.remember("c", PIN)
    for now in (0.0, 1.0, 200.0):
        ledger.warmed("m", b"d", 300.0, now)
    ledger.take_back("c", 1.0)
    ledger.take_back("c", 1.0)
    kinds = [type(one) for one in heard]
    assert kinds == [Pinned, Warmed, Warmed, Pinned]


def arm(conversations: int, troubled: int) -> ArmCounts:
    return ArmCounts(conversations=conversations, troubled=troubled)


@pytest.mark.parametrize(
    ("routed", "held", "enough", "worse"),
    [
        (arm(19, 19), arm(100, 0), False, False),
        (arm(100, 50), arm(19, 0), False, False),
        (arm(100, 50), arm(20, 1), True, True),
        (arm(1_000, 150), arm(1_000, 100), True, False),  # surely worse, but not by the margin
        (arm(20, 5), arm(20, 2), True, False),  # by the margin, but perhaps by chance
        (arm(100, 5), arm(100, 50), True, False),
    ],
)
def test_a_route_returns_when_it_does_harm_that_matters_and_is_no_chance(
    routed: ArmCounts, held: ArmCounts, enough: bool, worse: bool
) -> None:
    found = judge(routed, held, ROUTE)
    assert (found.enough, found.worse) == (enough, worse)
    assert found.low <= found.routed - found.holdout <= found.high
    assert str(found)


def test_an_interval_is_within_a_share() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(0, 10)
    assert low == 0.0
    assert 0.1 < high < 0.3


def test_counts_survive_the_store() -> None:
    counts = ArmCounts(conversations=3, troubled=1, calls=9, actual=5, stay=8, other=2, good=1)
    counts.troubles[Trouble.RETRY] = 2
    assert ArmCounts.of_fields(counts.fields()) == counts


def test_escalations_are_measured_over_a_prior() -> None:
    ledger = RouteLedger()
    assert ledger.escalation_share("r") == pytest.approx(0.05)
    for number in range(100):
        ledger.begun("r", Arm.ROUTED)
        troubles = (Trouble.ESCALATION,) if number < 50 else ()
        ledger.finished(str(number), taken(Arm.ROUTED, "", *troubles), 4, 1.0)
    assert 0.3 < ledger.escalation_share("r") < 0.5
