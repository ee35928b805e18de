"""What must hold: safety, liveness, and nothing left behind.

Bounds that faults loosen are stated, not waived:

* A provider's limit may be missed by what nobody could know: errors of estimates and the
  neighbour's use in the last ninety seconds, what a store that went back has forgotten, and what
  the bucket refilled while grants were on their way.
* A hard budget holds over every sliding minute of the store's clock, but for errors of estimates,
  for what a store that went back has forgotten, and for output of calls that it has given up.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

from gateway.core.admission import messages
from gateway.core.admission.state import Books, LaneState
from gateway.domain.limits import Budget, BudgetMode, Dimension
from gateway.domain.topology import Topology

from .provider import Overrun, Provider
from .record import CallRecord, Loss, Record
from .scenario import AGEING_S, Scenario

_MEMORY_S = 90.0
_MINUTE_US = 60_000_000
_MARGIN = 0.01
LATE_S = 6.5
"""After its `max_wait` a call is answered within this: a command that times out (2 s) and twice
the patience for a store that does not answer (2 s each)."""
_UNSERVED_S = 2 * AGEING_S + 15.0
_LOOSENING = {
    "kill",
    "stop",
    "partition",
    "store_pause",
    "store_kept",
    "store_old",
    "store_empty",
    "flaky",
    "slow",
}
THROUGHPUT = 0.95
THROUGHPUT_BESIDE_A_NEIGHBOUR = 0.90


# --- the provider's limits --------------------------------------------------------------------


def overrun_findings(
    record: Record, lane: str, provider: Provider, scenario: Scenario
) -> Iterator[str]:
    """429s that nobody should have provoked."""
    for overrun in provider.overruns:
        if scenario.calm:
            yield f"{lane}: a 429 of {overrun.dimension} while nothing was wrong"
            continue
        if overrun.dimension is Dimension.CONCURRENCY:
            if not any(
                kind in _LOOSENING and overrun.at_s - 30 <= at_s <= overrun.at_s
                for at_s, kind in record.faults
            ):
                yield f"{lane}: more calls at once than allowed at {overrun.at_s:.3f} s"
            continue
        allowed = _slack(record, lane, provider, overrun)
        if overrun.missing > allowed:
            yield (
                f"{lane}: {overrun.dimension} overrun by {overrun.missing:.0f} at "
                f"{overrun.at_s:.3f} s ({overrun.ticket}), explained are {allowed:.0f}"
            )


def _slack(record: Record, lane: str, provider: Provider, overrun: Overrun) -> float:
    d, now_s = overrun.dimension, overrun.at_s
    since_s = now_s - _MEMORY_S
    recent = [
        call
        for call in record.calls.values()
        if call.job.request.lane == lane
        and call.arrived_s is not None
        and call.arrived_s <= now_s
        and (call.ended_s or now_s) >= since_s
    ]
    wrong = sum(_underestimate(call, d) for call in recent)
    neighbour = sum(n for at_s, of, n in provider.neighbour if of is d and since_s <= at_s <= now_s)
    forgotten = sum(
        _taken(call, d)
        for loss in record.losses
        if since_s <= loss.at_s <= now_s
        for call in record.calls.values()
        if call.job.request.lane == lane and _unknown_after(call, loss)
    )
    rate = overrun.limit / 60.0
    on_their_way = [
        call.arrived_s - call.granted_s[-1] for call in recent if call.arrived_s and call.granted_s
    ]
    late = max((way for way in on_their_way), default=0.0) - 1.6  # the head's own time
    shifted = sum(max(0.0, by) for at_s, by in record.shifts if since_s <= at_s <= now_s)
    return wrong + neighbour + forgotten + rate * (max(0.0, late) + shifted + 0.2)


def _underestimate(call: CallRecord, d: Dimension) -> float:
    truth, charge = call.job.truth, call.job.request.charge
    match d:
        case Dimension.ITPM:
            return max(0, truth.input_tokens - charge.lane_input_tokens)
        case Dimension.OTPM:
            return max(0, truth.output_tokens - charge.lane_output_tokens)
        case _:
            return 0


def _taken(call: CallRecord, d: Dimension) -> float:
    truth = call.job.truth
    match d:
        case Dimension.RPM:
            return 1
        case Dimension.ITPM:
            return truth.input_tokens
        case Dimension.OTPM:
            return truth.output_tokens
        case _:
            return truth.on_arrival


def _unknown_after(call: CallRecord, loss: Loss) -> bool:
    """Whether a store that went back does not know of what the call took."""
    begin_s = loss.at_s - min(loss.age_s, _MEMORY_S) - 0.001
    return any(begin_s <= at_s <= loss.at_s for at_s in call.granted_s) or (
        call.arrived_s is not None
        and call.arrived_s <= loss.at_s
        and (call.ended_s is None or call.ended_s >= begin_s)
    )


# --- budgets ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Use:
    """Something that counts against a budget, at a time of the store's clock."""

    at_us: int
    requests: int
    tokens: int
    excused: int
    """Of the tokens: what nobody could know."""


