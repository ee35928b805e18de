"""The pump of a lane: serves whoever is next until somebody has to be waited for.

Order. Urgent, normal, background; a band with waiting tickets that was not served for one ageing
period rises above the next band (urgent excepted), after two periods above all, for one service.

Skip and hold. A ticket that its own budget keeps back is skipped (its flow is parked). A ticket
that only the lane keeps back holds: nobody ranked behind it may pass, so that large calls get
their turn.

Floors. A band must leave a share of each bucket to the bands above it. A floor costs no
throughput, since a bucket refills at the same rate whatever its level. A call too large for what
is above the floor goes when the bucket is full. A band that rose by waiting leaves the floor of
normal calls at least: what is left for urgent calls is never used up by others.

Lending. When everybody within budget is served and nobody is held by the lane, flows whose budget
is soft may exceed it, with the floor of background work.
"""

from dataclasses import dataclass

from . import budget as budgets
from . import lane as lanes
from .lane import Outgrown
from .predict import predict
from .queue import (
    budget_of,
    budgets_of,
    cost_of,
    deactivate,
    dequeue,
    leave,
    park,
    pass_on,
    reactivate,
    touch_budget,
    wake_group,
)
from .state import (
    BACKGROUND,
    BAND_NUMBERS,
    Books,
    BudgetState,
    Flow,
    LaneState,
    Ranking,
    Ticket,
    ranking,
)


@dataclass(frozen=True, slots=True)
class Serve:
    """The ticket may go now."""


@dataclass(frozen=True, slots=True)
class Hold:
    """Only the lane keeps the ticket back: its limit, or the floor of the ticket's band."""

    kind: str
    dimension: str
    wait_us: int


@dataclass(frozen=True, slots=True)
class Park:
    """A budget keeps the ticket back."""

    budget: BudgetState
    dimension: str
    wait_us: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Waiting cannot help."""

    reason: str
    kind: str
    name: str
    dimension: str
    need: int
    allowed: int
    retry_us: int


def refuse(books: Books, ticket: Ticket, why: Refuse) -> None:
    """Tell the ticket's replica."""
    limit = (why.kind, why.name, why.dimension)
    event = ["r", ticket.id, why.reason, *limit, why.need, why.allowed, why.retry_us]
    books.tell(ticket.replica, event)


def refuse_wait(books: Books, lane: LaneState, ticket: Ticket) -> None:
    """Refuse a waiting ticket because it was too long."""
    flow = books.flow(ticket.band, ticket.agent, lane.name)
    found = predict(books, lane, ticket, flow, queued=True)
    limit = (found.kind, found.name, found.dimension)
    refuse(books, ticket, Refuse(found.reason, *limit, 0, 0, found.wait_us))


def _never(kind: str, name: str, limit: Outgrown) -> Refuse:
    return Refuse("larger_than_limit", kind, name, limit.dimension, limit.need, limit.allowed, -1)


def _behind(books: Books, lane: LaneState, ticket: Ticket, budget: BudgetState, tag: float) -> bool:
    """Whether others of the same budget, who come first, are waiting for it in this lane."""
    for band in BAND_NUMBERS[: ticket.band]:
        group = books.parked.get((band, budget.scope, lane.name))
        if group and (band < ticket.band or group.head() < (tag, ticket.agent.encode())):
            return True
    return False


def _judge_budget(
    books: Books, lane: LaneState, ticket: Ticket, budget: BudgetState, tag: float, *, lending: bool
) -> Refuse | Park | None:
    charge = ticket.charge
    limit = budgets.outgrown(budget, charge)
    if limit is not None:
        return _never(budget.kind, budget.name, limit)
    spent = budgets.overspent(budget, charge[6], books.now_us)
    if spent is not None:
        limit, retry_us = spent
        where = (budget.kind, budget.name, limit.dimension)
        return Refuse("spend", *where, limit.need, limit.allowed, retry_us)
    if lending and budget.soft:
        return None
    binding = budgets.binds(budget, charge[0], charge[4] + charge[5], books.now_us)
    if binding is not None:
        wait_us = budget.minute_us if binding.wait_us < 0 else binding.wait_us
        return Park(budget, binding.dimension, wait_us)
    if _behind(books, lane, ticket, budget, tag):
        return Park(budget, "tpm", budgets.slot_width_us(budget))
    return None


