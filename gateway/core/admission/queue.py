"""The queue of a lane: bands, in a band flows in start-time fair order, in a flow first come.

Fair order. Each band has a virtual time, each flow a tag: the virtual time at which its next
ticket starts. The flow with the smallest tag is next (ties by name); serving it sets the virtual
time to its tag and moves the tag on by cost / weight. A flow that begins to wait starts at the
band's virtual time or at its old tag, whichever is later. Settlement moves the tag by what the
call cost more or less than expected.

Parked flows. A flow whose first ticket its own budget (the agent's or the team's) keeps back does
not hold up others: it leaves the ranking and joins the group of those that wait for that budget
in that band. Of a group only the first is tried again, when something comes back to the budget or
its time has come; the next one has its chance when that one was served, or has left. So the cost
of a release does not grow with the number of those who wait for it, and nobody in a team
overtakes a larger call of the same team for ever.
"""

from . import budget as budgets
from .lane import refill, shape
from .state import (
    KEPT_PLACE_US,
    Books,
    BudgetState,
    Flow,
    KeptPlace,
    LaneState,
    Ranking,
    Ticket,
    ranking,
)


def lane_of(books: Books, name: str) -> LaneState:
    """The lane, new if need be, with its buckets up to date."""
    lane = books.lanes.get(name)
    if lane is None:
        lane = books.lanes[name] = LaneState(name, books.now_us, used_us=books.now_us)
        books.made.add(name)
        shape(lane)
    refill(lane, books.now_us)
    return lane


def budget_of(books: Books, scope: str) -> BudgetState:
    """The budget, new if need be, with its window up to date."""
    budget = books.budgets.get(scope)
    if budget is None:
        budget = books.budgets[scope] = BudgetState(scope)
        books.made.add(scope)
    budgets.advance(budget, books.now_us)
    return budget


def budgets_of(books: Books, ticket: Ticket) -> list[BudgetState]:
    """The agent's, then the team's if there is one."""
    scopes = [f"agent:{ticket.agent}"] + ([f"team:{ticket.team}"] if ticket.team else [])
    return [budget_of(books, scope) for scope in scopes]


def cost_of(lane: LaneState, charge: list[int]) -> int:
    """What a call costs its flow: tokens, as the lane counts them; at least one."""
    return max(1, charge[3] if lane.limit[3] >= 0 else charge[1] + charge[2])


def activate(books: Books, lane: LaneState, band: int, agent: str, flow: Flow) -> None:
    """The flow may be served."""
    flow.active = True
    ranking(books.active, band, lane.name).put(agent, flow.tag)
    if lane.active[band - 1] == 0:
        lane.since_us[band - 1] = books.now_us
    lane.active[band - 1] += 1
    books.touch_lane(lane.name)


def deactivate(books: Books, lane: LaneState, band: int, agent: str, flow: Flow) -> None:
    """The flow may not be served for now."""
    flow.active = False
    ranking(books.active, band, lane.name).drop(agent)
    lane.active[band - 1] -= 1


def _settle_group(books: Books, lane: LaneState, band: int, scope: str, wake_us: int) -> None:
    """The first flow of a group has left it: see to the rest."""
    wake = books.wake.setdefault(lane.name, Ranking())
    if books.parked.get((band, scope, lane.name)):
        wake.put(f"{band}|{scope}", wake_us)
        return
    wake.drop(f"{band}|{scope}")
    books.groups[scope].drop(f"{band}|{lane.name}")
    budget_of(books, scope).groups -= 1


def park(
    books: Books,
    lane: LaneState,
    band: int,
    agent: str,
    flow: Flow,
    budget: BudgetState,
    wait_us: int,
) -> None:
    """The flow waits for a budget."""
    deactivate(books, lane, band, agent, flow)
    flow.parked = budget.scope
    group = books.parked.setdefault((band, budget.scope, lane.name), Ranking())
    group.put(agent, flow.tag)
    if budget.soft:
        ranking(books.soft, band, lane.name).put(agent, flow.tag)
    places = books.groups.setdefault(budget.scope, Ranking())
    if f"{band}|{lane.name}" not in places:
        places.put(f"{band}|{lane.name}", 0)
        budget.groups += 1
    if group.first() == agent:
        wake = books.wake.setdefault(lane.name, Ranking())
        wake.put(f"{band}|{budget.scope}", books.now_us + wait_us)


def unpark(books: Books, lane: LaneState, band: int, agent: str, flow: Flow) -> None:
    """Take a flow out of its group.

    The next in the group has its chance once this one is served or gone, at the latest after a
    minute.
    """
    scope = flow.parked or ""
    books.parked[band, scope, lane.name].drop(agent)
    ranking(books.soft, band, lane.name).drop(agent)
    _settle_group(books, lane, band, scope, books.now_us + lane.minute_us)
    flow.parked, flow.woken_from = None, scope


def reactivate(books: Books, lane: LaneState, band: int, agent: str, flow: Flow) -> None:
    """A flow that waited for its own budget starts with the others; it has saved nothing up."""
    unpark(books, lane, band, agent, flow)
    flow.tag = max(flow.tag, lane.virtual[band - 1])
    activate(books, lane, band, agent, flow)


def wake_group(books: Books, lane: LaneState, band: int, scope: str) -> None:
    """Give the first flow of a group another try."""
    agent = books.parked[band, scope, lane.name].first()
    reactivate(books, lane, band, agent, books.flow(band, agent, lane.name))


