"""`/admin/v1/temporary-budgets`: budgets that hold for a time, and then end by themselves.

Either once (`for_s`, or `until`, from now or from `from`), or again and again at times of the week
by the clock of a time zone (`weekly`). While several hold for the same limit, the one made last
wins. They are kept in the store, so they begin and end whoever is restarted meanwhile.
"""

import re
import secrets
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from gateway.core.temporary import UnknownZone, is_over, open_until, opens_at, zone
from gateway.domain.access import Json
from gateway.domain.temporary import Span, TemporaryBudget, Weekly, Window
from gateway.ports import Edition

from .budget_changes import Adjusting, values_plain
from .editing import Changed, DryRun, Made, edited
from .fields import Moment
from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import FieldFault, Unfit, responses
from .recording import Recording
from .replaying import Once
from .roles import Operator, Viewer

router = APIRouter(tags=["budgets"])
Parts = Annotated[AdminParts, Depends(parts_of)]
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MAX_SPAN_S = 366 * 86_400
MAX_BUDGETS = 1000
_TIME = r"^([01]\d|2[0-3]):[0-5]\d$"
_ID_BYTES = 4
TimeOfDay: TypeAlias = Annotated[str, Field(pattern=_TIME, examples=["22:00"])]


class WeeklyWindow(BaseModel):
    """Times of the week at which it holds."""

    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    begins: TimeOfDay
    ends: TimeOfDay = Field(description="Not after `begins`: on the next day.")
    days: list[str] = Field(
        list(DAYS),
        min_length=1,
        max_length=7,
        description="On which it begins.",
        json_schema_extra={"items": {"enum": list(DAYS)}},
    )
    time_zone: str = Field(
        "UTC", min_length=1, max_length=64, description="Such as `Europe/Zurich`."
    )


