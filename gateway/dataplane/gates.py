"""The breakers on the way of a call: whether it may try an option, and what comes of it.

Failure policy: a breaker that is open refuses a call with `breaker_open` and the time that it stays
open. A call without another option, and with the patience to outlast that time, waits instead, and
is woken when the breaker moves; so the calls that wait do not all try at once, but as the breaker
lets them.
"""

import asyncio
from collections.abc import Callable

from gateway.core.breaker import Breaker, Result
from gateway.core.breaker_board import BreakerBoard, of_answer, of_failure
from gateway.domain.breaking import BreakerFact, BreakerKey
from gateway.domain.facts import BreakerScope, BreakerState
from gateway.domain.outcome import ProviderVerdict, Reason, Refusal, UpstreamFailure

from .target import Target


class Gate:
    """What one option passes: its provider's breaker and its lane's."""

    __slots__ = ("lane", "lane_key", "provider", "provider_key")

    def __init__(self, target: Target, board: BreakerBoard) -> None:
        provider, lane = target.provider.name, target.lane.name
        self.provider_key = BreakerKey(BreakerScope.PROVIDER, provider)
        self.lane_key = BreakerKey(BreakerScope.LANE, lane)
        self.provider = board.of(BreakerScope.PROVIDER, provider)
        self.lane = board.of(BreakerScope.LANE, lane)


class Trial:
    """One attempt that was let through: its first result counts, and so does a later failure."""

    __slots__ = ("_ended", "_gate", "_gates", "_lane", "_provider")

    def __init__(self, gates: "Gates", gate: Gate, provider: int, lane: int) -> None:
        self._gates = gates
        self._gate = gate
        self._provider = provider
        self._lane = lane
        self._ended = False

    def answered(
        self, verdict: ProviderVerdict, after_s: float = 0.0, again_s: float | None = None
    ) -> None:
        """The provider has answered.

        Args:
            verdict: What its answer means.
            after_s: When its first byte came.
            again_s: When it asked to be called again.
        """
        gate, late = self._gate, after_s > self._gates.slow_s
        if verdict is ProviderVerdict.OK and not late:
            now_s = self._gates.wall()
            if gate.provider.closed and gate.lane.good(self._lane, now_s):
                gate.provider.good(self._provider, now_s)
                return
        self._tell(*of_answer(verdict, late=late), again_s or 0.0)

    def failed(self, failure: UpstreamFailure) -> None:
        """The provider has not answered, or not to the end."""
        self._tell(*of_failure(failure))

    def broke_off(self) -> None:
        """A stream that had begun well was ended by an error of its provider."""
        self._tell(Result.NOTHING, Result.BAD)

    def end(self) -> None:
        """Its place among those that are let through is free. Idempotent."""
        if not self._ended:
            self._ended = True
            self._gate.provider.leave(self._provider)
            self._gate.lane.leave(self._lane)

    def _tell(self, provider: Result, lane: Result, at_least_s: float = 0.0) -> None:
        gate, gates = self._gate, self._gates
        now_s = gates.wall()
        self.end()
        gates.board.tell(gate.provider_key, gate.provider, self._provider, provider, now_s)
        gates.board.tell(gate.lane_key, gate.lane, self._lane, lane, now_s, at_least_s)


