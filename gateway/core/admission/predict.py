"""How long a ticket will wait, from sums: nobody is asked, nothing is walked through.

Ahead of a ticket are those in the bands above, and in its own band what fair shares let by until
its own flow's backlog is through, but never more than the whole band. Calls that have not arrived
yet are not foreseen.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from . import budget as budgets
from .lane import need_of
from .queue import budgets_of
from .state import DIMENSION_NAMES, EPSILON, FOREVER, Books, Flow, LaneState, Ticket


@dataclass(frozen=True, slots=True)
class Prediction:
    """When and why.

    Attributes:
        position: 1 is next.
        kind, name, dimension: The limit that binds longest.
        blocked: Whether the lane is blocked or paused.
    """

    position: int
    wait_us: int
    kind: str
    name: str
    dimension: str
    blocked: bool

    @property
    def reason(self) -> str:
        """The word for a refusal because of this wait."""
        if self.kind in {"agent", "team"}:
            return f"{self.kind}_budget"
        return "lane_blocked" if self.blocked else "queue_timeout"


@dataclass(frozen=True, slots=True)
class _Share:
    """What of a band is ahead.

    `ratio` is all weights to the own one; `lacking` is 1 for a ticket that the sums do not
    contain yet.
    """

    ratio: float
    lacking: int

    def ahead(self, above: float, band: float, own: float, this: float) -> float:
        others = band - (1 - self.lacking) * this
        share = (own + self.lacking * this) * self.ratio - this
        return above + max(0, min(others, share))


def predict(
    books: Books, lane: LaneState, ticket: Ticket, flow: Flow, *, queued: bool
) -> Prediction:
    """Predict the wait of a ticket; `queued` says whether the sums already contain it."""
    weight, weights = flow.weight, lane.weights[ticket.band - 1]
    if flow.count == 0:
        weight, weights = ticket.weight, weights + ticket.weight
    share = _Share(weights / weight, 0 if queued else 1)
    before = math.floor(
        share.ahead(
            sum(lane.waiting[: ticket.band - 1]), lane.waiting[ticket.band - 1], flow.count, 1
        )
    )
    blocked = lane.paused or any(
        until_us > books.now_us and (d == 4 or ticket.charge[d] > 0)
        for d, until_us in enumerate(lane.blocked_us)
    )
    kind, name, dimension, wait = "lane", lane.name, "rpm", FOREVER if lane.paused else 0
    for scope, bound, time in _lane_waits(books, lane, ticket, flow, share, before):
        if time > wait or (bound == "concurrency" and wait == 0):
            kind, dimension, wait = scope, bound, time
    for budget in budgets_of(books, ticket):
        if budget.soft and not any(lane.active):
            continue  # as long as nobody else wants the lane, it is lent
        requests = flow.count + share.lacking
        tokens = flow.tokens + share.lacking * (ticket.charge[4] + ticket.charge[5])
        binding = budgets.binds(budget, requests, tokens, books.now_us)
        if binding is None:
            continue
        time = binding.wait_us
        if binding.dimension == "concurrency":
            time = math.ceil(budget.holding_us * requests / budget.limits[2])
        of_lane = kind in {"lane", "band"}
        if time > wait or (time == wait and of_lane and not blocked):
            kind, name, dimension, wait = budget.kind, budget.name, binding.dimension, time
    return Prediction(before + 1, wait, kind, name, dimension, blocked)


def _lane_waits(
    books: Books, lane: LaneState, ticket: Ticket, flow: Flow, share: _Share, before: int
) -> Iterator[tuple[str, str, int]]:
    """Whether the lane or the floor of the band, of which dimension, for how long."""
    yield "lane", "rpm", lane.blocked_us[4] - books.now_us
    above = lane.waiting_charges[: ticket.band - 1]
    band = lane.waiting_charges[ticket.band - 1]
    for d in range(4):
        charge = ticket.charge[d]
        if charge <= 0:
            continue
        yield "lane", DIMENSION_NAMES[d], lane.blocked_us[d] - books.now_us
        if lane.capacity[d] > 0:
            ahead = share.ahead(sum(sums[d] for sums in above), band[d], flow.charges[d], charge)
            missing = ahead + need_of(lane, d, charge, ticket.band) - lane.level[d]
            if missing > EPSILON:
                scope = "band" if ahead + charge <= lane.level[d] else "lane"
                yield scope, DIMENSION_NAMES[d], math.ceil(missing / (lane.rate[d] * lane.pace))
    if lane.concurrency > 0:
        missing = before + 1 - (lane.concurrency - lane.in_flight)
        if missing > 0:
            yield "lane", "concurrency", math.ceil(lane.holding_us * missing / lane.concurrency)
