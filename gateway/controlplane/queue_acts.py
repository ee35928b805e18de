"""What operators do to waiting calls: give one another priority, end its wait, empty a queue.

Failure policy: the store does not answer: 503; what was asked of it by then may still be done.
"""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from gateway.domain.call import Priority
from gateway.domain.outcome import Reason

from .editing import DryRun
from .parts import AdminParts, parts_of
from .problems import FieldFault, Unfit, responses
from .queue import WaitingCall, waiting_calls
from .recording import Recording
from .roles import Operator

router = APIRouter(tags=["queue"])
Parts = Annotated[AdminParts, Depends(parts_of)]
_NAMED = 100
"""Calls that a drain names in its answer and in the audit."""


class NewPriority(BaseModel):
    """What may be changed of a waiting call."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"priority": "urgent"}]}
    )

    priority: Priority


class Drained(BaseModel):
    """What a drain refused."""

    refused: int = Field(description="How many calls.")
    request_ids: list[str] = Field(description=f"The first {_NAMED} of them.")


@router.patch(
    "/queue/{request_id}", summary="Give a waiting call another priority", responses=responses(404)
)
async def move_call(
    request_id: str, to: NewPriority, by: Operator, changes: Recording, parts: Parts,
    dry_run: DryRun = False,
) -> WaitingCall:  # fmt: skip
    """Let it wait with another priority, before later calls of its agent there."""
    before = await _waiting(parts, request_id)
    if dry_run or before.priority is to.priority:
        return before.model_copy(update={"priority": to.priority})
    parts.steering.move(before.ticket, to.priority)
    await changes.record(
        "queue.move",
        f"queue/{request_id}",
        {"priority": before.priority.value},
        {"priority": to.priority.value},
    )
    return await _waiting(parts, request_id)


@router.delete(
    "/queue/{request_id}",
    status_code=204,
    response_class=Response,
    summary="End the wait of a call",
    responses=responses(404),
)
async def cancel_call(
    request_id: str, by: Operator, changes: Recording, parts: Parts, dry_run: DryRun = False
) -> None:
    """Refuse it: its client gets 403 with the reason `cancelled`, and does not try again."""
    before = await _waiting(parts, request_id)
    if not dry_run:
        parts.steering.dismiss(before.ticket, Reason.CANCELLED, None)
        await parts.books.lane(before.lane)  # it is done once this is answered
        shown = before.model_dump(mode="json", include={"lane", "agent", "priority", "waited_s"})
        await changes.record("queue.cancel", f"queue/{request_id}", shown, None)


@router.post("/queue:drain", summary="Refuse what waits")
async def drain_queue(
    by: Operator,
    changes: Recording,
    parts: Parts,
    lane: Annotated[str | None, Query(description="Only in this lane.", max_length=200)] = None,
    agent: Annotated[str | None, Query(description="Only of this agent.", max_length=200)] = None,
    retry_after_s: Annotated[
        int, Query(ge=1, le=86_400, description="When clients are told to come back.")
    ] = 30,
    dry_run: DryRun = False,
) -> Drained:
    """Refuse all waiting calls of a lane or an agent: 503 with `drained` and `retry-after`.

    Calls in flight go on, and calls that come later wait as usual; pause the lane to stop them.
    """
    if lane is None and agent is None:
        raise Unfit([FieldFault(field="query.lane", message="name a lane or an agent, or both")])
    found = [one for one in await waiting_calls(parts, lane) if agent in {None, one.agent}]
    drained = Drained(refused=len(found), request_ids=[one.request_id for one in found[:_NAMED]])
    if found and not dry_run:
        for one in found:
            parts.steering.dismiss(one.ticket, Reason.DRAINED, float(retry_after_s))
        await parts.books.lane(found[-1].lane)  # it is done once this is answered
        subject = "queue" if lane is None else f"lanes/{lane}"
        before = {"agent": agent, **drained.model_dump(mode="json")}
        await changes.record("queue.drain", subject, before, None)
    return drained


async def _waiting(parts: AdminParts, request_id: str) -> WaitingCall:
    for one in await waiting_calls(parts, None):
        if one.request_id == request_id:
            return one
    raise HTTPException(404, f"No call {request_id[:200]!r} is waiting.")