class Gates:
    """All gates of one replica.

    Args:
        board: The breakers.
        wall: Epoch seconds.
        slow_s: A first byte later than this is a slow call; infinite: none is.

    Attributes:
        board: See above, like the next two.
    """

    def __init__(self, board: BreakerBoard, wall: Callable[[], float], slow_s: float) -> None:
        self.board = board
        self.wall = wall
        self.slow_s = slow_s
        self._gates: dict[str, Gate] = {}
        self._waiting: set[asyncio.Future[None]] = set()
        self._tripped: dict[str, Breaker] = {}

    def agent(self, name: str) -> Refusal | None:
        """Why this agent may not call now; `None` if it may."""
        if name not in self._tripped:
            return None
        key, now_s = BreakerKey(BreakerScope.AGENT, name), self.wall()
        breaker = self._tripped[name]
        self.board.over(key, breaker, now_s)
        if breaker.closed:
            return None
        return tripped(name, breaker.fact, now_s)

    def before(self, target: Target) -> Refusal | None:
        """Why this option is of no use now; `None` if it may be tried."""
        gate = self._gate(target)
        if gate.provider.closed and gate.lane.closed:
            return None
        now_s = self.wall()
        provider_s, lane_s = gate.provider.wait_s(now_s), gate.lane.wait_s(now_s)
        if provider_s <= 0.0 and lane_s <= 0.0:
            return None
        key = gate.provider_key if provider_s > lane_s else gate.lane_key
        return refusal(key, self.board.of(key.scope, key.name).fact, max(provider_s, lane_s))

    def shut(self, target: Target) -> bool:
        """Whether anything is in the way; the one question that nearly every call asks."""
        gate = self._gate(target)
        return not (gate.provider.closed and gate.lane.closed)

    def probe(self, target: Target) -> Trial | None:
        """Be one of the few that a half-open breaker lets through; `None` if none is half open.

        Asked for before a call takes its turn, so that those which are too many do not take one.
        """
        gate = self._gate(target)
        return None if gate.provider.closed and gate.lane.closed else self._ask(gate)

    def enter(self, target: Target) -> Trial | None:
        """Go through, right before sending; `None` if a breaker has opened meanwhile."""
        gate = self._gate(target)
        provider, lane = gate.provider, gate.lane
        if not (provider.closed and lane.closed):
            return self._ask(gate)
        return Trial(self, gate, provider.generation, lane.generation)

    def moved(self, key: BreakerKey) -> None:
        """A breaker has moved: whoever waits may ask again."""
        if key.scope is BreakerScope.AGENT:
            breaker = self.board.of(key.scope, key.name)
            if breaker.closed:
                self._tripped.pop(key.name, None)
            else:
                self._tripped[key.name] = breaker
            return
        waiting, self._waiting = self._waiting, set()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    def next_move(self) -> asyncio.Future[None]:
        """Done when the next breaker moves."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        future.add_done_callback(self._waiting.discard)
        return future

    def _ask(self, gate: Gate) -> Trial | None:
        now_s = self.wall()
        provider = self.board.ask(gate.provider_key, gate.provider, now_s)
        if provider is None:
            return None
        lane = self.board.ask(gate.lane_key, gate.lane, now_s)
        if lane is None:
            gate.provider.leave(provider)
            return None
        return Trial(self, gate, provider, lane)

    def _gate(self, target: Target) -> Gate:
        gate = self._gates.get(target.lane.name)
        # A lane may have been given to another provider since.
        if gate is None or gate.provider_key.name != target.provider.name:
            gate = self._gates[target.lane.name] = Gate(target, self.board)
        return gate


def refusal(key: BreakerKey, fact: BreakerFact, wait_s: float) -> Refusal:
    """What a call is told that a breaker does not let through."""
    about = f"The {key.scope.value} {key.name!r}"
    if fact.held:
        return Refusal(Reason.BREAKER_OPEN, f"{about} was taken out of service by an operator.")
    when = f"it is tried again in {wait_s:.0f} s"
    if fact.state is BreakerState.HALF_OPEN:
        when = "it is being tried again"
    why = _CAUSES.get(fact.cause, fact.cause)
    return Refusal(Reason.BREAKER_OPEN, f"{about} {why}; {when}.", wait_s)


def tripped(agent: str, fact: BreakerFact, now_s: float) -> Refusal:
    """What an agent is told that runs away: what was seen, and how it goes on."""
    why = f"it was stopped by an operator ({fact.cause})" if not fact.note else fact.note
    when = (
        "It stays stopped until an operator resumes it"
        if fact.held
        else f"It goes on by itself in {max(0.0, fact.until_s - now_s):.0f} s, or at once"
    )
    return Refusal(
        Reason.AGENT_TRIPPED,
        f"Agent {agent!r} was stopped: {why}. Do not retry. {when} with: "
        f"gateway breakers reset agent/{agent}",
    )


_CAUSES = {
    "failures_in_row": "failed several times in a row",
    "failure_ratio": "fails too often",
    "slow_ratio": "answers too slowly",
    "probe": "still fails",
    "time": "has failed",
    "manual": "was closed by an operator",
}
