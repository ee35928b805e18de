"""`/admin/v1/keys`: the gateway keys of agents. A key is shown when it is made, and never again.

A key given in the configuration file is listed under the id `config-AGENT`; only the file can
change it.
"""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias

from fastapi import APIRouter, Depends, HTTPException, Path, Query
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from gateway.domain.access import Json
from gateway.domain.keys import KeyRecord, NewKey

from .documents import MERGE_PATCH
from .editing import DryRun
from .etags import IfMatch, demand_match, etag_of
from .fields import AS_WHOLE
from .items import ETAG
from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import responses
from .recording import Recorder, Recording
from .replaying import Once
from .roles import Admin

router = APIRouter(tags=["keys"])
MAX_LIFE_S = 10 * 366 * 86_400
AGENT_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
Parts = Annotated[AdminParts, Depends(parts_of)]
KeyId: TypeAlias = Annotated[
    str, Path(description="The public part of the key: its middle.", max_length=100)
]
Lifetime: TypeAlias = Annotated[
    Annotated[int, Field(strict=True, ge=1, le=MAX_LIFE_S), AS_WHOLE] | None,
    Field(description="How long it works; null: until revoked."),
]


class KeyWish(BaseModel):
    """A key to make."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"examples": [{"agent": "reviewer", "expires_in_s": 2592000}]},
    )

    agent: str = Field(
        pattern=AGENT_NAME, description="Whose; it need not be configured as an agent."
    )
    expires_in_s: Lifetime = None


class Rotation(BaseModel):
    """How a key is replaced."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"overlap_s": 3600}]}
    )

    overlap_s: Annotated[int, Field(strict=True, ge=0, le=MAX_LIFE_S), AS_WHOLE] = Field(
        3600, description="How long the old key works on, at most."
    )
    expires_in_s: Lifetime = None


class KeyChange(BaseModel):
    """What may be changed of a key (JSON merge patch)."""

    model_config = ConfigDict(
        extra="forbid", strict=True, json_schema_extra={"examples": [{"expires_in_s": 600}]}
    )

    expires_in_s: Lifetime = Field(description="From now; null: it works until it is revoked.")


class Key(BaseModel):
    """A key, its secret apart."""

    id: str = Field(description="The public part: the middle of `gw-ID-SECRET`.")
    agent: str
    origin: str = Field(description="`runtime`, or `file` for one that the file gives.")
    works: bool
    created_at: datetime | None
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None = Field(description="Late by up to half a minute.")


class CreatedKey(Key):
    """A key just made."""

    key: str = Field(
        description="The whole key. It is shown this once and never again.",
        examples=["gw-k3uj5fqa-7hq2m4zv6xk5w3c2n7d4s6t5p3r2b7fa"],
    )


