"""What `inspect` shows of a lane, of a budget and of each waiting ticket.

Lists over the four dimensions of a lane are in the order rpm, itpm, otpm, tpm; -1 is no limit.
"""

from dataclasses import dataclass
from typing import NamedTuple


class QueuedTicket(NamedTuple):
    """One waiting ticket; a lane's list has them in the order in which they will be served."""

    ticket: str
    agent: str
    team: str
    band: int
    """1 urgent, 2 normal, 3 background."""
    waited_us: int
    predicted_us: int
    kind: str
    """Whose limit binds: lane, agent or team; empty if none does."""
    name: str
    dimension: str
    replica: str


@dataclass(frozen=True, slots=True)
class LaneSnapshot:
    """One lane.

    Attributes:
        known: False if the store has never heard of it.
        limits: In force, per configured minute: the smaller of configured and learned.
        capacity: Size of each bucket, a margin below the limit.
        level: What each bucket holds; below zero after corrections.
        configured, learned: Limits from the configuration, and from response headers.
        held: Reserved by calls in flight.
        holding_us: Mean time from grant to settlement.
        blocked_until_us: Per dimension, and last for the whole lane.
        drift: Ours minus the provider's remaining, at its last answer, as far as calls in flight
            do not explain it.
        strangers: What all but urgent calls leave in each bucket for others on the same account.
        pace: Share of the limits that is let through now; less than 1 while a lane ramps up.
        saturated: By band: the first dimension of which it may use nothing more for now, since
            the rest is left for the bands above; empty if it may.
        corrected: Sum of all corrections.
        pending: Corrections that calls in flight may explain when they settle.
        waiting, flows, weights, active, virtual, since_us: By band: tickets, agents with tickets,
            their weights, agents not held back by budgets, virtual time, waiting since.
        waiting_charges: By band and dimension.
        ledger: Reserved, settled, released, expired; each by dimension. Reserved is the sum of
            the others and `held`.
    """

    known: bool
    limits: list[int]
    capacity: list[float]
    level: list[float]
    configured: list[int]
    learned: list[int]
    concurrency: int
    held: list[int]
    in_flight: int
    holding_us: float
    blocked_until_us: list[int]
    paused: int
    drift: list[float]
    strangers: list[float]
    pace: float
    saturated: list[str]
    corrected: list[float]
    pending: list[float]
    waiting: list[int]
    flows: list[int]
    weights: list[float]
    active: list[int]
    waiting_charges: list[list[int]]
    virtual: list[float]
    since_us: list[int]
    ledger: list[list[int]]
    sequence: int
    next_us: int
    next_owner: str
    queue: list[QueuedTicket]


@dataclass(frozen=True, slots=True)
class BudgetSnapshot:
    """An agent's or a team's budget.

    Attributes:
        limits: rpm, tpm, concurrency, micro-dollars per day and month; -1 is none.
        requests, tokens: In the sliding minute.
        held_output: Output of calls in flight; counts with `tokens`.
        spent_day, spent_month: Micro-dollars of this calendar day and month.
        ledger: Reserved, settled, released, expired; each by requests, tokens, micro-dollars.
        parked_groups: Places where agents wait for this budget.
        window: Slots of the sliding minute: number, tokens, requests, and so on.
        blind_until_us: Until then it lets nobody through, since replicas may not have told what
            they used before the store lost its data.
    """

    known: bool
    limits: list[int]
    soft: int
    requests: int
    tokens: int
    held_requests: int
    held_input: int
    held_output: int
    held_microusd: int
    in_flight: int
    holding_us: float
    spent_day: int
    spent_month: int
    ledger: list[list[int]]
    parked_groups: int
    window: list[int]
    blind_until_us: int
