"""One breaker: a switch that stops calls to what keeps failing, and finds out when it works again.

While **closed**, calls go through and their ends are counted, over a sliding window and in a row.
When too many fail (a share of a minimum number, or so many one after the other, or too many that
are slow), the breaker **opens**: calls are refused at once, which costs nothing and lets the other
side recover. After a while it is **half open**: a few calls, the probes, are let through to see. If
enough of them go well it closes; if one fails it opens again, for twice as long.

    state      what happens                          next        cause
    ---------  ------------------------------------  ----------  ------------------------------
    closed     too many failures                     open        failure_ratio, failures_in_row
    closed     too many slow calls                   open        slow_ratio
    open       its time is over, and a call asks     half open   time
    half open  enough probes went well               closed      probes
    half open  a probe failed                        open        probe
    closed     an agent runs away                    open        repeated, errors, spend, context
    open       its time is over (agents: no probes)  closed      time
    any        somebody says so                      open        manual (stays until told)
    any        somebody says so                      closed      manual, reset

Each state has a **generation**, one higher than that of the state before. Who goes through takes it
along and gives it back with the result; a result of an earlier generation counts for nothing, so
that a call which began before a failure and ends long after does not disturb what was learned
since. (After gobreaker.) Getting permission and giving the result are two steps, since a stream has
begun long before it has ended.

A state is a **fact** that replicas tell each other. There is no lock and no leader: each replica
counts what it sees itself, and of two facts the *later* one counts: the higher generation; of the
same, the one that lets less through; of two open ones, the one that lasts longer. This order is
total, so all replicas come to the same state whatever the order in which they hear of it. Each
replica has probes of its own; a fleet of n has n times as many.

What counts as a failure is not for this module to say: see `Result`. Times are epoch seconds, given
as arguments, since facts travel between machines; chance is handed in.
"""

from dataclasses import dataclass, replace
from enum import Enum, auto

from gateway.domain.breaking import FOR_EVER_S, BreakerFact
from gateway.domain.facts import BreakerState
from gateway.domain.value import value

from .retrying import Chance

PROBING_S = 1.0
"""How long it is said to refuse calls while it waits for its probes, which nobody can know."""
_RANKS = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}


class Result(Enum):
    """What a call says of the other side."""

    GOOD = auto()
    SLOW = auto()
    """It went well, and took too long."""
    BAD = auto()
    NOTHING = auto()
    """The caller's own fault, or its leaving, or a rate limit: counts neither way."""


@value
class BreakerSettings:
    """When to open, and for how long.

    Attributes:
        in_row: Failures one after the other; 0: never for this reason.
        ratio: Share of failures in the window.
        volume: Calls in the window below which no share counts.
        window_s: The window.
        slow_ratio: Share of slow calls in the window.
        open_s: How long it stays open the first time; doubled each further time.
        longest_s: At most.
        jitter: The open time is longer by a random share of up to this.
        probes: Calls that are let through at once to see, in each replica.
        enough: Probes that must go well, one after the other.
        calm_s: Closed for so long, and the next open time is a first one again.
    """

    in_row: int = 5
    ratio: float = 0.5
    volume: int = 20
    window_s: float = 30.0
    slow_ratio: float = 0.8
    open_s: float = 5.0
    longest_s: float = 300.0
    jitter: float = 0.2
    probes: int = 1
    enough: int = 2
    calm_s: float = 120.0


@dataclass(slots=True)
class _Slot:
    """What was counted in one half of the window."""

    until_s: float
    calls: int = 0
    bad: int = 0
    slow: int = 0


