"""`/admin/v1/breakers`: what is left alone because it fails, or because somebody said so."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field

from gateway.domain.access import Json
from gateway.domain.breaking import BreakerFact, BreakerKey
from gateway.domain.facts import BreakerScope, BreakerState

from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import responses
from .recording import Recording
from .roles import Operator, Viewer

router = APIRouter(tags=["breakers"])


class Breaker(BaseModel):
    """One switch, as the replica that answers sees it; the others follow within moments."""

    scope: BreakerScope = Field(description="What it is on.")
    name: str
    state: BreakerState = Field(description="open lets nothing through, half_open a few probes.")
    cause: str = Field(description="Why it moved last; empty: it never has.")
    evidence: str = Field(description="What was seen; for agents.")
    held: bool = Field(description="It stays open until somebody closes it.")
    since: datetime | None = Field(description="When it moved last.")
    until: datetime | None = Field(description="Open until then; null if held or not open.")
    openings: int = Field(description="How often it opened lately, each time for longer.")
    generation: int = Field(description="Number of moves so far.")


@router.get("/breakers", summary="All breakers")
async def list_breakers(
    by: Viewer,
    parts: Annotated[AdminParts, Depends(parts_of)],
    state: BreakerState | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Breaker]:
    """All breakers: of configured providers and lanes, and of whatever else was called."""
    found = dict(_all(parts))
    shown = [_shown(key, found[key]) for key in sorted(found, key=str)]
    return page([one for one in shown if state in {None, one.state}], limit, offset)


@router.post(
    "/breakers/{scope}/{name:path}:open", summary="Take out of service", responses=responses(404)
)
async def open_breaker(
    scope: BreakerScope,
    name: str,
    by: Operator,
    changes: Recording,
    parts: Annotated[AdminParts, Depends(parts_of)],
) -> Breaker:
    """Open a breaker until somebody closes it: calls go to fallbacks, or are refused."""
    return await _force(scope, name, BreakerState.OPEN, "manual", changes, parts)


@router.post(
    "/breakers/{scope}/{name:path}:close", summary="Put into service", responses=responses(404)
)
async def close_breaker(
    scope: BreakerScope,
    name: str,
    by: Operator,
    changes: Recording,
    parts: Annotated[AdminParts, Depends(parts_of)],
) -> Breaker:
    """Close a breaker now; it opens again by itself if that was too soon. Resumes an agent."""
    return await _force(scope, name, BreakerState.CLOSED, "manual", changes, parts)


@router.post("/breakers/{scope}/{name:path}:reset", summary="Forget", responses=responses(404))
async def reset_breaker(
    scope: BreakerScope,
    name: str,
    by: Operator,
    changes: Recording,
    parts: Annotated[AdminParts, Depends(parts_of)],
) -> Breaker:
    """Close a breaker and forget all that it has seen, how often it opened included."""
    return await _force(scope, name, BreakerState.CLOSED, "reset", changes, parts)


@router.get("/breakers/{scope}/{name:path}", summary="One breaker", responses=responses(404))
async def get_breaker(
    scope: BreakerScope,
    name: str,
    by: Viewer,
    parts: Annotated[AdminParts, Depends(parts_of)],
) -> Breaker:
    """One breaker: its state, why, and until when."""
    key = _known(scope, name, parts)
    return _shown(key, parts.breakers.of(key))


async def _force(
    scope: BreakerScope,
    name: str,
    state: BreakerState,
    cause: str,
    changes: Recording,
    parts: AdminParts,
) -> Breaker:
    key = _known(scope, name, parts)
    before = parts.breakers.of(key)
    after = parts.breakers.force(key, state, cause)
    verb = "reset" if cause == "reset" else {"open": "open", "closed": "close"}[state.value]
    await changes.record(f"breakers.{verb}", f"breakers/{key}", _noted(before), _noted(after))
    return _shown(key, after)


def _known(scope: BreakerScope, name: str, parts: AdminParts) -> BreakerKey:
    key = BreakerKey(scope, name)
    if scope is BreakerScope.AGENT and name:
        return key  # agents may be known by their keys only, which are not listed here
    if key not in dict(_all(parts)):
        raise HTTPException(404, f"There is no {scope.value} {name[:200]!r}.")
    return key


def _all(parts: AdminParts) -> Iterator[tuple[BreakerKey, BreakerFact]]:
    topology = parts.directory.topology
    scopes = (
        (BreakerScope.PROVIDER, topology.providers),
        (BreakerScope.LANE, topology.lanes),
        (BreakerScope.AGENT, topology.agents),
    )
    for scope, names in scopes:
        for name in names:
            yield BreakerKey(scope, name), BreakerFact()
    yield from parts.breakers.all()


def _shown(key: BreakerKey, fact: BreakerFact) -> Breaker:
    lasts = fact.state is BreakerState.OPEN and not fact.held
    return Breaker(
        scope=key.scope,
        name=key.name,
        state=fact.state,
        cause=fact.cause,
        evidence=fact.note,
        held=fact.held,
        since=datetime.fromtimestamp(fact.at_s, UTC) if fact.at_s else None,
        until=datetime.fromtimestamp(fact.until_s, UTC) if lasts else None,
        openings=fact.openings,
        generation=fact.generation,
    )


def _noted(fact: BreakerFact) -> Json:
    return {"state": fact.state.value, "cause": fact.cause, "held": fact.held}
