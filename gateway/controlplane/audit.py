"""`/admin/v1/audit`: who has changed what, when, from what to what."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import StreamingResponse

from gateway.domain.access import AuditEntry, AuditQuery

from .fields import Moment
from .paging import Limit
from .parts import AdminParts, parts_of
from .roles import Viewer

router = APIRouter(tags=["audit"])
JSON_LINES = "application/jsonl"


class Entry(BaseModel):
    """One change."""

    id: str = Field(description="Grows with time.", examples=["1795564800000-0"])
    at: datetime
    actor: str = Field(description="Name of the token; `gateway` for what happens by itself.")
    role: str
    address: str = Field(description="Where the request came from.")
    action: str = Field(examples=["agents.patch"])
    subject: str = Field(description="The path below `/admin/v1`.", examples=["agents/reviewer"])
    before: Any = Field(description="As it was, secrets left out; null if it was not there.")
    after: Any = Field(description="As it is, secrets left out; null if it is gone.")
    request_id: str = Field(description="`x-gateway-request-id` of the answer.")


class AuditPage(BaseModel):
    """Some entries, newest first."""

    items: list[Entry]
    next_before: str | None = Field(
        description="`before` of the next page, whose entries are older; null on the last."
    )


def _query(
    actor: Annotated[str, Query(description="Only by this token.")] = "",
    action: Annotated[str, Query(description="Only this action, such as `lanes.pause`.")] = "",
    subject: Annotated[str, Query(description="Only this item, or what is below it.")] = "",
    request_id: Annotated[str, Query(description="Only of this request.")] = "",
    since: Annotated[Moment | None, Query(description="Not older.")] = None,
    until: Annotated[Moment | None, Query(description="Older than this.")] = None,
) -> AuditQuery:
    return AuditQuery(
        actor,
        action,
        subject,
        request_id,
        None if since is None else since.timestamp(),
        None if until is None else until.timestamp(),
    )


Wanted: TypeAlias = Annotated[AuditQuery, Depends(_query)]


@router.get("/audit", summary="What was changed")
async def list_audit(
    by: Viewer,
    wanted: Wanted,
    parts: Annotated[AdminParts, Depends(parts_of)],
    limit: Limit = 100,
    before: Annotated[
        str, Query(description="Only older than this entry.", pattern=r"^(\d{1,15}-\d{1,15})?$")
    ] = "",
) -> AuditPage:
    """The newest entries that are wanted, newest first."""
    found = await parts.audit.entries(wanted, limit=limit + 1, before=before)
    items = [_shown(one) for one in found[:limit]]
    return AuditPage(items=items, next_before=items[-1].id if len(found) > limit else None)


@router.get(
    "/audit/export",
    summary="All of it, as JSON lines",
    response_class=StreamingResponse,
    responses={200: {"content": {JSON_LINES: {"schema": {"type": "string"}}}}},
)
async def export_audit(
    by: Viewer, wanted: Wanted, parts: Annotated[AdminParts, Depends(parts_of)]
) -> StreamingResponse:
    """Every entry that is wanted, oldest first, one JSON object a line."""
    entries = parts.audit.export(wanted)
    first = await anext(entries, None)  # a silent store is told by the status

    async def lines() -> AsyncIterator[str]:
        if first is not None:
            yield f"{_shown(first).model_dump_json()}\n"
        async for one in entries:
            yield f"{_shown(one).model_dump_json()}\n"

    return StreamingResponse(lines(), media_type=JSON_LINES)


def _shown(entry: AuditEntry) -> Entry:
    return Entry(
        id=entry.entry_id,
        at=datetime.fromtimestamp(entry.at_s, UTC),
        actor=entry.actor,
        role=entry.role,
        address=entry.address,
        action=entry.action,
        subject=entry.subject,
        before=entry.before,
        after=entry.after,
        request_id=entry.request_id,
    )
