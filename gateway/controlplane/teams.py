"""`/admin/v1/teams`: groups of agents with a common budget."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from gateway.core.admission.snapshot import BudgetSnapshot
from gateway.domain.access import Json, Role
from gateway.domain.overrides import Collection
from gateway.ports import Edition

from .budgets import BudgetLimit, Held, Limits, Used, each_limit, held_of, limits_of, used_of
from .items import ETAG, Configured, ItemName, add_edits, configured, found_item, item_etag
from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import responses
from .roles import Viewer

router = APIRouter(tags=["teams"])
_EXAMPLE: dict[str, Json] = {"budget": {"tpm": 60000, "usd_per_day": 200}}


class Team(BaseModel):
    """A group of agents."""

    name: str
    members: list[str]
    budget: Limits = Field(description="In force now, temporary budgets included.")
    limits: list[BudgetLimit] = Field(description="The same one by one, with origin and use.")
    used: Used
    held: Held
    spent_tokens: int = Field(description="Used by finished calls, since the team is known.")
    configuration: Configured = Field(description="What can be edited of it.")


@router.get("/teams", summary="All teams")
async def list_teams(
    by: Viewer,
    parts: Annotated[AdminParts, Depends(parts_of)],
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Team]:
    """All teams by name."""
    edition = await parts.configuration.read()
    wanted = page(edition.names(Collection.TEAMS), limit, offset)
    found = await asyncio.gather(*(parts.books.team(each) for each in wanted.items))
    items = [
        _shown(parts, edition, each, budget)
        for each, budget in zip(wanted.items, found, strict=True)
    ]
    return Page(items=items, total=wanted.total, next_offset=wanted.next_offset)


@router.get(
    "/teams/{name}",
    summary="One team",
    response_model=Team,
    responses={200: {"headers": ETAG}, **responses(404)},
)
async def get_team(
    name: ItemName, by: Viewer, parts: Annotated[AdminParts, Depends(parts_of)]
) -> Response:
    """One team: its budget, what is used of it now, and what calls in flight hold."""
    edition = await parts.configuration.read()
    item = found_item(edition, Collection.TEAMS, name)
    shown = _shown(parts, edition, name, await parts.books.team(name))
    return JSONResponse(shown.model_dump(mode="json"), headers={"etag": item_etag(item)})


add_edits(router, Collection.TEAMS, Role.OPERATOR, _EXAMPLE)


def _shown(parts: AdminParts, edition: Edition, name: str, budget: BudgetSnapshot) -> Team:
    members = [one.name for one in edition.topology.agents.values() if one.team == name]
    return Team(
        name=name,
        members=sorted(members),
        budget=limits_of(budget),
        limits=each_limit(budget, edition, f"teams.{name}", parts.clock.wall()),
        used=used_of(budget),
        held=held_of(budget),
        spent_tokens=budget.ledger[1][1],
        configuration=configured(found_item(edition, Collection.TEAMS, name)),
    )
