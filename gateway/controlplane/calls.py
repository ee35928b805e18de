"""`/admin/v1/calls`: why a finished call went as it did."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from gateway.domain.explanation import Explanation, Outcome
from gateway.domain.limits import Dimension, ScopeKind

from .parts import AdminParts, parts_of
from .problems import responses
from .roles import Viewer

router = APIRouter(tags=["calls"])


class FromDomain(BaseModel):
    """Made from a value of the domain by its attributes."""

    model_config = ConfigDict(from_attributes=True)


class Wait(FromDomain):
    """A time for which one limit kept the call back."""

    scope: ScopeKind = Field(description="Whose limit: the lane's, the agent's or its team's.")
    name: str
    dimension: Dimension
    from_s: float = Field(description="When it began, after the call was accepted.")
    for_s: float = Field(description="How long it lasted.")
    position: int = Field(description="The call's place in the queue at the beginning; 1 is next.")
    predicted_s: float = Field(description="How long it was expected to last then.")
    ahead: list[str] = Field(description="Agents whose calls were before it.")


class Attempt(FromDomain):
    """One try at the provider."""

    status: int = Field(description="What the provider answered; 0 if it did not.")
    duration_s: float
    request_id: str = Field(description="The provider's own id, for its support; may be empty.")
    verdict: str = Field(description="What the answer meant, or why there was none.")
    code: str = Field(description="The provider's own word for its error; may be empty.")
    lane: str = Field(description="Where it ran.")
    model: str = Field(description="The model that was called there; may be empty.")


class Move(FromDomain):
    """A decision about going to another lane, with what spoke for and against it."""

    from_lane: str
    to_lane: str
    to_model: str
    why: str = Field(description="What was in the way: a refusal, a failure, or a long wait.")
    moved: bool = Field(description="False: it stayed.")
    at_s: float
    wait_s: float = Field(description="How long it would have waited, as far as was known.")
    wait_microusd: int = Field(description="What that wait is worth.")
    loss_microusd: int = Field(description="What the loss of its prompt cache costs.")


class Usage(FromDomain):
    """Tokens used."""

    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int
    service_tier: str
    exact: bool = Field(description="False: our own estimate, since the provider told nothing.")


class Route(FromDomain):
    """What a route decided about a call."""

    policy: str
    mode: str = Field(description="In shadow, the rest is what would have been.")
    asked: str = Field(description="The model that was asked for.")
    chosen: str = Field(description="The model that was decided on.")
    decision: str = Field(description="stay or move.")
    reason: str
    detail: str
    score: float | None = Field(description="How simple the call looked, 0 to 1.")
    saved_microusd: int = Field(description="Against staying; below zero for a loss.")
    arm: str = Field(description="The group that its conversation is counted in.")


class Call(FromDomain):
    """A finished call, explained. No content, no credentials. Times are in seconds."""

    request_id: str
    at: datetime = Field(description="When it was accepted.")
    outcome: Outcome
    status: int = Field(description="What the client got; 499: it left before.")
    agent: str
    team: str | None
    dialect: str
    endpoint: str
    provider: str
    lane: str
    model: str
    priority: str
    stream: bool
    fault: str = Field(
        description="Whose fault a failure was: caller, policy (a limit set here), gateway or "
        "provider; empty for a success."
    )
    reason: str = Field(description="`x-gateway-reason`; empty if the provider answered.")
    message: str = Field(description="What the client was told with it.")
    retry_after_s: float | None
    cut: bool = Field(description="The answer did not reach its end.")
    max_wait_s: float
    wait_s: float
    upstream_s: float
    first_byte_s: float | None
    total_s: float
    overhead_s: float = Field(description="Spent in the gateway itself.")
    waits: list[Wait]
    attempts: list[Attempt]
    moves: list[Move]
    estimated_input_tokens: int
    estimated_output_tokens: int
    usage: Usage | None = Field(description="Null if nothing was sent.")
    cost_microusd: int
    priced: bool = Field(description="False: the model has no known price.")
    held_s: float = Field(
        description="Of `wait_s`, for how long it waited for the answer to another call to begin, "
        "which put what both begin with into the provider's cache, or for one to come."
    )
    held_behind: str = Field(description="The id of that call; empty if there was none.")
    route: Route | None = Field(default=None, description="Null where no route matched.")


@router.get("/calls/{request_id}", summary="Why a call went as it did", responses=responses(404))
async def get_call(
    request_id: str, by: Viewer, parts: Annotated[AdminParts, Depends(parts_of)]
) -> Call:
    """What one finished call waited for, how it was answered, and whose fault a failure was."""
    found = await parts.explanations.find(request_id)
    if found is None:
        raise HTTPException(
            404,
            f"Nothing is known of call {request_id[:200]!r}: it has not ended, it ended longer ago "
            "than explanations.keep, or there were too many to keep them all.",
        )
    return _shown(found)


def _shown(explanation: Explanation) -> Call:
    fields = {name: getattr(explanation, name) for name in Call.model_fields if name != "at"}
    return Call(at=datetime.fromtimestamp(explanation.at_s, UTC), **fields)
