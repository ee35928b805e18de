"""What operators do to a lane: pause it, resume it, block it for a time.

Each acts on all replicas at once, and holds until it is undone; the answer is the lane as it is
then. A pause and a block stop admission only: calls in flight go on, and what waits keeps its
place.

Failure policy: the store does not answer: 503, before anything was asked of it or while the answer
is awaited; in the latter case it may still be done.
"""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field

from gateway.domain.access import Json
from gateway.domain.limits import Dimension

from .editing import DryRun
from .items import ItemName
from .lanes import Lane, found_lane, shown
from .parts import AdminParts, parts_of
from .problems import responses
from .recording import Recorder, Recording
from .roles import Operator

router = APIRouter(tags=["lanes"], responses=responses(404))
MAX_BLOCK_S = 7 * 86_400


class BlockWish(BaseModel):
    """For how long a lane is stopped, and what of it."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"for_s": 600}, {"for_s": 60, "dimensions": ["itpm"]}]},
    )

    for_s: float = Field(gt=0, le=MAX_BLOCK_S)
    dimensions: list[Annotated[Dimension, Field(strict=False)]] = Field(
        [],
        max_length=4,
        description="rpm, itpm, otpm or tpm; none: the whole lane.",
        json_schema_extra={"items": {"enum": ["rpm", "itpm", "otpm", "tpm"]}},
    )


Parts = Annotated[AdminParts, Depends(parts_of)]


@router.post("/lanes/{name:path}:pause", summary="Pause a lane")
async def pause_lane(
    name: ItemName, by: Operator, changes: Recording, dry_run: DryRun = False
) -> Lane:
    """Admit nothing more to it until it is resumed; what waits keeps its place."""
    pause = changes.parts.steering.pause
    return await _acted(changes, name, "pause", lambda: pause(name), dry_run=dry_run)


@router.post("/lanes/{name:path}:resume", summary="Resume a lane")
async def resume_lane(
    name: ItemName, by: Operator, changes: Recording, dry_run: DryRun = False
) -> Lane:
    """End a pause."""
    resume = changes.parts.steering.resume
    return await _acted(changes, name, "resume", lambda: resume(name), dry_run=dry_run)


@router.post("/lanes/{name:path}:block", summary="Block a lane for a time")
async def block_lane(
    name: ItemName, wish: BlockWish, by: Operator, changes: Recording, dry_run: DryRun = False
) -> Lane:
    """Stop it, or some of its limits, as a provider's 429 would."""
    block, named = changes.parts.steering.block, tuple(one.value for one in wish.dimensions)
    return await _acted(
        changes, name, "block", lambda: block(name, named, wish.for_s), dry_run=dry_run
    )


@router.post("/lanes/{name:path}:unblock", summary="End all blocks of a lane")
async def unblock_lane(
    name: ItemName, by: Operator, changes: Recording, dry_run: DryRun = False
) -> Lane:
    """End all blocks, the provider's as well."""
    unblock = changes.parts.steering.unblock
    return await _acted(changes, name, "unblock", lambda: unblock(name), dry_run=dry_run)


async def _acted(
    changes: Recorder, name: str, verb: str, act: Callable[[], None], *, dry_run: bool
) -> Lane:
    parts = changes.parts
    edition, found = await found_lane(parts, name)
    before = shown(name, found, edition, parts.clock.wall())
    if dry_run:
        return before
    act()
    after = shown(name, await parts.books.lane(name), edition, parts.clock.wall())
    await changes.record(f"lanes.{verb}", f"lanes/{name}", _state(before), _state(after))
    return after


def _state(lane: Lane) -> Json:
    """What an operator can change of a lane without editing it."""
    blocked = {
        one.dimension.value: one.blocked_until.isoformat()
        for one in lane.limits
        if one.blocked_until is not None
    }
    whole = None if lane.blocked_until is None else lane.blocked_until.isoformat()
    return {"paused": lane.paused, "blocked_until": whole, "blocked": blocked}
