"""`/admin/v1/agents`: who calls, within which budget, and how much of it is used."""

import asyncio
from fnmatch import fnmatchcase
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from gateway.core.admission.snapshot import BudgetSnapshot
from gateway.domain.access import Json, Role
from gateway.domain.call import Priority
from gateway.domain.overrides import Collection
from gateway.domain.topology import Agent as KnownAgent
from gateway.ports import Edition

from .budgets import BudgetLimit, Held, Limits, Used, each_limit, held_of, limits_of, used_of
from .items import ETAG, Configured, ItemName, add_edits, configured, item_etag
from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import responses
from .roles import Viewer

router = APIRouter(tags=["agents"])
_EXAMPLE: dict[str, Json] = {
    "team": "research",
    "priority": "normal",
    "weight": 2,
    "models": ["claude-*"],
    "budget": {"tpm": 40000, "usd_per_day": 20},
}


class Agent(BaseModel):
    """Who is calling."""

    name: str
    configured: bool = Field(description="False: known by a key only.")
    team: str | None
    priority: Priority
    weight: float
    models: list[str]
    cache_assist: bool = Field(description="Its prompts are marked for the provider's cache.")
    minute_s: float = Field(description="What a minute is, in seconds.")
    budget: Limits = Field(description="In force now, temporary budgets included.")
    limits: list[BudgetLimit] = Field(description="The same one by one, with origin and use.")
    used: Used
    held: Held
    spent_tokens: int = Field(description="Used by finished calls, since the agent is known.")
    configuration: Configured | None = Field(description="What can be edited of it.")


@router.get("/agents", summary="All agents")
async def list_agents(
    by: Viewer,
    parts: Annotated[AdminParts, Depends(parts_of)],
    name: Annotated[str, Query(description="Only those that match; `*` and `?` do.")] = "*",
    team: Annotated[str | None, Query(description="Only of this team.")] = None,
    priority: Annotated[Priority | None, Query(description="Only with this default.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Agent]:
    """All agents that are configured or have a key that works, by name."""
    edition = await parts.configuration.read()
    known = _known(parts, edition)
    names = sorted(
        one.name
        for one in known.values()
        if fnmatchcase(one.name, name)
        and team in {None, one.team}
        and priority in {None, one.priority}
    )
    wanted = page(names, limit, offset)
    found = await asyncio.gather(*(parts.books.agent(each) for each in wanted.items))
    items = [
        _shown(parts, edition, known[each], budget)
        for each, budget in zip(wanted.items, found, strict=True)
    ]
    return Page(items=items, total=wanted.total, next_offset=wanted.next_offset)


@router.get(
    "/agents/{name}",
    summary="One agent",
    response_model=Agent,
    responses={200: {"headers": ETAG}, **responses(404)},
)
async def get_agent(
    name: ItemName, by: Viewer, parts: Annotated[AdminParts, Depends(parts_of)]
) -> Response:
    """One agent: its budget, what is used of it now, and what calls in flight hold."""
    edition = await parts.configuration.read()
    known = _known(parts, edition).get(name)
    found = await parts.books.agent(name)
    if known is None and not found.known:
        raise HTTPException(404, f"There is no agent {name[:200]!r}, or it has not called yet.")
    shown = _shown(parts, edition, known or KnownAgent(name), found)
    item = edition.item(Collection.AGENTS, name)
    headers = {} if item is None else {"etag": item_etag(item)}
    return JSONResponse(shown.model_dump(mode="json"), headers=headers)


add_edits(router, Collection.AGENTS, Role.OPERATOR, _EXAMPLE)


def _known(parts: AdminParts, edition: Edition) -> dict[str, KnownAgent]:
    """Agents as they are configured now, and those that only have a key."""
    configured_now = dict(edition.topology.agents)
    by_key_only = {
        name: one
        for name, one in parts.directory.topology.agents.items()
        if name not in configured_now and one == KnownAgent(name)
    }
    return by_key_only | configured_now


def _shown(parts: AdminParts, edition: Edition, agent: KnownAgent, budget: BudgetSnapshot) -> Agent:
    item = edition.item(Collection.AGENTS, agent.name)
    now_s = parts.clock.wall()
    return Agent(
        name=agent.name,
        configured=item is not None,
        team=agent.team,
        priority=agent.priority,
        weight=agent.weight,
        models=list(agent.models),
        cache_assist=agent.cache_assist,
        minute_s=edition.topology.minute_s,
        budget=limits_of(budget),
        limits=each_limit(budget, edition, f"agents.{agent.name}", now_s),
        used=used_of(budget),
        held=held_of(budget),
        spent_tokens=budget.ledger[1][1],
        configuration=None if item is None else configured(item),
    )
