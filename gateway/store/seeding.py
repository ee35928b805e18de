"""What a replica that is left alone starts from: what the store last showed, in its own share.

The figures of all replicas together are those of the store, each taking its part; so limits hold
over every sliding minute that begins before the loss. What a replica knows to have used itself
counts in full when that is more than its part: others may have used less.
"""

import math
from typing import Any, TypeAlias

import msgspec

from gateway.core.admission import budget as budgets
from gateway.core.admission import lane as lanes
from gateway.core.admission.messages import BANDS, charge_list
from gateway.core.admission.queue import budget_of, budgets_of, lane_of
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.core.admission.state import Books, BudgetState, Ticket
from gateway.domain.admission import TicketRequest

Seen: TypeAlias = Any
"""A snapshot as the store sent it."""


def seed_lane(books: Books, name: str, seen: Seen, replicas: int) -> None:
    """Learned limits, levels, blocks and a pause."""
    found = msgspec.convert(seen, LaneSnapshot, strict=False)
    if not found.known:
        return
    lane = lane_of(books, name)

    def learn() -> None:
        lane.learned = [one if one <= 0 else max(1, one // replicas) for one in found.learned]

    lanes.reshape(lane, learn)
    lane.level = [
        min(capacity, level / replicas) if capacity >= 0 else 0.0
        for capacity, level in zip(lane.capacity, found.level, strict=True)
    ]
    lane.blocked_us = [int(until_us) for until_us in found.blocked_until_us]
    lane.paused = found.paused == 1
    lane.holding_us = found.holding_us


def seed_budget(
    books: Books, scope: str, seen: Seen | None, own: tuple[int, int], replicas: int
) -> None:
    """The sliding minute, and spend."""
    budget = budget_of(books, scope)
    if seen is not None:
        found = msgspec.convert(seen, BudgetSnapshot, strict=False)
        numbers = [int(number) for number in found.window]
        for slot, tokens, requests in zip(numbers[::3], numbers[1::3], numbers[2::3], strict=True):
            part = (slot, math.ceil(tokens / replicas), math.ceil(requests / replicas))
            budget.slots.append(part)
            budget.tokens += part[1]
            budget.requests += part[2]
        budget.spent_day = math.ceil(found.spent_day / replicas)
        budget.spent_month = math.ceil(found.spent_month / replicas)
        budget.holding_us = found.holding_us
        budgets.advance(budget, books.now_us)
    _count_own(budget, own, books.now_us)


def _count_own(budget: BudgetState, own: tuple[int, int], now_us: int) -> None:
    """What we used beyond our part, as used now."""
    tokens, requests = max(0, own[0] - budget.tokens), max(0, own[1] - budget.requests)
    if tokens or requests:
        slot = now_us // budgets.slot_width_us(budget)
        budget.slots.append((slot, tokens, requests))
        budget.tokens += tokens
        budget.requests += requests


def hold(books: Books, replica: str, request: TicketRequest) -> None:
    """A call that the store has admitted runs on: hold what it holds.

    The lane's level, as seen, is without it already.
    """
    lane, charge = lane_of(books, request.lane), charge_list(request.charge)
    level = list(lane.level)
    lanes.take(lane, charge)
    lane.level = level
    ticket = Ticket(
        id=request.ticket,
        lane=request.lane,
        agent=request.agent,
        team=request.team or "",
        band=BANDS[request.priority],
        weight=request.weight,
        charge=charge,
        replica=replica,
        arrived_us=books.now_us,
        deadline_us=books.now_us,
        admitted=True,
        admitted_us=books.now_us,
    )
    for budget in budgets_of(books, ticket):
        budgets.take(budget, charge, books.now_us)
    books.tickets[ticket.id] = ticket
