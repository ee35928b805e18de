"""`PUT`, `PATCH` and `DELETE` of providers, lanes, teams and agents, and how each shows itself.

An item's settings have the shape that they have in the configuration file, and are checked by the
same rules. What is set here wins over the file until it is reset (`/admin/v1/config/overrides`).
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, HTTPException, Path
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from gateway.domain.access import Json, Role
from gateway.domain.overrides import Collection, Item, ItemOrigin
from gateway.ports import Edition

from .documents import JSON_TYPE, MERGE_PATCH, Document, Patch
from .editing import Changed, DryRun, Made, edited
from .etags import IfMatch, demand_match, etag_of
from .problems import responses
from .recording import Recording
from .roles import wants

ONE: Mapping[Collection, str] = {
    Collection.PROVIDERS: "provider",
    Collection.LANES: "lane",
    Collection.TEAMS: "team",
    Collection.AGENTS: "agent",
}
ItemName: TypeAlias = Annotated[str, Path(description="Its name.", max_length=200)]
ETAG = {
    "ETag": {
        "description": "Of what can be edited; for `If-Match`.",
        "schema": {"type": "string"},
    }
}


class ValueOrigin(BaseModel):
    """Where a value comes from."""

    origin: str = Field(
        description="`default`, `file`, `environment`, `runtime` (set here), `temporary` (a "
        "temporary budget) or `learned` (from the provider's headers)."
    )
    source: str = Field(description="Line, variable, person or id; empty for a default.")


class Configured(BaseModel):
    """How one item is configured, temporary budgets left out."""

    name: str
    settings: dict[str, Any] = Field(
        description="In the shape of the configuration file; credentials as asterisks. Durations "
        "in seconds, amounts in dollars."
    )
    origins: dict[str, ValueOrigin] = Field(description="Of each value, by its path in `settings`.")
    in_file: bool = Field(description="Whether this replica's file (or environment) has it.")
    changed_at: datetime | None = Field(description="At run time, last; null: never.")
    changed_by: str | None


def configured(item: Item) -> Configured:
    """An item as the API shows it."""
    override = item.override
    return Configured(
        name=item.name,
        settings=dict(item.document),
        origins={path: origin_of(one) for path, one in item.origins.items()},
        in_file=item.in_file,
        changed_at=None if override is None else datetime.fromtimestamp(override.changed_s, UTC),
        changed_by=None if override is None else override.changed_by,
    )


def origin_of(found: ItemOrigin) -> ValueOrigin:
    """Where a value comes from, as the API shows it."""
    return ValueOrigin(origin=found.word, source=found.source)


def item_etag(item: Item) -> str:
    """The tag of what can be edited of an item."""
    return etag_of([item.document, item.revision])


def found_item(edition: Edition, collection: Collection, name: str) -> Item:
    """An item that must be there.

    Raises:
        HTTPException: 404.
    """
    item = edition.item(collection, name)
    if item is None:
        raise HTTPException(404, f"There is no {ONE[collection]} {name[:200]!r} configured.")
    return item


def answer(edition: Edition, collection: Collection, name: str, status: int = 200) -> Response:
    """An item as it is now, with its tag."""
    item = found_item(edition, collection, name)
    body = configured(item).model_dump(mode="json")
    return JSONResponse(body, status, {"etag": item_etag(item)})


def add_edits(
    router: APIRouter, collection: Collection, role: Role, example: Mapping[str, Json]
) -> None:
    """Add the routes that change the items of a collection.

    Args:
        router: Of the collection.
        collection: Its name.
        role: Who may change them.
        example: Settings of one item.
    """
    one = ONE[collection]
    path = f"/{collection}/{{name:path}}" if collection is Collection.LANES else (
        f"/{collection}/{{name}}"
    )  # fmt: skip
    common: dict[str, Any] = {"dependencies": [wants(role)], "response_model": Configured}
    problems = responses(409, 412, 413, 415)

    @router.put(
        path,
        summary=f"Set one {one}",
        responses={
            200: {"headers": ETAG},
            201: {"description": "It was not there before", "model": Configured, "headers": ETAG},
            **problems,
        },
        openapi_extra=body_of(collection, {"whole": example}),
        **common,
    )
    async def put_item(
        name: ItemName,
        document: Document,
        changes: Recording,
        if_match: IfMatch = "",
        dry_run: DryRun = False,
    ) -> Response:
        """Set all settings; what is left out gets its default, credentials apart, which stay."""

        def change(edition: Edition) -> Made:
            before = edition.item(collection, name)
            demand_match(if_match, None if before is None else item_etag(before))
            by = changes.actor.name
            after = edition.written(collection, {name: document}, by, whole=True)
            return after, [_noted("put", before, after.item(collection, name), document)]

        before, after = await edited(changes, change, dry_run=dry_run)
        created = before.item(collection, name) is None
        return answer(after, collection, name, 201 if created and not dry_run else 200)

    @router.patch(
        path,
        summary=f"Change one {one}",
        responses={200: {"headers": ETAG}, 404: responses(404)[404], **problems},
        openapi_extra=body_of(collection, {"change": _smaller(example)}, patch=True),
        **common,
    )
    async def patch_item(
        name: ItemName,
        patch: Patch,
        changes: Recording,
        if_match: IfMatch = "",
        dry_run: DryRun = False,
    ) -> Response:
        """Change some settings (JSON merge patch); null gives a setting its default."""

        def change(edition: Edition) -> Made:
            before = found_item(edition, collection, name)
            demand_match(if_match, item_etag(before))
            after = edition.written(collection, {name: patch}, changes.actor.name, whole=False)
            return after, [_noted("patch", before, after.item(collection, name), patch)]

        _, after = await edited(changes, change, dry_run=dry_run)
        return answer(after, collection, name)

    @router.delete(
        path,
        status_code=204,
        response_class=Response,
        summary=f"Delete one {one}",
        dependencies=[wants(role)],
        responses=responses(404, 409, 412),
    )
    async def delete_item(
        name: ItemName, changes: Recording, if_match: IfMatch = "", dry_run: DryRun = False
    ) -> None:
        """Delete it, whatever the file says, until it is set again or reset."""

        def change(edition: Edition) -> Made:
            before = found_item(edition, collection, name)
            demand_match(if_match, item_etag(before))
            after = edition.without(collection, name, changes.actor.name)
            return after, [_noted("delete", before, None, {})]

        await edited(changes, change, dry_run=dry_run)

    def _noted(
        verb: str, before: Item | None, after: Item | None, written: Mapping[str, Any]
    ) -> Changed:
        shown = None if after is None else dict(after.document)
        if shown is not None and written.get("api_key") not in {None, shown.get("api_key")}:
            shown["api_key"] = f"{shown.get('api_key')} (new)"
        name = (before or after or _NOBODY).name
        noted_before = None if before is None else before.document
        return Changed(f"{collection}.{verb}", f"{collection}/{name}", noted_before, shown)


_NOBODY = Item("", {}, {}, None, False, 0)


def _smaller(example: Mapping[str, Json]) -> Mapping[str, Json]:
    """Only the last setting of an example."""
    last = list(example)[-1]
    return {last: example[last]}


def body_of(
    collection: Collection, examples: Mapping[str, Json], *, patch: bool = False
) -> dict[str, Any]:
    """The `openapi_extra` of a route that reads settings; `app` puts their schema in place."""
    schema = {"$ref": f"#/components/schemas/{schema_name(collection, patch=patch)}"}
    content = {
        "schema": schema,
        "examples": {name: {"value": value} for name, value in examples.items()},
    }
    types = (MERGE_PATCH, JSON_TYPE) if patch else (JSON_TYPE,)
    return {"requestBody": {"required": True, "content": dict.fromkeys(types, content)}}


def schema_name(collection: Collection, *, patch: bool) -> str:
    """Of the settings of an item, in the description of the API."""
    return f"{ONE[collection].capitalize()}{'Patch' if patch else 'Settings'}"