def judge(
    books: Books, lane: LaneState, ticket: Ticket, tag: float, like: int, *, lending: bool
) -> Serve | Hold | Park | Refuse:
    """May this ticket, whose flow has this tag, go now?

    It must leave of each bucket what calls of the band `like` must leave. When `lending`, soft
    budgets do not bind.
    """
    limit = lanes.outgrown(lane, ticket.charge)
    if limit is not None:
        return _never("lane", lane.name, limit)
    parked: Park | None = None
    for budget in budgets_of(books, ticket):
        verdict = _judge_budget(books, lane, ticket, budget, tag, lending=lending)
        if isinstance(verdict, Refuse):
            return verdict
        # A hard budget is waited for before a soft one, the agent's before the team's.
        if verdict is not None and (parked is None or (parked.budget.soft and not budget.soft)):
            parked = verdict
    return parked or _judge_lane(books, lane, ticket, like)


def _judge_lane(books: Books, lane: LaneState, ticket: Ticket, like: int) -> Serve | Hold | Refuse:
    binding = lanes.binds(lane, ticket.charge, like, books.now_us)
    if binding is None:
        return Serve()
    too_late = books.now_us + binding.wait_us > ticket.deadline_us
    if binding.blocked and binding.wait_us >= 0 and too_late:
        where = ("lane", lane.name, binding.dimension)
        return Refuse("lane_blocked", *where, 0, 0, binding.wait_us)
    return Hold("band" if binding.kept else "lane", binding.dimension, binding.wait_us)


def grant(books: Books, ticket: Ticket) -> None:
    """Tell the ticket's replica that it is admitted."""
    waited_us = ticket.admitted_us - ticket.arrived_us
    books.tell(ticket.replica, ["g", ticket.id, waited_us, *ticket.why])


def admit(books: Books, lane: LaneState, ticket: Ticket, flow: Flow) -> None:
    """Take what the ticket needs from lane, agent and team together."""
    band = ticket.band - 1
    lane.virtual[band] = max(lane.virtual[band], flow.tag)
    ticket.cost = cost_of(lane, ticket.charge)
    flow.tag = flow.tag + ticket.cost / ticket.weight
    lane.since_us[band] = books.now_us
    lanes.take(lane, ticket.charge)
    lanes.suspect(lane, ticket.refused)
    ticket.refused = []
    for budget in budgets_of(books, ticket):
        budgets.take(budget, ticket.charge, books.now_us)
    ticket.admitted, ticket.admitted_us = True, books.now_us
    books.fresh.append(ticket)
    grant(books, ticket)


def _serve(books: Books, lane: LaneState, ticket: Ticket, flow: Flow) -> None:
    band, agent = ticket.band, ticket.agent
    if flow.parked is not None:
        reactivate(books, lane, band, agent, flow)
        flow.woken_from = None
    more = dequeue(lane, ticket, flow)
    admit(books, lane, ticket, flow)
    if more:
        ranking(books.active, band, lane.name).put(agent, flow.tag)
    else:
        deactivate(books, lane, band, agent, flow)
    pass_on(books, flow)


def next_band(books: Books, lane: LaneState) -> tuple[int, int] | None:
    """The band whose first ticket comes next, and the band whose floor it must leave."""
    best: tuple[int, int, int] | None = None
    for band in BAND_NUMBERS:
        if lane.active[band - 1]:
            rank, like = _rank(books, lane, band)
            if best is None or rank < best[0]:
                best = rank, band, like
    return best and best[1:]


def _rank(books: Books, lane: LaneState, band: int) -> tuple[int, int]:
    """Where a band ranks by now, and which band's floor it may use."""
    if band > 1 and lane.ageing_us > 0:
        waited_us = books.now_us - lane.since_us[band - 1]
        if waited_us >= 2 * lane.ageing_us:
            return 3 + band, 2
        if band == 3 and waited_us >= lane.ageing_us:
            return 15, 2
    return band * 10, band


def ahead_of(books: Books, lane: LaneState, ticket: Ticket, flow: Flow) -> str:
    """Whose call goes before a waiting one.

    Another agent's, its own (an earlier one), or nobody's (empty).
    """
    if flow.parked is not None:
        band, leader = ticket.band, books.parked[ticket.band, flow.parked, lane.name].first()
    else:
        found = next_band(books, lane)
        band = ticket.band if found is None else found[0]
        leader = ranking(books.active, band, lane.name).first()
    if leader != ticket.agent or band != ticket.band:
        return leader
    return "" if flow.tickets.first() == ticket.id else ticket.agent


