"""What stands in the way of a call, whatever has become of its lane."""

from gateway.core.breaker import BreakerSettings
from gateway.core.breaker_board import BreakerBoard
from gateway.dataplane.gates import Gates
from gateway.dataplane.target import Target
from gateway.domain.breaking import BreakerKey
from gateway.domain.call import Dialect
from gateway.domain.facts import BreakerScope, BreakerState
from gateway.domain.outcome import Reason
from gateway.domain.topology import Lane, Provider

NOW_S = 1000.0


def target(provider: str) -> Target:
    owner = Provider(provider, Dialect.OPENAI, "http://provider/v1")
    return Target(owner, Lane("fast", provider, ("m",)), "m")


def test_a_lane_that_was_given_to_another_provider_minds_the_breaker_of_that_one() -> None:
    board = BreakerBoard(BreakerSettings(), lambda: 0.0, lambda *_: None)
    gates = Gates(board, lambda: NOW_S, slow_s=10.0)
    board.force(BreakerKey(BreakerScope.PROVIDER, "old"), BreakerState.OPEN, "manual", NOW_S)
    before, now = target("old"), target("new")
    refusal = gates.before(before)
    assert refusal is not None
    assert refusal.reason is Reason.BREAKER_OPEN
    assert gates.before(now) is None
    assert not gates.shut(now)
    assert gates.shut(before)