class TemporaryWish(Adjusting):
    """A temporary budget to make."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "select": {"agents": ["reviewer"]},
                    "budget": {"tpm": 40000},
                    "for_s": 7200,
                    "note": "release week",
                },
                {
                    "select": {"priorities": ["background"]},
                    "factors": {"tpm": 3},
                    "weekly": {
                        "begins": "22:00",
                        "ends": "06:00",
                        "days": ["mon", "tue", "wed", "thu", "fri"],
                        "time_zone": "UTC",
                    },
                },
            ]
        }
    )

    for_s: float | None = Field(None, gt=0, le=MAX_SPAN_S, description="How long it holds.")
    begins_at: Moment | None = Field(None, description="Null: now.")
    until: Moment | None = None
    weekly: WeeklyWindow | None = None
    note: str = Field("", max_length=200)


class Temporary(BaseModel):
    """A temporary budget."""

    id: str
    state: str = Field(description="`holds`, `waits` (for its next turn) or `ended`.")
    holds_until: datetime | None = Field(description="When it ends, if it holds now.")
    begins_next: datetime | None = Field(description="When it begins, if it waits.")
    agents: list[str] = Field(description="Agents that are meant now.")
    teams: list[str] = Field(description="Teams that are meant now.")
    select: dict[str, Any]
    budget: dict[str, Any]
    factors: dict[str, float]
    begins_at: datetime | None
    until: datetime | None
    weekly: WeeklyWindow | None
    note: str
    created_at: datetime
    created_by: str


@router.get("/temporary-budgets", summary="All temporary budgets")
async def list_temporary(
    by: Viewer,
    parts: Parts,
    state: Annotated[
        str | None,
        Query(
            description="Only those that `hold`, `wait` or `ended`.",
            pattern="^(holds|waits|ended)$",
        ),
    ] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Temporary]:
    """All of them in the order in which they were made; those that ended stay for a week."""
    edition = await parts.configuration.read()
    every = sorted(edition.overrides.temporary.values(), key=lambda one: one.created_s)
    shown = [_shown(one, edition, parts.clock.wall()) for one in every]
    return page([one for one in shown if state in {None, one.state}], limit, offset)


@router.get(
    "/temporary-budgets/{budget_id}", summary="One temporary budget", responses=responses(404)
)
async def get_temporary(
    budget_id: Annotated[str, Path(max_length=100)], by: Viewer, parts: Parts
) -> Temporary:
    """One of them."""
    edition = await parts.configuration.read()
    return _shown(_existing(edition, budget_id), edition, parts.clock.wall())


@router.post(
    "/temporary-budgets", status_code=201, summary="Make a temporary budget",
    response_model=Temporary,
    responses={200: {"model": Temporary, "description": "A dry run"}, **responses(409)},
)  # fmt: skip
async def create_temporary(
    wish: TemporaryWish, by: Operator, changes: Recording, once: Once, dry_run: DryRun = False
) -> Response:
    """Let budgets be others for a time."""
    now_s = changes.parts.clock.wall()
    budget = _made(wish, by.name, now_s)

    def change(edition: Edition) -> Made:
        if len(edition.overrides.temporary) >= MAX_BUDGETS:
            raise HTTPException(409, f"There are {MAX_BUDGETS} temporary budgets; delete some.")
        _demand_somebody(edition, wish)
        after = edition.with_budget(budget)
        subject = f"temporary-budgets/{budget.budget_id}"
        return after, [Changed("temporary-budgets.create", subject, None, _noted(budget))]

    async def make() -> JSONResponse:
        _, after = await edited(changes, change, dry_run=dry_run)
        body = _shown(budget, after, now_s).model_dump(mode="json")
        place = f"/admin/v1/temporary-budgets/{budget.budget_id}"
        return JSONResponse(body, 200 if dry_run else 201, {"location": place})

    return await once.answered(wish.model_dump(mode="json", exclude_unset=True), make)


@router.delete(
    "/temporary-budgets/{budget_id}",
    status_code=204,
    response_class=Response,
    summary="End a temporary budget",
    responses=responses(404, 409),
)
async def delete_temporary(
    budget_id: Annotated[str, Path(max_length=100)], by: Operator, changes: Recording,
    dry_run: DryRun = False,
) -> None:  # fmt: skip
    """End it now, for good."""

    def change(edition: Edition) -> Made:
        before = _existing(edition, budget_id)
        subject = f"temporary-budgets/{budget_id}"
        noted = [Changed("temporary-budgets.delete", subject, _noted(before), None)]
        return edition.without_budget(budget_id), noted

    await edited(changes, change, dry_run=dry_run)


def _existing(edition: Edition, budget_id: str) -> TemporaryBudget:
    found = edition.overrides.temporary.get(budget_id)
    if found is None:
        raise HTTPException(404, f"There is no temporary budget {budget_id!r}.")
    return found


def _made(wish: TemporaryWish, by: str, now_s: float) -> TemporaryBudget:
    """The budget that is wished for.

    Raises:
        Unfit: The wish makes no sense.
    """
    change = wish.change()
    if not change.names:
        raise Unfit([FieldFault(field="body", message="give budget or factors, or both")])
    return TemporaryBudget(
        budget_id=secrets.token_hex(_ID_BYTES),
        selector=wish.select.selector(),
        change=change,
        window=_window(wish, now_s),
        created_s=now_s,
        created_by=by,
        note=wish.note,
    )


def _window(wish: TemporaryWish, now_s: float) -> Window:
    ways = [name for name in ("for_s", "until", "weekly") if getattr(wish, name) is not None]
    if len(ways) != 1:
        raise _unfit("body", "say how long it holds by exactly one of for_s, until and weekly")
    if wish.weekly is not None:
        if wish.begins_at is not None:
            raise _unfit("body.begins_at", "a weekly window begins by itself")
        return _weekly(wish.weekly)
    from_s = now_s if wish.begins_at is None else wish.begins_at.timestamp()
    until_s = from_s + wish.for_s if wish.for_s is not None else 0.0
    if wish.until is not None:
        until_s = wish.until.timestamp()
    if until_s <= max(from_s, now_s):
        raise _unfit(f"body.{ways[0]}", "it would end before it begins")
    if until_s > now_s + MAX_SPAN_S:
        raise _unfit(f"body.{ways[0]}", "it would end in more than a year")
    return Span(from_s, until_s)


def _weekly(window: WeeklyWindow) -> Weekly:
    try:
        zone(window.time_zone)
    except UnknownZone as error:
        raise _unfit("body.weekly.time_zone", str(error)) from None
    unknown = [day for day in window.days if day not in DAYS]
    if unknown:
        raise _unfit("body.weekly.days", f"the days are {', '.join(DAYS)}")
    days = tuple(sorted({DAYS.index(day) for day in window.days}))
    return Weekly(_minute(window.begins), _minute(window.ends), days, window.time_zone)


def _unfit(field: str, message: str) -> Unfit:
    return Unfit([FieldFault(field=field, message=message)])


def _demand_somebody(edition: Edition, wish: TemporaryWish) -> None:
    selector, topology = wish.select.selector(), edition.topology
    if not (selector.agents_in(topology) or selector.teams_in(topology)):
        raise Unfit(
            [FieldFault(field="body.select", message="no agent and no team is meant by this")], 409
        )


def _minute(text: str) -> int:
    hours, minutes = re.split(":", text)
    return int(hours) * 60 + int(minutes)


def _time(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _noted(budget: TemporaryBudget) -> Json:
    window = budget.window
    when: Json = (
        {"from_s": window.from_s, "until_s": window.until_s}
        if isinstance(window, Span)
        else _weekly_shown(window).model_dump(mode="json")
    )
    return {
        "select": _selected(budget),
        "budget": values_plain(budget.change),
        "factors": dict(budget.change.factors),
        "window": when,
        "note": budget.note,
    }


def _selected(budget: TemporaryBudget) -> dict[str, Json]:
    selector = budget.selector
    return {
        "agents": list(selector.agents),
        "members_of": list(selector.members_of),
        "priorities": [one.value for one in selector.priorities],
        "teams": list(selector.teams),
    }


def _weekly_shown(window: Weekly) -> WeeklyWindow:
    return WeeklyWindow(
        begins=_time(window.from_minute),
        ends=_time(window.to_minute),
        days=[DAYS[day] for day in window.days],
        time_zone=window.time_zone,
    )


def _shown(budget: TemporaryBudget, edition: Edition, now_s: float) -> Temporary:
    window, topology = budget.window, edition.topology
    until_s = open_until(window, now_s)
    span = window if isinstance(window, Span) else None
    values = values_plain(budget.change)
    state = "ended" if is_over(window, now_s) else "waits"
    return Temporary(
        id=budget.budget_id,
        state=state if until_s is None else "holds",
        holds_until=_moment(until_s),
        begins_next=_moment(opens_at(window, now_s)) if until_s is None else None,
        agents=sorted(budget.selector.agents_in(topology)),
        teams=sorted(budget.selector.teams_in(topology)),
        select=_selected(budget),
        budget=values,
        factors=dict(budget.change.factors),
        begins_at=None if span is None else _moment(span.from_s),
        until=None if span is None else _moment(span.until_s),
        weekly=_weekly_shown(window) if isinstance(window, Weekly) else None,
        note=budget.note,
        created_at=_moment(budget.created_s),
        created_by=budget.created_by,
    )


def _moment(at_s: float | None) -> Any:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)
