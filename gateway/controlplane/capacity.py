"""`/admin/v1/capacity`: how many agents each lane carries, from what was observed."""

import asyncio
from math import inf
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from gateway.core.admission.snapshot import LaneSnapshot
from gateway.core.capacity import Bound, Rules, capacity
from gateway.core.cost_planning import Changes, batched_month, routed_month
from gateway.core.observed import GROUPS, HOURS_OF_A_MONTH, Observed, observed
from gateway.core.price_table import Price
from gateway.domain.limits import Dimension, LaneLimits
from gateway.domain.spending import HOUR_S, UsageQuery
from gateway.domain.topology import Lane, Topology, default_lane

from .lanes import limit_or_none
from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import FieldFault, Unfit
from .roles import Viewer

router = APIRouter(tags=["usage"])


class MeanCall(BaseModel):
    """A call on average, in tokens."""

    input_tokens: float
    cache_read_tokens: float
    cache_write_tokens: float
    output_tokens: float
    duration_s: float = Field(description="At the provider.")


class LimitLoad(BaseModel):
    """What one limit carries."""

    dimension: Dimension
    limit: float = Field(description="Per minute, without the margin; calls for concurrency.")
    per_call: float = Field(description="What a call takes of it; seconds for concurrency.")
    agents: float = Field(description="How many agents like these it carries.")
    load: float = Field(description="The share of it that the agents take; above 1: too many.")
    wait_s: float | None = Field(description="Mean wait for it, estimated; null: without end.")
    wait_with_one_more_s: float | None = Field(description="The same with one more agent.")


class LaneCapacity(BaseModel):
    """What a lane carries."""

    lane: str
    provider: str
    agents: int = Field(description="How many called, or as many as were asked about.")
    calls: int
    per_minute: float = Field(
        description="Calls per minute of one agent, in the hours in which it called."
    )
    call: MeanCall
    cache_hit_ratio: float = Field(description="Share of all input that was read from a cache.")
    sustainable_agents: int | None = Field(description="Null: no limit is known.")
    binding: Dimension | None = Field(description="The limit that is reached first.")
    limits: list[LimitLoad] = Field(description="The one that binds first.")
    month_microusd: int = Field(description="Cost of 730 hours like those observed.")
    month_uncached_microusd: int = Field(description="The same without prompt caches.")
    month_routed_microusd: int = Field(
        description="With `route_share` of the calls, as they are on average, going to `route_to`."
    )
    month_batched_microusd: int = Field(description="With `batch_share` of them as batches.")
    month_all_microusd: int = Field(description="With both.")


def _changes(
    parts: Annotated[AdminParts, Depends(parts_of)],
    route_to: Annotated[
        str, Query(max_length=256, description="A cheaper model for some of the calls.")
    ] = "",
    route_share: Annotated[float, Query(ge=0, le=1, description="The share of them.")] = 0.0,
    batch_share: Annotated[float, Query(ge=0, le=1, description="The share of batches.")] = 0.0,
) -> Changes:
    if not route_to:
        return Changes(batch_share=batch_share)
    for provider in parts.directory.topology.providers.values():
        price, known = parts.price_of(provider, route_to, parts.clock.wall())
        if known:
            return Changes(price, route_share, batch_share)
    raise Unfit([FieldFault(field="route_to", message="nobody knows the price of this model")])


@router.get("/capacity", summary="How many agents each lane carries")
async def get_capacity(
    by: Viewer,
    parts: Annotated[AdminParts, Depends(parts_of)],
    *,
    hours: Annotated[int, Query(ge=1, le=8760, description="How far to look back, in hours.")] = 24,
    agents: Annotated[
        int | None,
        Query(ge=1, le=1_000_000, description="Loads and waits of so many; null: as observed."),
    ] = None,
    changes: Annotated[Changes, Depends(_changes)],
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[LaneCapacity]:
    """From the accounts of the last hours and the limits in force, by lane.

    Waits are an approximation that takes arrivals for random; `docs/capacity.md` states it.
    """
    now_s = parts.clock.wall()
    since_s = now_s - (hours - 1) * HOUR_S
    rows = await parts.accounts.rows(UsageQuery(since_s, now_s, GROUPS, HOUR_S))
    providers = parts.directory.topology.providers

    def price_of(provider: str, model: str) -> Price | None:
        known = providers.get(provider)
        return None if known is None else parts.price_of(known, model, now_s)[0]

    some = page(observed(rows, price_of), limit, offset)
    lanes = await asyncio.gather(*(parts.books.lane(work.lane) for work in some.items))
    span_h = max(1.0, hours - 1 + now_s % HOUR_S / HOUR_S)
    items = [
        _shown(work, lane, parts.directory.topology, agents or work.agents, span_h, changes)
        for work, lane in zip(some.items, lanes, strict=True)
    ]
    return Page(items=items, total=some.total, next_offset=some.next_offset)


def _shown(
    work: Observed,
    snapshot: LaneSnapshot,
    topology: Topology,
    agents: int,
    span_h: float,
    changes: Changes,
) -> LaneCapacity:
    found = capacity(_limits(snapshot), _rules(work, topology), work.each, work.per_minute, agents)
    each, per_month = work.each, HOURS_OF_A_MONTH / span_h
    prompt, month = each.prompt_tokens, work.cost_microusd * per_month
    routed = routed_month(month, work.calls * per_month, each, changes)
    return LaneCapacity(
        lane=work.lane,
        provider=work.provider,
        agents=agents,
        calls=work.calls,
        per_minute=work.per_minute,
        call=MeanCall(
            input_tokens=each.input_tokens,
            cache_read_tokens=each.cache_read_tokens,
            cache_write_tokens=each.cache_write_tokens,
            output_tokens=each.output_tokens,
            duration_s=each.duration_s,
        ),
        cache_hit_ratio=each.cache_read_tokens / prompt if prompt else 0.0,
        sustainable_agents=found.agents,
        binding=None if found.binding is None else found.binding.dimension,
        limits=[_load(bound) for bound in found.bounds],
        month_microusd=round(month),
        month_uncached_microusd=round(work.uncached_microusd * per_month),
        month_routed_microusd=round(routed),
        month_batched_microusd=round(batched_month(month, changes)),
        month_all_microusd=round(batched_month(routed, changes)),
    )


def _load(bound: Bound) -> LimitLoad:
    return LimitLoad(
        dimension=bound.dimension,
        limit=bound.limit,
        per_call=bound.per_interaction,
        agents=bound.agents,
        load=bound.load,
        wait_s=_finite(bound.wait_s),
        wait_with_one_more_s=_finite(bound.wait_with_one_more_s),
    )


def _finite(wait_s: float) -> float | None:
    return None if wait_s == inf else wait_s


def _limits(snapshot: LaneSnapshot) -> LaneLimits:
    """The limits in force, learned ones included."""
    rpm, itpm, otpm, tpm = (limit_or_none(limit) for limit in snapshot.limits)
    return LaneLimits(rpm, itpm, otpm, tpm, limit_or_none(snapshot.concurrency))


def _rules(work: Observed, topology: Topology) -> Rules:
    lane = topology.lanes.get(work.lane) or _own_lane(work, topology)
    if lane is None:
        return Rules()
    return Rules(lane.counts_cached_input, lane.charges_max_output, lane.margin)


def _own_lane(work: Observed, topology: Topology) -> Lane | None:
    provider = topology.providers.get(work.provider)
    return None if provider is None else default_lane(provider, work.lane)
