"""Budgets that hold for a time, once or again and again, and then end by themselves."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import TypeAlias

from .call import Priority
from .limits import Budget, BudgetMode
from .topology import Topology

BUDGET_FIELDS: Mapping[str, str] = {
    "rpm": "rpm",
    "tpm": "tpm",
    "concurrency": "concurrency",
    "usd_per_day": "usd_per_day_micro",
    "usd_per_month": "usd_per_month_micro",
}
"""Names in the configuration file, and in `Budget`."""


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """What becomes of a budget.

    Attributes:
        values: New limits by their names in the file, in the units of `Budget`; `None`: no limit.
        factors: Limits that are multiplied, where there are any.
        mode: A new mode, if any.
    """

    values: Mapping[str, int | None] = field(default_factory=dict)
    factors: Mapping[str, float] = field(default_factory=dict)
    mode: BudgetMode | None = None

    def applied(self, budget: Budget) -> Budget:
        """The budget with the change; a limit never falls below one."""
        limits: dict[str, int | None] = {}
        for name, factor in self.factors.items():
            limit: int | None = getattr(budget, BUDGET_FIELDS[name])
            if limit is not None:
                limits[BUDGET_FIELDS[name]] = max(1, round(limit * factor))
        limits |= {BUDGET_FIELDS[name]: value for name, value in self.values.items()}
        changed = replace(budget, **limits)  # type: ignore[arg-type]  # keys are those of limits
        return changed if self.mode is None else replace(changed, mode=self.mode)

    @property
    def names(self) -> set[str]:
        """Names in the file of what may change."""
        return {*self.values, *self.factors, *(() if self.mode is None else ("mode",))}


@dataclass(frozen=True, slots=True)
class Selector:
    """Whose budgets. Agents have to fit every condition given; teams are named apart.

    Attributes:
        agents: Patterns of agents' names.
        members_of: Teams whose agents are meant.
        priorities: Agents whose calls have this priority by default.
        teams: Patterns of names of teams whose own budgets are meant.
    """

    agents: tuple[str, ...] = ()
    members_of: tuple[str, ...] = ()
    priorities: tuple[Priority, ...] = ()
    teams: tuple[str, ...] = ()

    def agents_in(self, topology: Topology) -> list[str]:
        """Names of the agents meant."""
        if not (self.agents or self.members_of or self.priorities):
            return []
        return [
            one.name
            for one in topology.agents.values()
            if (not self.agents or any(fnmatchcase(one.name, p) for p in self.agents))
            and (not self.members_of or one.team in self.members_of)
            and (not self.priorities or one.priority in self.priorities)
        ]

    def teams_in(self, topology: Topology) -> list[str]:
        """Names of the teams meant."""
        return [name for name in topology.teams if any(fnmatchcase(name, p) for p in self.teams)]


@dataclass(frozen=True, slots=True)
class Span:
    """Once, from one time to another, in seconds since the epoch."""

    from_s: float
    until_s: float


@dataclass(frozen=True, slots=True)
class Weekly:
    """Again and again, by the clock on the wall of a time zone.

    Attributes:
        from_minute: Of the day.
        to_minute: Of the day; not after `from_minute`: of the next day.
        days: On which it begins, 0 is Monday.
        time_zone: A name of the IANA database, or `UTC`.
    """

    from_minute: int
    to_minute: int
    days: tuple[int, ...]
    time_zone: str


Window: TypeAlias = Span | Weekly


@dataclass(frozen=True, slots=True)
class TemporaryBudget:
    """A change of budgets that holds while its window is open.

    Attributes:
        budget_id: Names it.
        created_s: Seconds since the epoch. Of several, the one made last wins.
        created_by: Who made it.
        note: For people.
    """

    budget_id: str
    selector: Selector
    change: BudgetChange
    window: Window
    created_s: float
    created_by: str
    note: str = ""
