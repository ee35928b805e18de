"""A failure counts where it belongs."""

import pytest

from gateway.core.breaker import BreakerSettings, Result
from gateway.core.breaker_board import BreakerBoard, of_answer, of_failure
from gateway.domain.breaking import BreakerFact, BreakerKey
from gateway.domain.facts import BreakerScope, BreakerState
from gateway.domain.outcome import FailurePhase, ProviderVerdict, Reason, UpstreamFailure

GOOD, BAD, SLOW, NOTHING = Result.GOOD, Result.BAD, Result.SLOW, Result.NOTHING


@pytest.mark.parametrize(
    ("verdict", "late", "lane"),
    [
        (ProviderVerdict.OK, False, GOOD),
        (ProviderVerdict.OK, True, SLOW),
        (ProviderVerdict.OVERLOADED, False, BAD),
        (ProviderVerdict.PROVIDER_ERROR, True, BAD),
        (ProviderVerdict.RATE_LIMITED, False, NOTHING),
        (ProviderVerdict.CALLER_ERROR, True, NOTHING),
        (ProviderVerdict.BILLING, False, NOTHING),
        (ProviderVerdict.AUTH, False, NOTHING),
    ],
)
def test_an_answer_speaks_for_its_provider_and_judges_its_lane(
    verdict: ProviderVerdict, late: bool, lane: Result
) -> None:
    assert of_answer(verdict, late=late) == (GOOD, lane)


@pytest.mark.parametrize("phase", FailurePhase)
def test_only_a_missing_connection_is_the_whole_providers(phase: FailurePhase) -> None:
    failure = UpstreamFailure(Reason.UPSTREAM_TIMEOUT, phase, "", sent=True)
    unconnected = phase in {FailurePhase.CONNECT, FailurePhase.TLS}
    assert of_failure(failure) == ((BAD, NOTHING) if unconnected else (GOOD, BAD))


def test_each_move_is_told_once_with_whose_it_was() -> None:
    told: list[tuple[str, BreakerState, bool]] = []
    board = BreakerBoard(
        BreakerSettings(in_row=1, enough=1),
        lambda: 0.0,
        lambda key, fact, here: told.append((str(key), fact.state, here)),
    )
    key = BreakerKey(BreakerScope.LANE, "a/b")
    lane = board.of(key.scope, key.name)
    board.tell(key, lane, 0, Result.BAD, 100.0)
    assert board.ask(key, lane, 101.0) is None
    generation = board.ask(key, lane, 200.0)
    assert generation == 2
    board.tell(key, lane, generation, Result.GOOD, 200.0)
    board.hear(key, BreakerFact(9, BreakerState.OPEN, 300.0))
    board.hear(key, BreakerFact(8, BreakerState.CLOSED))
    assert told == [
        ("lane/a/b", BreakerState.OPEN, True),
        ("lane/a/b", BreakerState.HALF_OPEN, True),
        ("lane/a/b", BreakerState.CLOSED, True),
        ("lane/a/b", BreakerState.OPEN, False),
    ]
    assert [(str(k), fact.generation) for k, fact in board.all()] == [("lane/a/b", 9)]
