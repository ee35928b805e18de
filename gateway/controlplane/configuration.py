"""`/admin/v1/config`: what is in force and why, what was changed at run time, and the way back."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query
from pydantic import BaseModel, ConfigDict, Field

from gateway.domain.access import Json
from gateway.domain.overrides import Collection, UnfitEdit
from gateway.ports import Edition

from .editing import Changed, DryRun, Made, edited, told
from .items import ItemName, configured
from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import responses
from .recording import Recording
from .roles import Admin, Viewer

router = APIRouter(tags=["config"])
Parts = Annotated[AdminParts, Depends(parts_of)]


class EffectiveConfiguration(BaseModel):
    """Every setting in force on the replica that answers."""

    revision: int = Field(description="Of the changes at run time; grows with each.")
    settings: dict[str, Any] = Field(
        description='In the shape of the file, each value as `{"value": …, "origin": …}`; secrets '
        "as asterisks, durations in seconds, amounts in dollars."
    )


class Override(BaseModel):
    """What was changed of one item at run time."""

    item: str = Field(description="`COLLECTION/NAME`.", examples=["agents/reviewer"])
    deleted: bool
    settings: list[str] = Field(description="Paths of the settings that were set.")
    changed_at: datetime
    changed_by: str


class Resets(BaseModel):
    """What a reset undid."""

    reset: list[str] = Field(description="Items: `COLLECTION/NAME`.")


class Reloaded(BaseModel):
    """What came of reading the file again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"needs_restart": ["server"]}]})

    needs_restart: list[str] = Field(
        description="Sections of the file that differ from what runs and act at the next start."
    )


@router.get("/config", summary="What is in force")
async def get_config(by: Viewer, parts: Parts) -> EffectiveConfiguration:
    """Every setting in force, with its origin."""
    edition = await parts.configuration.read()
    return EffectiveConfiguration(
        revision=edition.overrides.revision, settings=dict(edition.effective())
    )


@router.post("/config:reload", summary="Read the file again", responses=responses(409))
async def reload_config(by: Admin, changes: Recording) -> Reloaded:
    """Read the file again, on all replicas, each its own.

    A file that cannot be used changes nothing: this replica says what is wrong with it, another one
    says so in its log. What was changed at run time stays in force.
    """
    configuration = changes.parts.configuration
    try:
        waiting = await configuration.reload()
    except UnfitEdit as error:
        raise told(error) from None

    def change(edition: Edition) -> Made:
        after: Json = {"needs_restart": list(waiting)}
        return edition.reloaded(), [Changed("config.reload", "config", None, after)]

    await edited(changes, change, dry_run=False)
    return Reloaded(needs_restart=list(waiting))


@router.get("/config/overrides", summary="What was changed at run time")
async def list_overrides(
    by: Viewer,
    parts: Parts,
    collection: Annotated[Collection | None, Query(description="Only of this one.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Override]:
    """Items that were changed at run time, by name. Temporary budgets have a list of their own."""
    edition = await parts.configuration.read()
    found = [
        Override(
            item=key,
            deleted=one.deleted,
            settings=sorted(one.values),
            changed_at=datetime.fromtimestamp(one.changed_s, UTC),
            changed_by=one.changed_by,
        )
        for key, one in sorted(edition.overrides.items.items())
        if collection is None or key.startswith(f"{collection}/")
    ]
    return page(found, limit, offset)


@router.delete("/config/overrides", summary="Undo all changes made at run time")
async def reset_all(by: Admin, changes: Recording, dry_run: DryRun = False) -> Resets:
    """Let every item be as the file has it. Temporary budgets and keys stay."""
    return await _reset(changes, None, dry_run=dry_run)


@router.delete(
    "/config/overrides/{collection}/{name}",
    summary="Undo what was changed of one item",
    responses=responses(404, 409),
)
async def reset_one(
    collection: Collection, name: ItemName, by: Admin, changes: Recording, dry_run: DryRun = False
) -> Resets:
    """Let one item be as the file has it."""
    return await _reset(changes, f"{collection}/{name}", dry_run=dry_run)


async def _reset(changes: Recording, only: str | None, *, dry_run: bool) -> Resets:
    gone: list[str] = []

    def change(edition: Edition) -> Made:
        gone[:] = sorted(edition.overrides.items) if only is None else [only]
        if only is not None and only not in edition.overrides.items:
            raise HTTPException(404, f"Nothing of {only[:200]!r} was changed at run time.")
        after = edition.reset(gone)
        return after, [
            Changed("config.reset", key, _document(edition, key), _document(after, key))
            for key in gone
        ]

    await edited(changes, change, dry_run=dry_run)
    return Resets(reset=gone)


def _document(edition: Edition, key: str) -> Json:
    collection, name = key.split("/", 1)
    item = edition.item(Collection(collection), name)
    return None if item is None else configured(item).settings
