"""Read-only views of lanes and budgets; nothing is changed, not even brought up to date."""

import copy
import math

from . import budget as budgets
from .lane import need_of, refill, shape
from .queue import cost_of
from .snapshot import BudgetSnapshot, LaneSnapshot, QueuedTicket
from .state import (
    BAND_NUMBERS,
    DIMENSION_NAMES,
    EPSILON,
    Books,
    BudgetState,
    LaneState,
    Ranking,
    Ticket,
)


def snapshot_lane(books: Books, name: str, *, queue: bool) -> LaneSnapshot:
    """One lane as it is now."""
    known = name in books.lanes
    lane = copy.deepcopy(books.lanes[name]) if known else LaneState(name, books.now_us)
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
    return [
        _entry(books, lane, ticket, number, tokens, before)
        for band in BAND_NUMBERS
        for _, _, ticket, number, tokens in _waiting_in(books, lane, band)
    ]


def _entry(
    books: Books, lane: LaneState, ticket: Ticket, number: int, tokens: int, before: list[int]
) -> QueuedTicket:
    """When everything before it and the ticket itself would have fitted."""
    wait, (kind, name, dimension) = 0, ticket.why
    for d in range(4):
        charge = ticket.charge[d]
        if charge > 0 and lane.capacity[d] > 0:
            need = need_of(lane, d, charge, lane.floors[ticket.band - 1])
            missing = before[d] + need - lane.level[d]
            if missing > EPSILON and (time := math.ceil(missing / lane.rate[d])) > wait:
                kind, name, dimension, wait = "lane", lane.name, DIMENSION_NAMES[d], time
        before[d] += charge
    for scope in (f"agent:{ticket.agent}", f"team:{ticket.team}"):
        budget = _budget(books, scope)
        binding = budgets.binds(budget, number, tokens, books.now_us) if budget.name else None
        if binding is not None and binding.wait_us > wait:
            kind, name, dimension = budget.kind, budget.name, binding.dimension
            wait = binding.wait_us
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
