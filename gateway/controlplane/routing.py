"""`/admin/v1/routes`: policies, what they decided and saved; `/admin/v1/feedback`: outcomes."""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, Field, model_validator

from gateway.core.routing.conversations import conversation
from gateway.core.routing.holdout import ArmCounts
from gateway.core.routing.ledger import Recent
from gateway.domain.routes import Arm, Preference, Route, RouteMode, Trouble

from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import responses
from .recording import Recording
from .roles import Operator, Viewer

router = APIRouter(tags=["routes"])
Parts = Annotated[AdminParts, Depends(parts_of)]


class ArmFigures(BaseModel):
    """One group of conversations. Money is in micro-dollars, at list price."""

    conversations: int
    troubled: int = Field(description="Conversations with any trouble.")
    troubled_share: float
    calls: int
    actual_microusd: int = Field(description="What they cost.")
    stay_microusd: int = Field(
        description="What staying on the requested model with its cache would have cost."
    )
    other_microusd: int = Field(description="What the simple model would have cost, or did.")
    saved_microusd: int = Field(
        description="Against staying. In shadow: what would have been saved on all calls counted."
    )
    good_outcomes: int = Field(description="By feedback.")
    troubles: dict[Trouble, int] = Field(description="Calls with each kind of trouble.")


class Comparison(BaseModel):
    """The routed conversations beside those held out."""

    enough: bool = Field(description="Both arms have `min_volume` conversations.")
    worse: bool = Field(description="The test says that routing does harm.")
    routed_share: float = Field(description="Share of troubled conversations.")
    holdout_share: float
    difference_low: float = Field(description="One-sided 95 % bounds of the difference.")
    difference_high: float


class RouteMatch(BaseModel):
    """Which calls."""

    model: str
    agents: list[str]
    teams: list[str]
    priorities: list[str]
    tags: list[str]
    path: str


class RouteFigures(BaseModel):
    """One policy and what came of it."""

    name: str
    mode: RouteMode = Field(description="As configured.")
    mode_in_force: RouteMode
    returned: str = Field(description="Why it was returned to shadow; empty if it was not.")
    match: RouteMatch
    simple: str
    complex: str
    threshold: float
    headers: list[Preference]
    holdout: float
    margin: float
    min_volume: int
    scorer: str | None
    arms: dict[Arm, ArmFigures] = Field(
        description="Today and yesterday (UTC), all replicas together."
    )
    comparison: Comparison


class Feedback(BaseModel):
    """How a call or a conversation turned out."""

    request_id: str | None = Field(default=None, max_length=200, description="Of a finished call.")
    session: str | None = Field(
        default=None, max_length=128, description="As sent in `x-gateway-session`; needs `agent`."
    )
    agent: str | None = Field(default=None, max_length=64)
    good: bool = Field(description="False counts as trouble of the conversation.")

    @model_validator(mode="after")
    def _names_one(self) -> "Feedback":
        if (self.request_id is None) == (self.session is None):
            raise ValueError("name either request_id or session")
        if self.session is not None and not self.agent:
            raise ValueError("a session needs its agent")
        return self


class Taken(BaseModel):
    """Where the outcome was counted."""

    route: str
    arm: Arm


@router.get("/routes", summary="All routes")
async def list_routes(
    by: Viewer, parts: Parts, limit: Limit = 100, offset: Offset = 0
) -> Page[RouteFigures]:
    """All policies in their order: mode, counts, savings, and the holdout beside the routed."""
    return page([_shown(route, parts) for route in _routes(parts)], limit, offset)


@router.get("/routes/{name}", summary="One route", responses=responses(404))
async def get_route(by: Viewer, name: str, parts: Parts) -> RouteFigures:
    """One policy."""
    return _shown(_named(name, parts), parts)


@router.post("/routes/{name}/resume", summary="Act again", responses=responses(404))
async def resume_route(by: Operator, name: str, parts: Parts, changes: Recording) -> RouteFigures:
    """Put a route that was returned to shadow back into its configured mode; it counts anew."""
    route = _named(name, parts)
    before = parts.ledger.returned.get(name, "")
    await parts.resume(route)
    await changes.record("routes.resume", f"routes/{name}", {"returned": before}, {"returned": ""})
    return _shown(route, parts)


@router.post("/feedback", summary="Tell an outcome", responses=responses(404))
async def tell_outcome(by: Operator, told: Feedback, parts: Parts) -> Taken:
    """Say how a call or a conversation turned out, so that routes are judged by it."""
    about = await _about(told, parts)
    if about is None:
        raise HTTPException(
            404, "No route decided about that call or conversation, or it is too long ago."
        )
    parts.ledger.feedback(about, good=told.good, now=parts.clock.wall())
    return Taken(route=about.policy, arm=about.arm)


async def _about(told: Feedback, parts: AdminParts) -> Recent | None:
    """What the outcome is about; a call that another replica served is found by its explanation."""
    if told.request_id is not None:
        known = parts.ledger.recent(told.request_id)
        if known is not None:
            return known
        found = await parts.explanations.find(told.request_id)
        if found is None or found.route is None:
            return None
        return Recent(found.route.policy, found.route.conversation, Arm(found.route.arm))
    for route in _routes(parts):
        name = conversation(told.agent or "", route.name, named=told.session or "", opening=b"")
        known = parts.ledger.conversation(name, parts.clock.wall())
        if known is not None:
            return known
    return None


def _routes(parts: AdminParts) -> tuple[Route, ...]:
    return parts.directory.topology.routes


def _named(name: str, parts: AdminParts) -> Route:
    for route in _routes(parts):
        if route.name == name:
            return route
    raise HTTPException(404, f"There is no route {name[:100]!r}.")


def _shown(route: Route, parts: AdminParts) -> RouteFigures:
    arms = parts.ledger.counts(route.name)
    finding = parts.ledger.judged(route)
    match = route.match
    return RouteFigures(
        name=route.name,
        mode=route.mode,
        mode_in_force=parts.ledger.mode_of(route),
        returned=parts.ledger.returned.get(route.name, ""),
        match=RouteMatch(
            model=match.model,
            agents=list(match.agents),
            teams=list(match.teams),
            priorities=[one.value for one in match.priorities],
            tags=list(match.tags),
            path=match.path,
        ),
        simple=route.simple,
        complex=route.complex,
        threshold=route.threshold,
        headers=list(route.headers),
        holdout=route.holdout,
        margin=route.margin,
        min_volume=route.min_volume,
        scorer=route.scorer,
        arms={arm: _figures(arm, counts) for arm, counts in arms.items()},
        comparison=Comparison(
            enough=finding.enough,
            worse=finding.worse,
            routed_share=finding.routed,
            holdout_share=finding.holdout,
            difference_low=finding.low,
            difference_high=finding.high,
        ),
    )


def _figures(arm: Arm, counts: ArmCounts) -> ArmFigures:
    saved = 0
    if arm in {Arm.ROUTED, Arm.BOUND}:
        saved = counts.saved
    elif arm is Arm.SHADOW:
        saved = counts.stay - counts.other
    return ArmFigures(
        conversations=counts.conversations,
        troubled=counts.troubled,
        troubled_share=counts.troubled_share,
        calls=counts.calls,
        actual_microusd=counts.actual,
        stay_microusd=counts.stay,
        other_microusd=counts.other,
        saved_microusd=saved,
        good_outcomes=counts.good,
        troubles=counts.troubles,
    )
