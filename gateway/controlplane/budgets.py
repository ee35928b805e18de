"""A budget as the API shows it: each limit with its origin, what is used of it and what is left."""

from datetime import UTC, datetime

from pydantic import BaseModel, Field

from gateway.core.admission.snapshot import BudgetSnapshot
from gateway.core.temporary import open_until
from gateway.domain.limits import BudgetMode, Dimension
from gateway.ports import Edition

MICRO = 1e6
DIMENSIONS = (
    Dimension.RPM,
    Dimension.TPM,
    Dimension.CONCURRENCY,
    Dimension.USD_PER_DAY,
    Dimension.USD_PER_MONTH,
)
"""In the order of snapshots."""
_DOLLARS = (Dimension.USD_PER_DAY, Dimension.USD_PER_MONTH)


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


class BudgetLimit(BaseModel):
    """One limit in force. Numbers are requests, tokens, calls or dollars."""

    dimension: Dimension
    limit: float | None = Field(description="Null: none.")
    origin: str = Field(description="`default`, `file`, `environment`, `runtime` or `temporary`.")
    source: str = Field(description="Line, variable, person or id; empty for a default.")
    until: datetime | None = Field(description="When a temporary limit ends.")
    used: float = Field(description="What counts against it now, held included.")
    left: float | None = Field(description="Null: no limit.")


def limits_of(budget: BudgetSnapshot) -> Limits:
    """The limits in force."""
    rpm, tpm, concurrency, day, month = budget.limits
    return Limits(
        rpm=_limit(rpm),
        tpm=_limit(tpm),
        concurrency=_limit(concurrency),
        usd_per_day=_dollars(day),
        usd_per_month=_dollars(month),
        mode=BudgetMode.SOFT if budget.soft == 1 else BudgetMode.HARD,
    )


def used_of(budget: BudgetSnapshot) -> Used:
    """What counts against it."""
    return Used(
        requests=budget.requests,
        tokens=budget.tokens,
        in_flight=budget.in_flight,
        usd_today=budget.spent_day / MICRO,
        usd_this_month=budget.spent_month / MICRO,
    )


def held_of(budget: BudgetSnapshot) -> Held:
    """What calls in flight hold."""
    return Held(
        requests=budget.held_requests,
        input_tokens=budget.held_input,
        output_tokens=budget.held_output,
        usd=budget.held_microusd / MICRO,
    )


def each_limit(
    budget: BudgetSnapshot, edition: Edition, path: str, now_s: float
) -> list[BudgetLimit]:
    """The limits in force one by one.

    Args:
        budget: As the store sees it.
        edition: For the origins.
        path: Of the item in the configuration.
        now_s: Seconds since the epoch.
    """
    used = (
        budget.requests,
        budget.tokens + budget.held_output,
        budget.in_flight,
        budget.spent_day + budget.held_microusd,
        budget.spent_month + budget.held_microusd,
    )
    found: list[BudgetLimit] = []
    for dimension, limit, spent in zip(DIMENSIONS, budget.limits, used, strict=True):
        unit = MICRO if dimension in _DOLLARS else 1
        origin = edition.origin(f"{path}.budget.{dimension}")
        found.append(
            BudgetLimit(
                dimension=dimension,
                limit=None if limit < 0 else limit / unit,
                origin=origin.word,
                source=origin.source,
                until=_until(edition, origin.temporary, now_s),
                used=spent / unit,
                left=None if limit < 0 else max(0, limit - spent) / unit,
            )
        )
    return found


def _until(edition: Edition, budget_id: str, now_s: float) -> datetime | None:
    budget = edition.overrides.temporary.get(budget_id)
    until_s = None if budget is None else open_until(budget.window, now_s)
    return None if until_s is None else datetime.fromtimestamp(until_s, UTC)


def _limit(value: int) -> int | None:
    return None if value < 0 else value


def _dollars(value: int) -> float | None:
    return None if value < 0 else value / MICRO
