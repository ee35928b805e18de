"""The order of a decision, and what each step says."""

from dataclasses import replace

import pytest

from gateway.core.routing.conversations import Pin
from gateway.core.routing.costs import Comparison
from gateway.core.routing.decide import Question, Verdict, decide, pin_of
from gateway.core.routing.score import Score
from gateway.domain.call import CallFacts
from gateway.domain.routes import Arm, Choice, Preference, Route, RouteMatch, RouteMode, Why
from gateway.domain.signals import Signals, ToolUse

ROUTE = Route(RouteMatch(), "weak", RouteMode.ENFORCE, name="r", threshold=0.5, holdout=0.0)
CHEAPER = Comparison(10, 2, 5, 1, 0, known=True)
DEARER_WHEN_WARM = Comparison(1, 2, 5, 1, 0, known=True)
MOVED = Pin("r", Choice.MOVE, Why.SIMPLE, Arm.ROUTED)
STUCK = Signals(ask="go on", tool_uses=(ToolUse(b"same"),) * 3)


def costs(warm: int) -> Comparison:
    return DEARER_WHEN_WARM if warm else CHEAPER


QUESTION = Question(
    route=ROUTE,
    mode=RouteMode.ENFORCE,
    facts=CallFacts("strong", prompt_bytes=100),
    signals=Signals(ask="hello"),
    preference=Preference.AUTO,
    retry=False,
    conversation="c",
    pin=None,
    unmet="",
    above_ceiling=False,
    below_floor=False,
    warm=0,
    compare=costs,
    score=lambda: Score(0.9, ()),
)
HARD = replace(QUESTION, score=lambda: Score(0.1, ()))
TITLE = Signals(system="You are a title generator. You output ONLY a thread title.", ask="x")

CASES = [
    ("a simple call moves", QUESTION, "move/simple"),
    ("a hard one stays", HARD, "stay/complex"),
    ("what the model cannot do stays, whatever else", replace(QUESTION, unmet="vision", pin=MOVED),
     "stay/capability"),
    ("a header goes before a pin", replace(QUESTION, preference=Preference.OFF, pin=MOVED),
     "stay/asked_off"),
    ("a pin goes before the cache", replace(HARD, warm=500, pin=MOVED), "move/pinned"),
    ("a tool result without a pin stays", replace(QUESTION, signals=Signals(continues=True)),
     "stay/unknown_session"),
    ("history at the provider stays", replace(
        QUESTION, facts=replace(QUESTION.facts, server_history=True)), "stay/unknown_session"),
    ("a warm cache goes before the score", replace(QUESTION, warm=500), "stay/cache"),
    ("a cache of which nothing is known counts as warm", replace(QUESTION, warm=None),
     "stay/cache"),
    ("and before a wish", replace(QUESTION, warm=500, preference=Preference.CHEAP), "stay/cache"),
    ("an unknown price stays", replace(
        QUESTION, compare=lambda _: replace(CHEAPER, known=False)), "stay/no_saving"),
    ("no saving stays", replace(
        QUESTION, compare=lambda _: replace(CHEAPER, move_now=11)), "stay/no_saving"),
    ("what is dearer later stays", replace(
        QUESTION, compare=lambda _: replace(CHEAPER, move_next=6)), "stay/no_saving"),
    ("taking back is reckoned with", replace(
        QUESTION, compare=lambda _: replace(CHEAPER, risk=9)), "stay/no_saving"),
    ("housekeeping goes before the score", replace(HARD, signals=TITLE), "move/housekeeping"),
    ("and is one call alone", replace(
        HARD, signals=TITLE, compare=lambda _: replace(CHEAPER, move_next=99)),
     "move/housekeeping"),
    ("a warm-up means its model", replace(
        QUESTION, signals=Signals(ask="Warmup")), "stay/warm_up"),
    ("a wish goes before the score", replace(HARD, preference=Preference.CHEAP), "move/asked_cheap"),
    ("a strong one, too", replace(QUESTION, preference=Preference.STRONG), "stay/asked_strong"),
    ("trouble takes a move back", replace(QUESTION, pin=MOVED, signals=STUCK), "stay/escalated"),
    ("and keeps a call from moving", replace(QUESTION, signals=STUCK), "stay/escalated"),
    ("a strong wish takes back what was moved", replace(
        QUESTION, pin=MOVED, preference=Preference.STRONG), "stay/escalated"),
    ("what stays is not escalated", replace(HARD, signals=STUCK), "stay/complex"),
    ("a floor holds against a wish", replace(
        QUESTION, below_floor=True, preference=Preference.CHEAP), "stay/floor"),
    ("a ceiling holds against everything but capability", replace(
        HARD, above_ceiling=True, preference=Preference.OFF, warm=500), "move/ceiling"),
    ("a ceiling cannot give what a model lacks", replace(
        QUESTION, above_ceiling=True, unmet="tools"), "stay/capability"),
    ("the holdout stays", replace(QUESTION, route=replace(ROUTE, holdout=0.999999)),
     "stay/holdout"),
    ("a shadow's pin is not acted on later", replace(
        QUESTION, pin=replace(MOVED, arm=Arm.SHADOW)), "stay/pinned"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "expected"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_the_first_step_that_knows_decides(asked: Question, expected: str) -> None:
    found = decide(asked)
    assert f"{found.choice}/{found.why}" == expected


def remembered(asked: Question) -> tuple[Verdict, Pin | None]:
    found = decide(asked)
    return found, pin_of(asked, found, 9.0)


def test_a_decision_is_remembered_once() -> None:
    found, pin = remembered(QUESTION)
    assert pin == Pin("r", Choice.MOVE, Why.SIMPLE, Arm.ROUTED, until=9.0)
    assert remembered(replace(QUESTION, pin=pin))[1] is None
    assert remembered(replace(QUESTION, conversation=""))[1] is None
    assert remembered(replace(QUESTION, signals=TITLE))[1] is None
    assert found.arm is Arm.ROUTED


def test_a_move_that_was_taken_back_stays_so() -> None:
    _, pin = remembered(replace(QUESTION, pin=MOVED, signals=STUCK))
    assert pin is not None
    assert (pin.choice, pin.escalated) == (Choice.STAY, True)
    later = decide(replace(QUESTION, pin=pin))
    assert (later.choice, later.why) == (Choice.STAY, Why.PINNED)


def test_the_holdout_remembers_what_would_have_been() -> None:
    held = replace(QUESTION, route=replace(ROUTE, holdout=0.999999))
    _, pin = remembered(held)
    assert pin is not None
    assert (pin.choice, pin.arm) == (Choice.MOVE, Arm.HOLDOUT)
    assert decide(replace(held, pin=pin)).why is Why.HOLDOUT
    stuck = decide(replace(held, pin=pin, signals=STUCK))
    assert (stuck.arm, stuck.sign) == (Arm.HOLDOUT, "repeated_tool_call")


def test_what_a_ceiling_moves_is_not_compared() -> None:
    found = decide(replace(HARD, above_ceiling=True, route=replace(ROUTE, holdout=0.999999)))
    assert (found.choice, found.arm) == (Choice.MOVE, Arm.BOUND)


def test_in_shadow_a_decision_is_counted_as_such() -> None:
    found = decide(replace(QUESTION, mode=RouteMode.SHADOW))
    assert (found.choice, found.arm) == (Choice.MOVE, Arm.SHADOW)
