"""`/admin/v1/agents`: who calls, within which budget, and how much of it is used."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field

from gateway.core.admission.snapshot import BudgetSnapshot
from gateway.domain.call import Priority
from gateway.domain.limits import BudgetMode
from gateway.domain.topology import Agent as KnownAgent

from .lanes import limit_or_none
from .parts import AdminParts, parts_of
from .roles import Viewer

router = APIRouter(tags=["agents"])
_MICRO = 1e6


class Limits(BaseModel):
    """A budget; null is no limit."""

    rpm: int | None = Field(description="Requests in any sliding minute.")
    tpm: int | None = Field(description="Input and output tokens in any sliding minute.")
    concurrency: int | None = Field(description="Calls in flight at once.")
    usd_per_day: float | None
    usd_per_month: float | None
    mode: BudgetMode


class Held(BaseModel):
    """What calls in flight have reserved and not yet used."""

    requests: int
    input_tokens: int
    output_tokens: int
    usd: float


class Used(BaseModel):
    """What counts against the budget now."""

    requests: int = Field(description="In the sliding minute.")
    tokens: int = Field(description="In the sliding minute, held output left out.")
    in_flight: int
    usd_today: float = Field(description="In this calendar day, UTC.")
    usd_this_month: float = Field(description="In this calendar month, UTC.")


class Agent(BaseModel):
    """Who is calling."""

    name: str
    configured: bool = Field(description="False: known by a key only.")
    team: str | None
    priority: Priority
    weight: float
    models: list[str]
    minute_s: float = Field(description="What a minute is, in seconds.")
    budget: Limits
    used: Used
    held: Held
    spent_tokens: int = Field(description="Used by finished calls, since the agent is known.")


@router.get("/agents/{name}", summary="One agent")
async def get_agent(
    name: str, by: Viewer, parts: Annotated[AdminParts, Depends(parts_of)]
) -> Agent:
    """One agent: its budget, what is used of it now, and what calls in flight hold."""
    topology = parts.directory.topology
    known = topology.agents.get(name)
    found = await parts.books.agent(name)
    if known is None and not found.known:
        raise HTTPException(404, f"There is no agent {name[:200]!r}, or it has not called yet.")
    return _shown(known or KnownAgent(name), found, topology.minute_s, configured=known is not None)


def _shown(
    agent: KnownAgent, budget: BudgetSnapshot, minute_s: float, *, configured: bool
) -> Agent:
    return Agent(
        name=agent.name,
        configured=configured,
        team=agent.team,
        priority=agent.priority,
        weight=agent.weight,
        models=list(agent.models),
        minute_s=minute_s,
        budget=Limits(
            rpm=limit_or_none(budget.limits[0]),
            tpm=limit_or_none(budget.limits[1]),
            concurrency=limit_or_none(budget.limits[2]),
            usd_per_day=_dollars(budget.limits[3]),
            usd_per_month=_dollars(budget.limits[4]),
            mode=BudgetMode.SOFT if budget.soft == 1 else BudgetMode.HARD,
        ),
        used=Used(
            requests=budget.requests,
            tokens=budget.tokens,
            in_flight=budget.in_flight,
            usd_today=budget.spent_day / _MICRO,
            usd_this_month=budget.spent_month / _MICRO,
        ),
        held=Held(
            requests=budget.held_requests,
            input_tokens=budget.held_input,
            output_tokens=budget.held_output,
            usd=budget.held_microusd / _MICRO,
        ),
        spent_tokens=budget.ledger[1][1],
    )


def _dollars(value: int) -> float | None:
    return None if value < 0 else value / _MICRO
