"""All breakers of one replica, and what of them concerns one attempt.

An attempt passes two: its provider's and its lane's. A failure is counted where it belongs, so that
one bad model does not stop a whole account (field-notes 18):

    what came of the attempt                     provider    lane
    -------------------------------------------  ----------  --------
    no connection                                bad         nothing
    no answer in time, cut off, not HTTP         good        bad
    overload (529, 503) or another 5xx           good        bad
    a stream that its provider ends by an error  good        bad
    an answer, its first byte late               good        slow
    an answer                                    good        good
    rate limit, billing, credential, caller's    good        nothing
    the client left                              nothing     nothing
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

from gateway.domain.breaking import BreakerFact, BreakerKey
from gateway.domain.facts import BreakerScope, BreakerState
from gateway.domain.outcome import FailurePhase, ProviderVerdict, UpstreamFailure

from .breaker import Breaker, BreakerSettings, Result
from .retrying import Chance

Moved: TypeAlias = Callable[[BreakerKey, BreakerFact, bool], None]
"""(which, its new state, whether this replica moved it)."""

_LANE_RESULTS = {
    ProviderVerdict.OK: Result.GOOD,
    ProviderVerdict.OVERLOADED: Result.BAD,
    ProviderVerdict.PROVIDER_ERROR: Result.BAD,
}


class BreakerBoard:
    """The breakers of providers, lanes and agents.

    Args:
        settings: Of providers and lanes.
        agents: Of agents.
        chance: For the length of open times.
        moved: Told of each move, once it was made.
    """

    def __init__(
        self,
        settings: BreakerSettings,
        chance: Chance,
        moved: Moved,
        agents: BreakerSettings = BreakerSettings(),  # noqa: B008 - frozen
    ) -> None:
        self._settings = settings
        self._agents = agents
        self._chance = chance
        self._moved = moved
        self._breakers: dict[BreakerKey, Breaker] = {}

    def of(self, scope: BreakerScope, name: str) -> Breaker:
        """A breaker, made when it is first asked for."""
        key = BreakerKey(scope, name)
        found = self._breakers.get(key)
        if found is None:
            settings = self._agents if scope is BreakerScope.AGENT else self._settings
            found = self._breakers[key] = Breaker(settings, self._chance)
        return found

    def fact(self, key: BreakerKey) -> BreakerFact:
        """The state of one; closed if it was never asked for."""
        found = self._breakers.get(key)
        return BreakerFact() if found is None else found.fact

    def all(self) -> Iterator[tuple[BreakerKey, BreakerFact]]:
        """Every breaker with its state."""
        for key, breaker in list(self._breakers.items()):
            yield key, breaker.fact

    def ask(self, key: BreakerKey, breaker: Breaker, now_s: float) -> int | None:
        """Ask one to go through; its generation, or `None` for no."""
        generation, fact = breaker.ask(now_s)
        self._tell(key, fact)
        return generation

    def tell(
        self,
        key: BreakerKey,
        breaker: Breaker,
        generation: int,
        result: Result,
        now_s: float,
        at_least_s: float = 0.0,
    ) -> None:
        """Give one a result; see `Breaker.tell`."""
        self._tell(key, breaker.tell(generation, result, now_s, at_least_s))

    def trip(self, key: BreakerKey, cause: str, note: str, now_s: float) -> None:
        """Open one for reasons that are not counted here; nothing if it is open already."""
        breaker = self.of(key.scope, key.name)
        if breaker.closed:
            self._tell(key, breaker.trip(cause, note, now_s))

    def over(self, key: BreakerKey, breaker: Breaker, now_s: float) -> None:
        """Close one whose open time has passed."""
        self._tell(key, breaker.over(now_s))

    def hear(self, key: BreakerKey, fact: BreakerFact) -> None:
        """Another replica tells a state."""
        if self.of(key.scope, key.name).hear(fact):
            self._moved(key, fact, False)

    def force(self, key: BreakerKey, state: BreakerState, cause: str, now_s: float) -> BreakerFact:
        """Somebody says so."""
        fact = self.of(key.scope, key.name).force(state, cause, now_s)
        self._moved(key, fact, True)
        return fact

    def _tell(self, key: BreakerKey, fact: BreakerFact | None) -> None:
        if fact is not None:
            self._moved(key, fact, True)


def of_answer(verdict: ProviderVerdict, *, late: bool = False) -> tuple[Result, Result]:
    """What an answer says of its provider and of its lane."""
    lane = _LANE_RESULTS.get(verdict, Result.NOTHING)
    return Result.GOOD, Result.SLOW if late and lane is Result.GOOD else lane


def of_failure(failure: UpstreamFailure) -> tuple[Result, Result]:
    """What an attempt without a whole answer says of its provider and of its lane."""
    if failure.phase in {FailurePhase.CONNECT, FailurePhase.TLS}:
        return Result.BAD, Result.NOTHING
    return Result.GOOD, Result.BAD