def touch_budget(books: Books, budget: BudgetState) -> None:
    """Something came back to a budget, or its limits changed: the first ones there try again."""
    for place in books.groups.get(budget.scope, ()):
        band, name = place.split("|", 1)
        wake_group(books, lane_of(books, name), int(band), budget.scope)


def pass_on(books: Books, flow: Flow) -> None:
    """The flow no longer keeps the others of the group it was woken from waiting."""
    scope, flow.woken_from = flow.woken_from, None
    if scope is not None:
        touch_budget(books, budget_of(books, scope))


def _count(lane: LaneState, ticket: Ticket, flow: Flow, sign: int) -> None:
    band = ticket.band - 1
    lane.used_us = lane.at_us
    flow.tokens += sign * (ticket.charge[4] + ticket.charge[5])
    lane.waiting[band] += sign
    for d in range(4):
        flow.charges[d] += sign * ticket.charge[d]
        lane.waiting_charges[band][d] += sign * ticket.charge[d]


def enqueue(books: Books, lane: LaneState, ticket: Ticket, kept_tag: float | None = None) -> None:
    """A ticket begins to wait; `kept_tag` goes with a place that was kept for it."""
    band, agent = ticket.band, ticket.agent
    flow = books.flow(band, agent, lane.name)
    if flow.count == 0:
        flow.tag = max(flow.tag, lane.virtual[band - 1] if kept_tag is None else kept_tag)
        flow.weight = ticket.weight
        lane.flows[band - 1] += 1
        lane.weights[band - 1] += flow.weight
    _count(lane, ticket, flow, 1)
    flow.tickets.put(ticket.id, ticket.sequence)
    ticket.admitted = False
    if flow.parked is not None:
        if flow.tickets.first() == ticket.id:
            reactivate(books, lane, band, agent, flow)
    elif not flow.active:
        activate(books, lane, band, agent, flow)


def recharge(books: Books, lane: LaneState, ticket: Ticket, charge: list[int]) -> None:
    """A waiting ticket will take something else; its place stays."""
    flow = books.flow(ticket.band, ticket.agent, lane.name)
    _count(lane, ticket, flow, -1)
    ticket.charge = charge
    _count(lane, ticket, flow, 1)
    if flow.parked is not None and flow.tickets.first() == ticket.id:
        reactivate(books, lane, ticket.band, ticket.agent, flow)
    books.touch_lane(lane.name)


def kept_place(books: Books, ticket: Ticket) -> KeptPlace | None:
    """The place that an earlier try of the same call had, if it is still kept; it is taken."""
    place = books.places.get(ticket.fingerprint)
    if (
        place is None
        or (place.lane, place.agent, place.band) != (ticket.lane, ticket.agent, ticket.band)
        or place.until_us <= books.now_us
    ):
        return None
    del books.places[ticket.fingerprint]
    return place


def dequeue(lane: LaneState, ticket: Ticket, flow: Flow) -> bool:
    """The queue forgets a ticket. Returns whether the flow still has others."""
    flow.tickets.drop(ticket.id)
    _count(lane, ticket, flow, -1)
    if flow.count:
        return True
    band = ticket.band - 1
    lane.flows[band] -= 1
    lane.weights[band] = lane.weights[band] - flow.weight if lane.flows[band] else 0
    return False


def leave(books: Books, lane: LaneState, ticket: Ticket) -> None:
    """A waiting ticket leaves without being served; its place is kept for a retry."""
    band, agent = ticket.band, ticket.agent
    flow = books.flow(band, agent, lane.name)
    was_first = flow.tickets.first() == ticket.id
    more = dequeue(lane, ticket, flow)
    if was_first or not more:
        _first_left(books, lane, band, agent, flow)
    books.touch_lane(lane.name)
    if ticket.fingerprint:
        until_us = books.now_us + KEPT_PLACE_US
        books.places[ticket.fingerprint] = KeptPlace(
            lane.name, agent, band, ticket.sequence, flow.tag, until_us
        )
    del books.tickets[ticket.id]


def move(books: Books, lane: LaneState, ticket: Ticket, band: int) -> None:
    """A waiting ticket goes on in another band, before later ones of its agent there."""
    before, agent = ticket.band, ticket.agent
    flow = books.flow(before, agent, lane.name)
    was_first = flow.tickets.first() == ticket.id
    if not dequeue(lane, ticket, flow) or was_first:
        _first_left(books, lane, before, agent, flow)
    ticket.band = band
    enqueue(books, lane, ticket)
    books.touch_lane(lane.name)


def _first_left(books: Books, lane: LaneState, band: int, agent: str, flow: Flow) -> None:
    if flow.parked is None:
        if not flow.count:
            deactivate(books, lane, band, agent, flow)
    elif flow.count:
        reactivate(books, lane, band, agent, flow)
    else:
        unpark(books, lane, band, agent, flow)
    pass_on(books, flow)


def charge_flow(books: Books, lane: LaneState, ticket: Ticket, cost: int) -> None:
    """Move a flow's tag by what a call turned out to cost; a waiting flow moves with it."""
    band, agent = ticket.band, ticket.agent
    flow = books.flow(band, agent, lane.name)
    flow.tag = flow.tag + cost / ticket.weight
    if flow.active:
        ranking(books.active, band, lane.name).put(agent, flow.tag)
    elif flow.parked is not None:
        books.parked[band, flow.parked, lane.name].put(agent, flow.tag)
        soft = ranking(books.soft, band, lane.name)
        if agent in soft:
            soft.put(agent, flow.tag)
