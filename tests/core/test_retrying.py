"""What comes after a failed attempt: a table, and bounds that always hold."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.retrying import (
    Decision,
    Ended,
    Repeat,
    RetryBudget,
    RetryBudgets,
    RetrySettings,
    Standing,
    Step,
    decide,
)
from gateway.domain.outcome import ProviderVerdict, Reason

FIRST = Standing(answering=False, repeats=0, left_s=60.0, more=False)
OVERLOADED = Ended(ProviderVerdict.OVERLOADED)
UNSENT = Ended(failure=Reason.UPSTREAM_CONNECT, sent=False)
CUT = Ended(failure=Reason.UPSTREAM_CUT, sent=True)
PLAIN = RetrySettings()
NEVER = replace(PLAIN, repeat=Repeat.NEVER)
AFTER_SEND = replace(PLAIN, repeat=Repeat.AFTER_SEND)


def decided(
    ended: Ended,
    standing: Standing = FIRST,
    settings: RetrySettings = PLAIN,
    budget: RetryBudget | None = None,
    chance: float = 0.0,
) -> Decision:
    return decide(ended, standing, settings, budget or RetryBudget(0.1, 10.0), lambda: chance)


@pytest.mark.parametrize(
    ("ended", "settings", "alone", "with_more"),
    [
        (Ended(ProviderVerdict.RATE_LIMITED), PLAIN, Step.WAIT, Step.WAIT),
        (Ended(ProviderVerdict.CALLER_ERROR), PLAIN, Step.FAIL, Step.FAIL),
        (Ended(ProviderVerdict.BILLING), PLAIN, Step.FAIL, Step.FAIL),
        (Ended(ProviderVerdict.AUTH), PLAIN, Step.FAIL, Step.NEXT),
        (OVERLOADED, PLAIN, Step.REPEAT, Step.REPEAT),
        (Ended(ProviderVerdict.PROVIDER_ERROR), PLAIN, Step.REPEAT, Step.REPEAT),
        (OVERLOADED, NEVER, Step.FAIL, Step.NEXT),
        (UNSENT, PLAIN, Step.REPEAT, Step.REPEAT),
        (UNSENT, NEVER, Step.FAIL, Step.NEXT),
        (CUT, PLAIN, Step.FAIL, Step.FAIL),
        (CUT, NEVER, Step.FAIL, Step.FAIL),
        (CUT, AFTER_SEND, Step.REPEAT, Step.REPEAT),
    ],
)
def test_what_comes_next(
    ended: Ended, settings: RetrySettings, alone: Step, with_more: Step
) -> None:
    assert decided(ended, settings=settings).step is alone
    assert decided(ended, replace(FIRST, more=True), settings).step is with_more


@given(
    verdict=st.sampled_from([None, *ProviderVerdict]),
    sent=st.booleans(),
    more=st.booleans(),
    repeat=st.sampled_from(Repeat),
)
def test_nothing_is_tried_again_once_bytes_have_gone_to_the_client(
    verdict: ProviderVerdict | None, sent: bool, more: bool, repeat: Repeat
) -> None:
    standing = Standing(answering=True, repeats=0, left_s=60.0, more=more)
    ended = Ended(verdict, Reason.UPSTREAM_CUT, sent)
    assert decided(ended, standing, replace(PLAIN, repeat=repeat)).step is Step.FAIL


@given(
    left_s=st.floats(0.0, 30.0),
    asked_s=st.none() | st.floats(0.0, 60.0),
    repeats=st.integers(0, 5),
    chance=st.floats(0.0, 1.0, exclude_max=True),
)
def test_a_pause_is_as_long_as_asked_for_and_fits_into_the_calls_patience(
    left_s: float, asked_s: float | None, repeats: int, chance: float
) -> None:
    standing = replace(FIRST, left_s=left_s, repeats=repeats)
    found = decided(replace(OVERLOADED, retry_after_s=asked_s), standing, chance=chance)
    if found.step is Step.REPEAT:
        assert (asked_s or 0.0) <= found.pause_s <= left_s
        assert found.pause_s >= PLAIN.pause_s
        assert repeats < PLAIN.most


def test_pauses_double_and_differ_by_chance() -> None:
    pauses = [
        decided(OVERLOADED, replace(FIRST, repeats=repeats), replace(PLAIN, most=9), chance=chance)
        for repeats in range(6)
        for chance in (0.0, 0.5)
    ]
    assert [one.pause_s for one in pauses] == [
        0.5, 0.625, 1.0, 1.25, 2.0, 2.5, 4.0, 5.0, 8.0, 10.0, 8.0, 10.0
    ]  # fmt: skip


def test_a_long_pause_is_not_waited_for_where_there_is_somewhere_else_to_go() -> None:
    ended = replace(OVERLOADED, retry_after_s=30.0)
    assert decided(ended).step is Step.REPEAT
    assert decided(ended, replace(FIRST, more=True)).step is Step.NEXT


@given(results=st.lists(st.booleans(), min_size=1, max_size=400))
def test_repetitions_never_exceed_their_share_of_the_traffic_and_the_burst(
    results: list[bool],
) -> None:
    budget = RetryBudget(share=0.1, burst=3.0)
    repeated = 0
    for calls, fails in enumerate(results, 1):
        budget.earn()
        if fails and decided(OVERLOADED, budget=budget).step is Step.REPEAT:
            repeated += 1
        assert repeated <= 3.0 + 0.1 * calls + 1e-6
    assert budget.level <= 3.0


def test_each_provider_has_a_budget_of_its_own() -> None:
    budgets = RetryBudgets(replace(PLAIN, burst=1.0))
    assert budgets.of("a").spend()
    assert not budgets.of("a").spend()
    assert budgets.of("b").spend()