@dataclass(slots=True)
class BudgetCheck:
    """A budget and its history of limits, newest last."""

    scope: str
    history: list[tuple[int, Budget]]

    def worst(self, uses: list[Use]) -> Iterator[str]:
        """Sliding minutes in which more was used than allowed."""
        uses.sort(key=lambda use: use.at_us)
        first = requests = tokens = 0
        for use in uses:
            requests, tokens = requests + use.requests, tokens + use.tokens - use.excused
            while uses[first].at_us <= use.at_us - _MINUTE_US:
                gone = uses[first]
                requests, tokens = requests - gone.requests, tokens - gone.tokens + gone.excused
                first += 1
            for name, used, allowed in zip(
                ("rpm", "tpm"), (requests, tokens), self._allowed(use.at_us), strict=True
            ):
                if allowed is not None and used > allowed:
                    yield f"{self.scope}: {used} of {allowed} {name} in the minute before {use.at_us}"
                    return

    def _allowed(self, now_us: int) -> tuple[int | None, int | None]:
        """The most that was allowed at any time that matters; soft budgets allow everything."""
        current = [b for at_us, b in self.history if at_us <= now_us][-1:]
        recent = [b for at_us, b in self.history if now_us - 2 * _MINUTE_US <= at_us <= now_us]
        before = [b for at_us, b in self.history if at_us < now_us - 2 * _MINUTE_US][-1:]
        budgets = (current + recent + before) or [self.history[0][1]]
        if any(budget.mode is BudgetMode.SOFT for budget in budgets):
            return None, None
        rpm, tpm = [b.rpm for b in budgets], [b.tpm for b in budgets]
        return (
            None if None in rpm else max(r for r in rpm if r is not None),
            None if None in tpm else max(t for t in tpm if t is not None),
        )


def uses_of(record: Record, scope: str) -> list[Use]:
    """What an agent or a team has used."""
    kind, name = scope.split(":", 1)
    found: list[Use] = []
    for call in record.calls.values():
        request = call.job.request
        if name != (request.agent if kind == "agent" else request.team) or call.arrived_s is None:
            continue
        unknown = any(_unknown_after(call, loss) for loss in record.losses)
        found.extend(_uses(call, unknown=unknown))
    return found


def _uses(call: CallRecord, *, unknown: bool) -> Iterator[Use]:
    truth, charge = call.job.truth, call.job.request.charge
    wrong = max(0, truth.input_tokens - charge.input_tokens)
    excused = truth.input_tokens if unknown else wrong
    yield Use(call.counted_us, 0 if unknown else 1, truth.input_tokens, excused)
    if call.settled_us is not None and not call.expired:
        wrong = max(0, call.output_tokens - charge.output_tokens)
        excused = call.output_tokens if unknown else wrong
        yield Use(call.settled_us, 0, call.output_tokens, excused)


# --- liveness ---------------------------------------------------------------------------------


def late_findings(record: Record) -> Iterator[str]:
    """Calls that were not answered in time."""
    for late_s, ticket in record.lateness:
        if late_s > LATE_S:
            yield f"{ticket} was answered {late_s:.1f} s after its time"


def starving(books: Books, now_us: int) -> Iterator[str]:
    """Bands that wait for longer than ageing lets them."""
    for lane in books.lanes.values():
        if lane.paused or any(until_us > now_us for until_us in lane.blocked_us):
            continue
        for band in range(3):
            unserved_s = (now_us - lane.since_us[band]) / 1e6
            if lane.active[band] and unserved_s > _UNSERVED_S:
                yield f"{lane.name}: band {band + 1} was not served for {unserved_s:.0f} s"


# --- nothing left behind ----------------------------------------------------------------------


def ledger_findings(books: Books) -> Iterator[str]:
    """Reserved must be settled + released + expired + held, to the last token."""
    for lane in books.lanes.values():
        yield from _unbalanced(f"lane:{lane.name}", lane.ledger.rows(), lane.held)
    for budget in books.budgets.values():
        held = [budget.held_requests, budget.held_input + budget.held_output, budget.held_cost]
        yield from _unbalanced(budget.scope, budget.ledger.rows(), held)


def _unbalanced(scope: str, rows: list[list[int]], held: list[int]) -> Iterator[str]:
    reserved, *parts = rows
    sums = [sum(column) for column in zip(*parts, held, strict=True)]
    if sums != reserved:
        yield f"{scope}: the ledger does not sum to zero: {rows}, held {held}"


def left_findings(books: Books) -> Iterator[str]:
    """Once all calls have ended, the store holds nothing for anybody."""
    for ticket in books.tickets.values():
        state = "admitted" if ticket.admitted else "waiting"
        yield f"{ticket.id} of {ticket.replica} is still {state}"
    for lane in books.lanes.values():
        yield from _left_in_lane(lane)
    for budget in books.budgets.values():
        if budget.in_flight or budget.held_requests or budget.held_output or budget.groups:
            yield f"{budget.scope}: still {budget.in_flight} in flight, {budget.groups} groups wait"
    rankings = itertools.chain(
        books.active.items(), books.parked.items(), books.soft.items(), books.wake.items()
    )
    for key, ranking in rankings:
        if len(ranking):
            yield f"a queue at {key} still holds {list(ranking)}"
    if books.outboxes:
        yield f"outboxes of {list(books.outboxes)} are left"


def _left_in_lane(lane: LaneState) -> Iterator[str]:
    if any(lane.held) or lane.in_flight:
        yield f"{lane.name}: still {lane.in_flight} in flight, {lane.held} held"
    if (
        any(lane.waiting)
        or any(lane.active)
        or any(lane.flows)
        or any(map(any, lane.waiting_charges))
    ):
        yield f"{lane.name}: still {lane.waiting} waiting, {lane.flows} flows"
    if any(lane.pending):
        yield f"{lane.name}: corrections still pending: {lane.pending}"


def configuration_findings(books: Books, topology: Topology) -> Iterator[str]:
    """What is in force must be what was configured last."""
    for _, scope, to in messages.configure_all(topology):
        kind, name = str(scope).split(":", 1)
        state = books.lanes.get(name) if kind == "lane" else books.budgets.get(str(scope))
        wanted = cast("dict[str, object]", to)["limits"]
        if state is None or state.limits != wanted:
            found = "unknown" if state is None else state.limits
            yield f"{scope}: limits in force are {found}, configured are {wanted}"
