"""`/admin/v1/queue`: who waits, for what, and for how long still."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field, PrivateAttr

from gateway.core.admission.messages import BANDS, MICRO
from gateway.core.admission.snapshot import QueuedTicket
from gateway.domain.call import Priority
from gateway.domain.limits import Dimension, ScopeKind

from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .roles import Viewer

router = APIRouter(tags=["queue"])
_PRIORITIES = {band: priority for priority, band in BANDS.items()}


class Binding(BaseModel):
    """The limit that keeps a call back."""

    scope: ScopeKind = Field(description="Whose limit: the lane's, the agent's or its team's.")
    name: str
    dimension: Dimension


class WaitingCall(BaseModel):
    """One call that waits for its turn."""

    request_id: str
    lane: str
    position: int = Field(description="Its place in the lane as things are; 1 is next.")
    agent: str
    team: str | None
    priority: Priority
    waited_s: float
    eta_s: float = Field(description="How long it will still wait, predicted, in seconds.")
    bound: Binding | None = Field(description="What keeps it back; null if only its turn does.")
    replica: str = Field(description="The gateway process that the client is connected to.")
    _ticket: str = PrivateAttr("")

    @property
    def ticket(self) -> str:
        """Its ticket: a call that was tried at another lane, or again, has a later one."""
        return self._ticket


@router.get("/queue", summary="All waiting calls")
async def list_queue(
    by: Viewer,
    parts: Annotated[AdminParts, Depends(parts_of)],
    lane: Annotated[str | None, Query(description="Only this lane.")] = None,
    agent: Annotated[str | None, Query(description="Only this agent's calls.")] = None,
    request_id: Annotated[str | None, Query(description="Only this call.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[WaitingCall]:
    """All calls that wait at any replica: by lane, then in the order in which they will go."""
    found = [
        waiting
        for waiting in await waiting_calls(parts, lane)
        if agent in {None, waiting.agent} and request_id in {None, waiting.request_id}
    ]
    return page(found, limit, offset)


async def waiting_calls(parts: AdminParts, lane: str | None) -> list[WaitingCall]:
    """All waiting calls, or those in one lane, in the order in which they will go."""
    names = sorted({*parts.directory.topology.lanes, *await parts.books.lanes()})
    wanted = [name for name in names if lane in {None, name}]
    queues = await asyncio.gather(*(_waiting_in(parts, name) for name in wanted))
    return [waiting for queue in queues for waiting in queue]


async def _waiting_in(parts: AdminParts, lane: str) -> list[WaitingCall]:
    if not sum((await parts.books.lane(lane)).waiting):
        return []
    queue = (await parts.books.lane(lane, queue=True)).queue
    return [_shown(lane, position, ticket) for position, ticket in enumerate(queue, 1)]


def _shown(lane: str, position: int, ticket: QueuedTicket) -> WaitingCall:
    bound = None
    if ticket.kind:
        bound = Binding(
            scope=ScopeKind(ticket.kind), name=ticket.name, dimension=Dimension(ticket.dimension)
        )
    call = WaitingCall(
        request_id=ticket.ticket.partition(".")[0],
        lane=lane,
        position=position,
        agent=ticket.agent,
        team=ticket.team or None,
        priority=_PRIORITIES[ticket.band],
        waited_s=ticket.waited_us / MICRO,
        eta_s=ticket.predicted_us / MICRO,
        bound=bound,
        replica=ticket.replica,
    )
    call._ticket = ticket.ticket
    return call
