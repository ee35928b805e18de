"""Changes of many budgets at once: bodies that say whose, and what becomes of them."""

from decimal import Decimal
from typing import Annotated, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from gateway.domain.access import Json
from gateway.domain.call import Priority
from gateway.domain.limits import Budget, BudgetMode
from gateway.domain.temporary import BUDGET_FIELDS, BudgetChange, Selector

from .fields import AS_WHOLE

_DOLLARS = ("usd_per_day", "usd_per_month")
_MICRO = 1_000_000
MAX_WHOLE = 2**53 - 1
MAX_USD = 1e9
Pattern: TypeAlias = Annotated[str, Field(min_length=1, max_length=100)]
Count: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=MAX_WHOLE), AS_WHOLE] | None
Usd: TypeAlias = Annotated[float | None, Field(ge=0, le=MAX_USD)]
Factor: TypeAlias = Annotated[float, Field(gt=0, le=1000)]


class Selection(BaseModel):
    """Whose budgets. Agents have to fit every condition given; teams are named apart."""

    model_config = ConfigDict(extra="forbid", strict=True)

    agents: list[Pattern] = Field([], max_length=1000, description="Names; `*` and `?` match.")
    members_of: list[Pattern] = Field([], max_length=1000, description="Agents of these teams.")
    priorities: list[Annotated[Priority, Field(strict=False)]] = Field(
        [], max_length=3, description="Agents whose calls have this priority by default."
    )
    teams: list[Pattern] = Field(
        [], max_length=1000, description="Names of teams whose own budgets are meant."
    )

    def selector(self) -> Selector:
        """As the core takes it."""
        return Selector(
            tuple(self.agents), tuple(self.members_of), tuple(self.priorities), tuple(self.teams)
        )


class BudgetValues(BaseModel):
    """New limits; null is no limit, what is left out stays."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rpm: Count = None
    tpm: Count = None
    concurrency: Count = None
    usd_per_day: Usd = None
    usd_per_month: Usd = None
    mode: Annotated[BudgetMode, Field(strict=False)] = BudgetMode.HARD


class BudgetFactors(BaseModel):
    """Limits that are multiplied, where there are any."""

    model_config = ConfigDict(extra="forbid", strict=True)

    rpm: Factor = 1.0
    tpm: Factor = 1.0
    concurrency: Factor = 1.0
    usd_per_day: Factor = 1.0
    usd_per_month: Factor = 1.0


class Adjusting(BaseModel):
    """Whose budgets, and what becomes of them."""

    model_config = ConfigDict(extra="forbid", strict=True)

    select: Selection
    budget: BudgetValues | None = Field(None, description="New limits.")
    factors: BudgetFactors | None = Field(None, description="Limits to multiply.")

    def change(self) -> BudgetChange:
        """As the core takes it; empty if nothing is asked for."""
        given = self.budget.model_dump(exclude_unset=True) if self.budget is not None else {}
        mode = given.pop("mode", None)
        values = {name: _micro(value) if name in _DOLLARS else value
                  for name, value in given.items()}  # fmt: skip
        factors = self.factors.model_dump(exclude_unset=True) if self.factors is not None else {}
        return BudgetChange(values, factors, mode)


def budget_plain(budget: Budget) -> dict[str, Json]:
    """A budget as the file has it."""
    plain: dict[str, Json] = {}
    for name, field in BUDGET_FIELDS.items():
        value = getattr(budget, field)
        plain[name] = value / _MICRO if name in _DOLLARS and value is not None else value
    return {**plain, "mode": budget.mode.value}


def values_plain(change: BudgetChange) -> dict[str, Json]:
    """The new limits in a change of budgets, as the API takes them."""
    values: dict[str, Json] = {
        name: value / _MICRO if name in _DOLLARS and value is not None else value
        for name, value in change.values.items()
    }
    if change.mode is not None:
        values["mode"] = change.mode.value
    return values


def _micro(dollars: float | None) -> int | None:
    return None if dollars is None else int((Decimal(repr(dollars)) * _MICRO).to_integral_value())
