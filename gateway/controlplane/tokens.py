"""`/admin/v1/tokens`: who may use this API, and as what."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import JSONResponse, Response

from gateway.domain.access import AdminToken, Json, Role

from .fields import AS_WHOLE
from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import responses
from .recording import Recording
from .replaying import Once
from .roles import Admin

router = APIRouter(tags=["tokens"])
MAX_LIFE_S = 10 * 366 * 86_400


class TokenWish(BaseModel):
    """A token to make."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "examples": [{"name": "night-shift", "role": "operator", "expires_in_s": 86400}]
        },
    )

    name: str = Field(
        description="Whose it is; stands in the audit.",
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
    )
    role: Role = Field(strict=False)
    expires_in_s: Annotated[int, Field(strict=True, ge=1, le=MAX_LIFE_S), AS_WHOLE] | None = Field(
        None, description="How long it works; null: until it is deleted."
    )


class Token(BaseModel):
    """A token of this API, its secret apart."""

    id: str
    name: str
    role: Role
    created_at: datetime
    expires_at: datetime | None
    works: bool


class CreatedToken(Token):
    """A token just made."""

    token: str = Field(description="The secret. It is shown this once and never again.")


@router.get("/tokens", summary="All tokens")
async def list_tokens(
    by: Admin,
    parts: Annotated[AdminParts, Depends(parts_of)],
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Token]:
    """All tokens made here, oldest first. The configured one is not among them."""
    now_s = parts.clock.wall()
    return page([_shown(one, now_s) for one in await parts.tokens.all()], limit, offset)


@router.post(
    "/tokens",
    status_code=201,
    summary="Make a token",
    response_model=CreatedToken,
    responses=responses(409),
)
async def create_token(
    wish: TokenWish,
    by: Admin,
    changes: Recording,
    once: Once,
    parts: Annotated[AdminParts, Depends(parts_of)],
) -> Response:
    """Make a token. The answer shows its secret, this once."""

    async def make() -> JSONResponse:
        now_s = parts.clock.wall()
        expires_s = None if wish.expires_in_s is None else now_s + wish.expires_in_s
        new = await parts.tokens.create(wish.name, wish.role, expires_s=expires_s)
        shown = _shown(new.token, now_s)
        await changes.record("tokens.create", f"tokens/{shown.id}", None, _noted(shown))
        body = CreatedToken(**shown.model_dump(), token=new.secret).model_dump(mode="json")
        return JSONResponse(body, 201)

    return await once.answered(wish.model_dump(mode="json"), make)


@router.delete(
    "/tokens/{token_id}",
    status_code=204,
    response_class=Response,
    summary="End a token",
    responses=responses(404),
)
async def delete_token(
    token_id: str,
    by: Admin,
    changes: Recording,
    parts: Annotated[AdminParts, Depends(parts_of)],
) -> None:
    """End a token for good, everywhere, at once."""
    gone = await parts.tokens.delete(token_id)
    if gone is None:
        raise HTTPException(404, f"There is no token {token_id[:200]!r}.")
    shown = _shown(gone, parts.clock.wall())
    await changes.record("tokens.delete", f"tokens/{shown.id}", _noted(shown), None)


def _noted(token: Token) -> Json:
    noted: Json = token.model_dump(mode="json", exclude={"works"})
    return noted


def _shown(token: AdminToken, now_s: float) -> Token:
    expires_s = token.expires_s
    return Token(
        id=token.token_id,
        name=token.name,
        role=token.role,
        created_at=datetime.fromtimestamp(token.created_s, UTC),
        expires_at=None if expires_s is None else datetime.fromtimestamp(expires_s, UTC),
        works=token.works_at(now_s),
    )
