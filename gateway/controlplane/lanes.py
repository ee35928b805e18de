"""`/admin/v1/lanes`: the providers' limits, and how much of them is left."""

import asyncio
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field

from gateway.core.admission.snapshot import LaneSnapshot
from gateway.domain.limits import Dimension
from gateway.domain.topology import Topology

from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .roles import Viewer

router = APIRouter(tags=["lanes"])

DIMENSIONS = (Dimension.RPM, Dimension.ITPM, Dimension.OTPM, Dimension.TPM)
"""In the order of snapshots."""
_MICRO = 1e6


class LaneLimit(BaseModel):
    """One limit of a lane. Numbers are requests or tokens."""

    dimension: Dimension
    limit: int | None = Field(description="Per minute, in force; null: none, or not yet learned.")
    configured: int | None = Field(description="From the configuration.")
    learned: int | None = Field(description="From the provider's response headers.")
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
    blocked_until: datetime | None = Field(description="The whole lane waits until then.")
    paused: bool


@router.get("/lanes", summary="All lanes")
async def list_lanes(
    by: Viewer,
    parts: Annotated[AdminParts, Depends(parts_of)],
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Lane]:
    """All lanes in use by any replica, and those configured, by name."""
    topology = parts.directory.topology
    names = page(sorted({*topology.lanes, *await parts.books.lanes()}), limit, offset)
    now_s = parts.clock.wall()
    found = await asyncio.gather(*(parts.books.lane(name) for name in names.items))
    items = [
        shown(name, lane, topology, now_s) for name, lane in zip(names.items, found, strict=True)
    ]
    return Page(items=items, total=names.total, next_offset=names.next_offset)


@router.get("/lanes/{name:path}", summary="One lane")
async def get_lane(name: str, by: Viewer, parts: Annotated[AdminParts, Depends(parts_of)]) -> Lane:
    """One lane: limits, levels, what is held and spent, blocks and drift."""
    topology = parts.directory.topology
    found = await parts.books.lane(name)
    if not found.known and name not in topology.lanes:
        raise HTTPException(404, f"There is no lane {name[:200]!r}, or nothing has used it yet.")
    return shown(name, found, topology, parts.clock.wall())


def shown(name: str, lane: LaneSnapshot, topology: Topology, now_s: float) -> Lane:
    """A lane as the API shows it."""
    configured = topology.lanes.get(name)
    provider = name.partition("/")[0]
    known = configured is not None or provider in topology.providers
    return Lane(
        name=name,
        provider=(configured.provider if configured else provider) if known else None,
        models=list(configured.models) if configured else None,
        configured=configured is not None,
        minute_s=topology.minute_s,
        limits=[_limit(lane, d, now_s) for d in range(len(DIMENSIONS))],
        concurrency=limit_or_none(lane.concurrency),
        in_flight=lane.in_flight,
        holding_s=lane.holding_us / _MICRO,
        waiting=BandCounts(
            urgent=lane.waiting[0], normal=lane.waiting[1], background=lane.waiting[2]
        ),
        saturated=BandSaturation(
            **dict(zip(BandSaturation.model_fields, map(_dimension, lane.saturated), strict=True))
        ),
        blocked_until=_until(lane.blocked_until_us[len(DIMENSIONS)], now_s),
        paused=lane.paused == 1,
    )


def limit_or_none(value: int) -> int | None:
    """A limit as snapshots have it: -1 is none."""
    return None if value < 0 else value


def _dimension(name: str) -> Dimension | None:
    return Dimension(name) if name else None


def _limit(lane: LaneSnapshot, d: int, now_s: float) -> LaneLimit:
    limited = lane.limits[d] >= 0
    return LaneLimit(
        dimension=DIMENSIONS[d],
        limit=limit_or_none(lane.limits[d]),
        configured=limit_or_none(lane.configured[d]),
        learned=limit_or_none(lane.learned[d]),
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