def _refuse_late(books: Books, lane: LaneState, ticket: Ticket) -> bool:
    if books.now_us <= ticket.deadline_us:
        return False
    refuse_wait(books, lane, ticket)
    leave(books, lane, ticket)
    return True


def _serve_entitled(books: Books, lane: LaneState) -> tuple[Ticket, int] | None:
    """Serve everybody who is within budget. Returns the ticket that the lane holds, and its wait."""
    while (found := next_band(books, lane)) is not None:
        band, like = found
        agent = ranking(books.active, band, lane.name).first()
        flow = books.flow(band, agent, lane.name)
        ticket = books.head_of(flow)
        if _refuse_late(books, lane, ticket):
            continue
        match judge(books, lane, ticket, flow.tag, like, lending=False):
            case Serve():
                _serve(books, lane, ticket, flow)
            case Refuse() as why:
                refuse(books, ticket, why)
                leave(books, lane, ticket)
            case Park(budget, dimension, wait_us):
                ticket.why = (budget.kind, budget.name, dimension)
                woken_from, flow.woken_from = flow.woken_from, None
                park(books, lane, band, agent, flow, budget, wait_us)
                if woken_from is not None and woken_from != budget.scope:
                    touch_budget(books, budget_of(books, woken_from))
            case hold:
                ticket.why = (hold.kind, lane.name, hold.dimension)
                return ticket, hold.wait_us
    return None


def _serve_lent(books: Books, lane: LaneState) -> tuple[bool, tuple[Ticket, int] | None]:
    """Serve one call beyond its soft budget.

    Returns whether one was served or moved, and else the ticket that the lane holds and its wait.
    """
    for band in BAND_NUMBERS:
        lent = ranking(books.soft, band, lane.name)
        if not lent:
            continue
        agent = lent.first()
        flow = books.flow(band, agent, lane.name)
        ticket = books.head_of(flow)
        if _refuse_late(books, lane, ticket):
            return True, None
        match judge(books, lane, ticket, flow.tag, BACKGROUND, lending=True):
            case Serve():
                _serve(books, lane, ticket, flow)
            case Refuse() as why:
                refuse(books, ticket, why)
                leave(books, lane, ticket)
            case Park(budget, _, wait_us):  # a hard budget binds by now
                reactivate(books, lane, band, agent, flow)
                flow.woken_from = None
                park(books, lane, band, agent, flow, budget, wait_us)
            case hold:
                return False, (ticket, hold.wait_us)
        return True, None
    return False, None


def _wake_due(books: Books, lane: LaneState) -> None:
    wake = books.wake.setdefault(lane.name, Ranking())
    for group in [group for group in wake if wake.score(group) <= books.now_us]:
        band, scope = group.split("|", 1)
        wake_group(books, lane, int(band), scope)


def _next_time(books: Books, lane: LaneState, held: tuple[Ticket, int] | None) -> tuple[int, str]:
    """When could the pump next serve somebody, and which replica's ticket would that be?"""
    times: list[tuple[int, str]] = []
    if held is not None and held[1] >= 0:
        times.append((books.now_us + held[1], held[0].replica))
    wake = books.wake.get(lane.name)
    if wake:
        group = wake.first()
        band, scope = group.split("|", 1)
        agent = books.parked[int(band), scope, lane.name].first()
        ticket = books.head_of(books.flow(int(band), agent, lane.name))
        times.append((int(wake.score(group)), ticket.replica))
    if held is not None and lane.ageing_us > 0:  # a band that rises may use a lower floor
        for number, periods in ((2, 2), (3, 1), (3, 2)):
            rise_us = lane.since_us[number - 1] + periods * lane.ageing_us
            if lane.active[number - 1] and rise_us > books.now_us:
                times.append((rise_us, held[0].replica))
    return min(times, key=lambda time: time[0], default=(0, ""))


def pump(books: Books, lane: LaneState) -> tuple[int, str]:
    """Serve whom the lane can serve; returns when it can next, and whose ticket that is."""
    at_us, owner = 0, ""
    if sum(lane.waiting):
        _wake_due(books, lane)
        more = True
        while more:
            more = False
            held = _serve_entitled(books, lane)
            if held is None:
                more, held = _serve_lent(books, lane)
        at_us, owner = _next_time(books, lane, held)
    told_us, told = lane.announced
    if at_us > 0 and owner != books.caller and (owner != told or at_us < told_us - 1000):
        books.tell(owner, ["n", lane.name, at_us - books.now_us])
    lane.announced = (at_us, owner)
    return (at_us - books.now_us if at_us > 0 else -1), owner
