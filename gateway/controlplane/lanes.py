"""`/admin/v1/lanes`: the providers' limits, and how much of them is left."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from gateway.core.admission.snapshot import LaneSnapshot
from gateway.domain.access import Json, Role
from gateway.domain.limits import Dimension
from gateway.domain.overrides import Collection, ItemOrigin
from gateway.domain.topology import Topology
from gateway.ports import Edition

from .items import ETAG, Configured, ItemName, add_edits, configured, item_etag
from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import responses
from .roles import Viewer

router = APIRouter(tags=["lanes"])

DIMENSIONS = (Dimension.RPM, Dimension.ITPM, Dimension.OTPM, Dimension.TPM)
"""In the order of snapshots."""
_MICRO = 1e6
_EXAMPLE: dict[str, Json] = {
    "provider": "claude",
    "models": ["claude-sonnet-*"],
    "limits": {"rpm": 50, "itpm": 80000, "otpm": 16000, "concurrency": 6},
}


class LaneLimit(BaseModel):
    """One limit of a lane. Numbers are requests or tokens."""

    dimension: Dimension
    limit: int | None = Field(description="Per minute, in force; null: none, or not yet learned.")
    configured: int | None = Field(description="From the configuration.")
    learned: int | None = Field(description="From the provider's response headers.")
    origin: str = Field(
        description="Of the limit in force: `default` (none), `file`, `environment`, `runtime` or "
        "`learned`."
    )
    source: str = Field(description="Line, variable or person; empty for a default.")
    level: float | None = Field(description="What can be spent at once; below 0 after corrections.")
    capacity: float | None = Field(description="What `level` refills to.")
    held: int = Field(description="Reserved by calls in flight.")
    spent: int = Field(description="Used by finished calls, since the lane is known.")
    waiting: int = Field(description="What the waiting calls need together.")
    drift: float = Field(description="Ours minus the provider's remaining, when it last said so.")
    strangers: float = Field(
        description="Left for others on the same account, by all but urgent calls."
    )
    blocked_until: datetime | None = Field(description="The provider asked to wait until then.")


class BandCounts(BaseModel):
    """Calls by priority."""

    urgent: int
    normal: int
    background: int


class BandSaturation(BaseModel):
    """By priority: the limit of which it may use nothing more for now; null: it may.

    The rest is left for the priorities above it (the lane's `floors`), and for strangers on the
    same account.
    """

    urgent: Dimension | None
    normal: Dimension | None
    background: Dimension | None


class Lane(BaseModel):
    """Models of one provider that share one limit."""

    name: str
    provider: str | None = Field(description="Null for a lane that another replica made.")
    models: list[str] | None
    configured: bool = Field(description="False: made for a model in no configured lane.")
    minute_s: float = Field(description="What a minute is, in seconds.")
    limits: list[LaneLimit]
    concurrency: int | None = Field(description="Calls in flight at most; null: no limit.")
    in_flight: int
    holding_s: float = Field(description="How long a call runs on average.")
    waiting: BandCounts
    saturated: BandSaturation
    pace: float = Field(description="Share of the limits let through; below 1 while it ramps up.")
    blocked_until: datetime | None = Field(description="The whole lane waits until then.")
    paused: bool
    configuration: Configured | None = Field(description="What can be edited of it.")


@router.get("/lanes", summary="All lanes")
async def list_lanes(
    by: Viewer,
    parts: Annotated[AdminParts, Depends(parts_of)],
    limit: Limit = 100,
    offset: Offset = 0,
    provider: Annotated[str | None, Query(description="Only of this provider.")] = None,
) -> Page[Lane]:
    """All lanes in use by any replica, and those configured, by name."""
    edition = await parts.configuration.read()
    topology = edition.topology
    every = sorted({*topology.lanes, *await parts.books.lanes()})
    wanted = [name for name in every if provider in {None, provider_of(name, topology)}]
    names = page(wanted, limit, offset)
    now_s = parts.clock.wall()
    found = await asyncio.gather(*(parts.books.lane(name) for name in names.items))
    items = [
        shown(name, lane, edition, now_s) for name, lane in zip(names.items, found, strict=True)
    ]
    return Page(items=items, total=names.total, next_offset=names.next_offset)


@router.get(
    "/lanes/{name:path}",
    summary="One lane",
    response_model=Lane,
    responses={200: {"headers": ETAG}, **responses(404)},
)
async def get_lane(
    name: ItemName, by: Viewer, parts: Annotated[AdminParts, Depends(parts_of)]
) -> Response:
    """One lane: limits, levels, what is held and spent, blocks and drift."""
    edition, found = await found_lane(parts, name)
    body = shown(name, found, edition, parts.clock.wall()).model_dump(mode="json")
    item = edition.item(Collection.LANES, name)
    return JSONResponse(body, headers={} if item is None else {"etag": item_etag(item)})


add_edits(router, Collection.LANES, Role.OPERATOR, _EXAMPLE)


async def found_lane(parts: AdminParts, name: str) -> tuple[Edition, LaneSnapshot]:
    """A lane that must be there.

    Raises:
        HTTPException: 404.
    """
    edition = await parts.configuration.read()
    found = await parts.books.lane(name)
    if not found.known and name not in edition.topology.lanes:
        raise HTTPException(404, f"There is no lane {name[:200]!r}, or nothing has used it yet.")
    return edition, found


def provider_of(name: str, topology: Topology) -> str | None:
    """Whose models a lane has; `None` if another replica made it for a provider unknown here."""
    known = topology.lanes.get(name)
    provider = known.provider if known is not None else name.partition("/")[0]
    return provider if provider in topology.providers else None


def shown(name: str, lane: LaneSnapshot, edition: Edition, now_s: float) -> Lane:
    """A lane as the API shows it."""
    topology = edition.topology
    item = edition.item(Collection.LANES, name)
    known = topology.lanes.get(name)
    return Lane(
        name=name,
        provider=provider_of(name, topology),
        models=list(known.models) if known else None,
        configured=known is not None,
        minute_s=topology.minute_s,
        limits=[_limit(name, lane, edition, d, now_s) for d in range(len(DIMENSIONS))],
        concurrency=limit_or_none(lane.concurrency),
        in_flight=lane.in_flight,
        holding_s=lane.holding_us / _MICRO,
        waiting=BandCounts(
            urgent=lane.waiting[0], normal=lane.waiting[1], background=lane.waiting[2]
        ),
        pace=lane.pace,
        saturated=BandSaturation(
            **dict(zip(BandSaturation.model_fields, map(_dimension, lane.saturated), strict=True))
        ),
        blocked_until=_until(lane.blocked_until_us[len(DIMENSIONS)], now_s),
        paused=lane.paused == 1,
        configuration=None if item is None else configured(item),
    )


def limit_or_none(value: int) -> int | None:
    """A limit as snapshots have it: -1 is none."""
    return None if value < 0 else value


def _dimension(name: str) -> Dimension | None:
    return Dimension(name) if name else None


def _limit(name: str, lane: LaneSnapshot, edition: Edition, d: int, now_s: float) -> LaneLimit:
    limited = lane.limits[d] >= 0
    origin = edition.origin(f"lanes.{name}.limits.{DIMENSIONS[d]}")
    if limited and lane.limits[d] != lane.configured[d]:
        origin = ItemOrigin("learned", "the provider's response headers")
    return LaneLimit(
        dimension=DIMENSIONS[d],
        limit=limit_or_none(lane.limits[d]),
        configured=limit_or_none(lane.configured[d]),
        learned=limit_or_none(lane.learned[d]),
        origin=origin.word,
        source=origin.source,
        level=lane.level[d] if limited else None,
        capacity=lane.capacity[d] if limited else None,
        held=lane.held[d],
        spent=lane.ledger[1][d],
        waiting=sum(charges[d] for charges in lane.waiting_charges),
        drift=lane.drift[d],
        strangers=lane.strangers[d],
        blocked_until=_until(lane.blocked_until_us[d], now_s),
    )


def _until(at_us: int, now_s: float) -> datetime | None:
    at_s = at_us / _MICRO
    return datetime.fromtimestamp(at_s, UTC) if at_s > now_s else None
