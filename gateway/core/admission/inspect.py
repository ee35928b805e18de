"""Read-only views of lanes and budgets; nothing is changed, not even brought up to date."""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass

from . import budget as budgets
from .lane import need_of, refill, saturated, shape
from .queue import cost_of
from .snapshot import BudgetSnapshot, LaneSnapshot, QueuedTicket
from .state import (
    BAND_NUMBERS,
    DIMENSION_NAMES,
    EPSILON,
    FOREVER,
    Books,
    BudgetState,
    LaneState,
    Ranking,
    Ticket,
)


def snapshot_lane(books: Books, name: str, *, queue: bool) -> LaneSnapshot:
    """One lane as it is now."""
    known = name in books.lanes
    lane = (
        copy.deepcopy(books.lanes[name])
        if known
        else LaneState(name, books.now_us, used_us=books.now_us)
    )
    shape(lane)
    refill(lane, books.now_us)
    return LaneSnapshot(
        known=known,
        limits=lane.limit,
        capacity=lane.capacity,
        level=lane.level,
        configured=lane.limits,
        learned=lane.learned,
        concurrency=lane.concurrency,
        held=lane.held,
        in_flight=lane.in_flight,
        holding_us=lane.holding_us,
        blocked_until_us=lane.blocked_us,
        paused=int(lane.paused),
        drift=lane.drift,
        strangers=lane.strangers,
        pace=lane.pace,
        saturated=[saturated(lane, band) for band in BAND_NUMBERS],
        corrected=lane.corrected,
        pending=lane.pending,
        waiting=lane.waiting,
        flows=lane.flows,
        weights=lane.weights,
        active=lane.active,
        waiting_charges=lane.waiting_charges,
        virtual=lane.virtual,
        since_us=lane.since_us,
        ledger=lane.ledger.rows(),
        sequence=lane.sequence,
        next_us=lane.announced[0],
        next_owner=lane.announced[1],
        queue=_listing(books, lane) if queue else [],
    )


def snapshot_budget(books: Books, scope: str) -> BudgetSnapshot:
    """One budget as it is now."""
    budget = _budget(books, scope)
    return BudgetSnapshot(
        known=scope in books.budgets,
        limits=budget.limits,
        soft=int(budget.soft),
        requests=budget.requests,
        tokens=budget.tokens,
        held_requests=budget.held_requests,
        held_input=budget.held_input,
        held_output=budget.held_output,
        held_microusd=budget.held_cost,
        in_flight=budget.in_flight,
        holding_us=budget.holding_us,
        spent_day=budget.spent_day,
        spent_month=budget.spent_month,
        ledger=budget.ledger.rows(),
        parked_groups=budget.groups,
        window=[number for slot in budget.slots for number in slot],
        blind_until_us=budget.blind_until_us,
    )


def _budget(books: Books, scope: str) -> BudgetState:
    budget = copy.deepcopy(books.budgets.get(scope)) or BudgetState(scope)
    budgets.advance(budget, books.now_us)
    return budget


def _flows_of(books: Books, lane: LaneState, band: int) -> list[str]:
    agents = list(books.active.get((band, lane.name), ()))
    for group in books.wake.get(lane.name, Ranking()):
        number, scope = group.split("|", 1)
        if int(number) == band:
            agents.extend(books.parked[band, scope, lane.name])
    return agents


def _waiting_in(
    books: Books, lane: LaneState, band: int
) -> list[tuple[float, str, Ticket, int, int]]:
    """The waiting tickets of a band in the order in which they would be served.

    Each with its tag, its agent, its number in its flow, and the flow's tokens up to it.
    """
    found = []
    for agent in _flows_of(books, lane, band):
        flow = books.flows[band, agent, lane.name]
        tag, tokens = flow.tag, 0
        for number, id_ in enumerate(flow.tickets, 1):
            ticket = books.tickets[id_]
            tokens += ticket.charge[4] + ticket.charge[5]
            found.append((tag, agent, ticket, number, tokens))
            tag = tag + cost_of(lane, ticket.charge) / ticket.weight
    return sorted(found, key=lambda entry: (entry[0], entry[1].encode(), entry[2].sequence))


def _listing(books: Books, lane: LaneState) -> list[QueuedTicket]:
    before = [0] * 4
    waiting = [entry for band in BAND_NUMBERS for entry in _waiting_in(books, lane, band)]
    return [
        _entry(books, lane, ticket, _Place(place, calls, tokens), before)
        for place, (_, _, ticket, calls, tokens) in enumerate(waiting, 1)
    ]


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a ticket stands.

    Attributes:
        number: In the lane; 1 is first.
        calls: In its flow.
        tokens: Of its flow, up to it and with it.
    """

    number: int
    calls: int
    tokens: int


def _lane_wait(
    books: Books, lane: LaneState, charge: Sequence[int], number: int
) -> tuple[str, int]:
    """How long blocks last, and until so many calls as come before it and itself have a slot."""
    dimension, wait = ("rpm", FOREVER) if lane.paused else ("", 0)
    blocks = [("rpm", lane.blocked_us[4])]
    blocks += [(DIMENSION_NAMES[d], lane.blocked_us[d]) for d in range(4) if charge[d] > 0]
    for name, until_us in blocks:
        if until_us - books.now_us > wait:
            dimension, wait = name, until_us - books.now_us
    if lane.concurrency > 0:
        missing = number - (lane.concurrency - lane.in_flight)
        time = math.ceil(lane.holding_us * missing / lane.concurrency) if missing > 0 else 0
        if time > wait:
            dimension, wait = "concurrency", time
    return dimension, wait


def _entry(
    books: Books, lane: LaneState, ticket: Ticket, place: _Place, before: list[int]
) -> QueuedTicket:
    """When everything before it and the ticket itself would have fitted."""
    kind, name, dimension = ticket.why
    bound, wait = _lane_wait(books, lane, ticket.charge, place.number)
    if wait > 0:
        kind, name, dimension = "lane", lane.name, bound
    for d in range(4):
        charge = ticket.charge[d]
        if charge > 0 and lane.capacity[d] > 0:
            missing = before[d] + need_of(lane, d, charge, ticket.band) - lane.level[d]
            if (
                missing > EPSILON
                and (time := math.ceil(missing / (lane.rate[d] * lane.pace))) > wait
            ):
                kind = "band" if before[d] + charge <= lane.level[d] else "lane"
                name, dimension, wait = lane.name, DIMENSION_NAMES[d], time
        before[d] += charge
    for scope in (f"agent:{ticket.agent}", f"team:{ticket.team}"):
        budget = _budget(books, scope)
        if not budget.name:
            continue
        binding = budgets.binds(budget, place.calls, place.tokens, books.now_us)
        if binding is None:
            continue
        time = binding.wait_us
        if binding.dimension == "concurrency":
            time = math.ceil(budget.holding_us * place.calls / budget.limits[2])
        if time > wait:
            kind, name, dimension, wait = budget.kind, budget.name, binding.dimension, time
    return QueuedTicket(
        ticket.id,
        ticket.agent,
        ticket.team,
        ticket.band,
        books.now_us - ticket.arrived_us,
        wait,
        kind,
        name,
        dimension,
        ticket.replica,
    )