class Breaker:
    """One switch, as one replica sees it.

    Attributes:
        closed: Whether calls go through without asking.
        fact: The state.
        generation: Of the state.
    """

    __slots__ = (
        "_chance",
        "_good",
        "_in_row",
        "_out",
        "_settings",
        "_slots",
        "closed",
        "fact",
        "generation",
    )

    def __init__(self, settings: BreakerSettings, chance: Chance) -> None:
        self._settings = settings
        self._chance = chance
        self.closed = True
        self.fact = BreakerFact()
        self.generation = 0
        self._slots: list[_Slot] = []
        self._in_row = 0
        self._good = 0
        self._out = 0

    def wait_s(self, now_s: float) -> float:
        """How long it will refuse calls for; 0: it would let one through now."""
        if self.closed:
            return 0.0
        fact = self.fact
        if fact.state is BreakerState.OPEN:
            return max(0.0, fact.until_s - now_s)
        return PROBING_S if self._out >= self._settings.probes else 0.0

    def ask(self, now_s: float) -> tuple[int | None, BreakerFact | None]:
        """Ask to go through.

        Returns:
            The generation to give back with the result, `None` for no; and the new state if the
            question has changed it.
        """
        if self.closed:
            return self.fact.generation, None
        moved = None
        if self.fact.state is BreakerState.OPEN:
            if now_s < self.fact.until_s:
                return None, None
            moved = self._move(BreakerState.HALF_OPEN, "time", now_s)
        if self._out >= self._settings.probes:
            return None, moved
        self._out += 1
        return self.fact.generation, moved

    def leave(self, generation: int) -> None:
        """A call that went through tells no result; its place is free for another one."""
        if generation == self.fact.generation and self._out:
            self._out -= 1

    def good(self, generation: int, now_s: float) -> bool:
        """Give the result of nearly every call, at next to no cost; False: `tell` it instead."""
        if not self.closed or generation != self.generation:
            return False
        slots = self._slots
        slot = slots[-1] if slots and now_s < slots[-1].until_s else self._slot(now_s)
        slot.calls += 1
        self._in_row = 0
        return True

    def tell(
        self, generation: int, result: Result, now_s: float, at_least_s: float = 0.0
    ) -> BreakerFact | None:
        """Give a result; the new state if that has changed it.

        Args:
            generation: What `ask` gave.
            result: What came of the call.
            now_s: The time.
            at_least_s: The other side asked to be left alone for so long.
        """
        if generation != self.fact.generation or result is Result.NOTHING:
            return None
        half_open = self.fact.state is BreakerState.HALF_OPEN
        moved = self._probed(result, now_s) if half_open else self._counted(result, now_s)
        if moved is None or moved.state is not BreakerState.OPEN:
            return moved
        asked_s = now_s + min(at_least_s, self._settings.longest_s)
        if asked_s > moved.until_s:
            moved = self.fact = replace(moved, until_s=asked_s)
        return moved

    def hear(self, fact: BreakerFact) -> bool:
        """Another replica tells a state; whether it is later than ours, and so the one in force."""
        if not later(fact, self.fact):
            return False
        self._adopt(fact)
        return True

    def force(self, state: BreakerState, cause: str, now_s: float) -> BreakerFact:
        """Somebody says so: open until told otherwise, or closed with everything forgotten."""
        until_s = FOR_EVER_S if state is BreakerState.OPEN else 0.0
        fact = BreakerFact(self.generation + 1, state, until_s, 0, cause, now_s)
        self._adopt(fact)
        return fact

    def trip(self, cause: str, note: str, now_s: float) -> BreakerFact:
        """Open for reasons that are not counted here."""
        return self._open(cause, now_s, note)

    def over(self, now_s: float) -> BreakerFact | None:
        """Close without probes once the open time has passed; the new state if it has."""
        if self.fact.state is not BreakerState.OPEN or now_s < self.fact.until_s:
            return None
        return self._move(BreakerState.CLOSED, "time", now_s)

    def _probed(self, result: Result, now_s: float) -> BreakerFact | None:
        if result is not Result.GOOD:
            return self._open("probe", now_s)
        self._good += 1
        if self._good < self._settings.enough:
            return None
        return self._move(BreakerState.CLOSED, "probes", now_s)

    def _counted(self, result: Result, now_s: float) -> BreakerFact | None:
        settings = self._settings
        slot = self._slot(now_s)
        slot.calls += 1
        if result is Result.BAD:
            slot.bad += 1
            self._in_row += 1
            if 0 < settings.in_row <= self._in_row:
                return self._open("failures_in_row", now_s)
        else:
            self._in_row = 0
            if result is Result.GOOD:
                return None
            slot.slow += 1
        calls = sum(one.calls for one in self._slots)
        if calls < settings.volume:
            return None
        if sum(one.bad for one in self._slots) >= calls * settings.ratio:
            return self._open("failure_ratio", now_s)
        if sum(one.slow for one in self._slots) >= calls * settings.slow_ratio:
            return self._open("slow_ratio", now_s)
        return None

    def _open(self, cause: str, now_s: float, note: str = "") -> BreakerFact:
        settings, before = self._settings, self.fact
        calm = before.state is BreakerState.CLOSED and now_s - before.at_s >= settings.calm_s
        openings = 1 if calm else before.openings + 1
        open_s = min(settings.open_s * 2.0 ** min(openings - 1, 30), settings.longest_s)
        until_s = now_s + open_s * (1.0 + settings.jitter * self._chance())
        generation = before.generation + 1
        fact = BreakerFact(generation, BreakerState.OPEN, until_s, openings, cause, now_s, note)
        self._adopt(fact)
        return fact

    def _move(self, to: BreakerState, cause: str, now_s: float) -> BreakerFact:
        before = self.fact
        fact = BreakerFact(before.generation + 1, to, 0.0, before.openings, cause, now_s)
        self._adopt(fact)
        return fact

    def _adopt(self, fact: BreakerFact) -> None:
        self.fact = fact
        self.generation = fact.generation
        self.closed = fact.state is BreakerState.CLOSED
        self._slots.clear()
        self._in_row = self._good = self._out = 0

    def _slot(self, now_s: float) -> _Slot:
        """The half of the window that is now; what is older than the window is dropped."""
        half_s = self._settings.window_s / 2
        slots = self._slots
        if not slots or now_s >= slots[-1].until_s:
            self._slots = slots = [one for one in slots if now_s < one.until_s + half_s]
            slots.append(_Slot(now_s + half_s))
        return slots[-1]


def later(one: BreakerFact, other: BreakerFact) -> bool:
    """Whether one fact is in force over another."""
    return order(one) > order(other)


def order(fact: BreakerFact) -> tuple[int, int, float]:
    """What of two facts makes one the later."""
    return fact.generation, _RANKS[fact.state], fact.until_s