@router.get("/keys", summary="All keys")
async def list_keys(
    by: Admin,
    parts: Parts,
    agent: Annotated[str | None, Query(description="Only of this agent.")] = None,
    works: Annotated[bool | None, Query(description="Only those that work, or do not.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Key]:
    """All keys ever made, oldest first, then those that the file gives."""
    edition = await parts.configuration.read()
    now_s = parts.clock.wall()
    made = [_shown(one, now_s) for one in await parts.keys.all()]
    given = [_given(name) for name in sorted(edition.keyed_agents)]
    found = [
        one for one in [*made, *given] if agent in {None, one.agent} and works in {None, one.works}
    ]
    return page(found, limit, offset)


@router.get(
    "/keys/{key_id}",
    summary="One key",
    response_model=Key,
    responses={200: {"headers": ETAG}, **responses(404)},
)
async def get_key(key_id: KeyId, by: Admin, parts: Parts) -> Response:
    """One key."""
    edition = await parts.configuration.read()
    if key_id.removeprefix("config-") in edition.keyed_agents and key_id.startswith("config-"):
        shown = _given(key_id.removeprefix("config-"))
    else:
        shown = _shown(await _existing(parts, key_id), parts.clock.wall())
    return _answer(shown)


@router.post(
    "/keys", status_code=201, summary="Make a key", response_model=CreatedKey,
    responses={200: {"model": CreatedKey, "description": "A dry run"}, **responses(409)},
)  # fmt: skip
async def create_key(
    wish: KeyWish, by: Admin, changes: Recording, once: Once, parts: Parts, dry_run: DryRun = False
) -> Response:
    """Make a key. The answer shows it, this once."""
    if dry_run:
        life_s = wish.expires_in_s
        return _created(_unmade(wish.agent, parts.clock.wall(), life_s), parts, shown_as="")

    async def make() -> JSONResponse:
        new = await parts.keys.create(wish.agent, expires_in_s=wish.expires_in_s)
        await _noted(changes, "keys.create", None, new.record)
        return _created(new.record, parts, shown_as=new.secret)

    return await once.answered(wish.model_dump(), make)


@router.post(
    "/keys/{key_id}:rotate", status_code=201, summary="Replace a key",
    response_model=CreatedKey, responses=responses(404, 409),
)  # fmt: skip
async def rotate_key(
    key_id: KeyId, how: Rotation, by: Admin, changes: Recording, once: Once, parts: Parts
) -> Response:
    """Make a new key for the same agent. The old one works on for the overlap, then no more."""

    async def make() -> JSONResponse:
        old = await _existing(parts, key_id)
        try:
            new: NewKey = await parts.keys.rotate(
                key_id, overlap_s=how.overlap_s, expires_in_s=how.expires_in_s
            )
        except ValueError as error:
            raise HTTPException(409, f"{error}.") from None
        await _noted(changes, "keys.rotate", old, await parts.keys.get(key_id))
        await _noted(changes, "keys.create", None, new.record)
        return _created(new.record, parts, shown_as=new.secret)

    return await once.answered(how.model_dump(), make)


@router.patch(
    "/keys/{key_id}",
    summary="Let a key expire",
    response_model=Key,
    responses={200: {"headers": ETAG}, **responses(404, 412)},
    openapi_extra={
        "requestBody": {
            "content": {
                MERGE_PATCH: {"schema": {"$ref": "#/components/schemas/KeyChange"}},
            }
        }
    },
)
async def patch_key(
    key_id: KeyId,
    change: KeyChange,
    by: Admin,
    changes: Recording,
    parts: Parts,
    if_match: IfMatch = "",
    dry_run: DryRun = False,
) -> Response:
    """Let it end after a time, or not. A key that was revoked stays so."""
    before = await _existing(parts, key_id)
    demand_match(if_match, _tag(_shown(before, 0.0)))
    if dry_run:
        return _answer(_shown(before, parts.clock.wall()))
    after = await parts.keys.expire(key_id, in_s=change.expires_in_s)
    await _noted(changes, "keys.expire", before, after)
    return _answer(_shown(after, parts.clock.wall()))


@router.delete(
    "/keys/{key_id}",
    status_code=204,
    response_class=Response,
    summary="Revoke a key",
    responses=responses(404, 412),
)
async def revoke_key(
    key_id: KeyId, by: Admin, changes: Recording, parts: Parts,
    if_match: IfMatch = "", dry_run: DryRun = False,
) -> None:  # fmt: skip
    """End it for good, on all replicas within a second. Revoking twice keeps the first time."""
    before = await _existing(parts, key_id)
    demand_match(if_match, _tag(_shown(before, 0.0)))
    if not dry_run:
        after = await parts.keys.revoke(key_id)
        await _noted(changes, "keys.revoke", before, after)


async def _existing(parts: AdminParts, key_id: str) -> KeyRecord:
    found = await parts.keys.get(key_id)
    if found is None:
        raise HTTPException(404, f"There is no key {key_id!r} that was made at run time.")
    return found


async def _noted(
    changes: Recorder, action: str, before: KeyRecord | None, after: KeyRecord | None
) -> None:
    one = after or before
    if one is not None:
        await changes.record(action, f"keys/{one.public_id}", _plain(before), _plain(after))


def _plain(record: KeyRecord | None) -> Json:
    if record is None:
        return None
    noted: Json = _shown(record, 0.0).model_dump(mode="json", exclude={"works", "last_used_at"})
    return noted


def _unmade(agent: str, now_s: float, life_s: int | None) -> KeyRecord:
    return KeyRecord("", agent, b"", now_s, None if life_s is None else now_s + life_s)


def _created(record: KeyRecord, parts: AdminParts, *, shown_as: str) -> JSONResponse:
    shown = _shown(record, parts.clock.wall())
    body = CreatedKey(**shown.model_dump(), key=shown_as).model_dump(mode="json")
    headers = {"etag": _tag(shown)} | (
        {"location": f"/admin/v1/keys/{shown.id}"} if shown_as else {}
    )
    return JSONResponse(body, 201 if shown_as else 200, headers)


def _answer(shown: Key) -> JSONResponse:
    return JSONResponse(shown.model_dump(mode="json"), headers={"etag": _tag(shown)})


def _tag(key: Key) -> str:
    return etag_of(key.model_dump(mode="json", exclude={"works", "last_used_at"}))


def _given(agent: str) -> Key:
    return Key(
        id=f"config-{agent}",
        agent=agent,
        origin="file",
        works=True,
        created_at=None,
        expires_at=None,
        revoked_at=None,
        last_used_at=None,
    )


def _shown(record: KeyRecord, now_s: float) -> Key:
    return Key(
        id=record.public_id,
        agent=record.agent,
        origin="runtime",
        works=record.works_at(now_s),
        created_at=_time(record.created_s),
        expires_at=_time(record.expires_s),
        revoked_at=_time(record.revoked_s),
        last_used_at=_time(record.last_used_s),
    )


def _time(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)
