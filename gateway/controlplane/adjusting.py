"""`/admin/v1/budgets:adjust`: many budgets at once."""

from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from gateway.domain.access import Json
from gateway.domain.limits import Budget
from gateway.domain.overrides import Collection
from gateway.domain.temporary import BudgetChange
from gateway.ports import Edition

from .budget_changes import Adjusting, budget_plain
from .editing import Changed, DryRun, Made, edited
from .problems import FieldFault, Unfit, responses
from .recording import Recording
from .roles import Operator

router = APIRouter(tags=["budgets"])


class Adjustment(Adjusting):
    """Whose budgets, and what becomes of them until they are changed again or reset."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"select": {"members_of": ["research"]}, "factors": {"tpm": 1.5}},
                {"select": {"agents": ["ci-*"]}, "budget": {"usd_per_day": 5}},
            ]
        }
    )


class AdjustedBudget(BaseModel):
    """One budget that is changed."""

    item: str = Field(description="`agents/NAME` or `teams/NAME`.")
    before: dict[str, Any]
    after: dict[str, Any]


class Adjusted(BaseModel):
    """What was changed, or would be."""

    changed: list[AdjustedBudget]
    unchanged: int = Field(description="Budgets that are meant and stay as they are.")


@router.post("/budgets:adjust", summary="Change many budgets at once", responses=responses(409))
async def adjust_budgets(
    wish: Adjustment, by: Operator, changes: Recording, dry_run: DryRun = False
) -> Adjusted:
    """Set or multiply limits of all agents and teams that are meant; all of them, or none.

    What is multiplied are the lasting limits; temporary budgets stay what they are.
    """
    change = wish.change()
    if not change.names:
        raise Unfit([FieldFault(field="body", message="give budget or factors, or both")])
    found = Adjusted(changed=[], unchanged=0)

    def make(edition: Edition) -> Made:
        found.changed, found.unchanged = [], 0
        after = edition
        for collection, names in _meant(edition, wish).items():
            patches = _patches(edition, collection, names, change, found)
            if patches:
                after = after.written(collection, patches, changes.actor.name, whole=False)
        return after, [
            Changed("budgets.adjust", one.item, {"budget": one.before}, {"budget": one.after})
            for one in found.changed
        ]

    await edited(changes, make, dry_run=dry_run)
    return found


def _meant(edition: Edition, wish: Adjustment) -> dict[Collection, list[str]]:
    selector, topology = wish.select.selector(), edition.lasting_topology
    return {
        Collection.AGENTS: selector.agents_in(topology),
        Collection.TEAMS: selector.teams_in(topology),
    }


def _patches(
    edition: Edition,
    collection: Collection,
    names: list[str],
    change: BudgetChange,
    found: Adjusted,
) -> dict[str, dict[str, Json]]:
    """Merge patches by name, for those that change."""
    topology = edition.lasting_topology
    items = topology.agents if collection is Collection.AGENTS else topology.teams
    patches: dict[str, dict[str, Json]] = {}
    for name in sorted(names):
        before: Budget = items[name].budget
        after = change.applied(before)
        if after == before:
            found.unchanged += 1
            continue
        old, new = budget_plain(before), budget_plain(after)
        patches[name] = {"budget": {key: new[key] for key in new if new[key] != old[key]}}
        found.changed.append(AdjustedBudget(item=f"{collection}/{name}", before=old, after=new))
    return patches
