"""`/admin/v1/providers`: the accounts, their credentials never shown."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response

from gateway.domain.access import Json, Role
from gateway.domain.call import Dialect
from gateway.domain.overrides import Collection

from .items import ETAG, Configured, ItemName, add_edits, answer, configured
from .paging import Limit, Offset, Page, page
from .parts import AdminParts, parts_of
from .problems import responses
from .roles import Admin

router = APIRouter(tags=["providers"])
_EXAMPLE: dict[str, Json] = {
    "dialect": "openai",
    "base_url": "http://vllm:8000/v1",
    "api_key": "none",
    "max_connections": 200,
}


@router.get("/providers", summary="All providers")
async def list_providers(
    by: Admin,
    parts: Annotated[AdminParts, Depends(parts_of)],
    dialect: Annotated[Dialect | None, Query(description="Only of this dialect.")] = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Page[Configured]:
    """All providers by name."""
    edition = await parts.configuration.read()
    found = [
        edition.item(Collection.PROVIDERS, name) for name in edition.names(Collection.PROVIDERS)
    ]
    shown = [
        configured(one)
        for one in found
        if one is not None and dialect in {None, one.document["dialect"]}
    ]
    return page(shown, limit, offset)


@router.get(
    "/providers/{name}",
    summary="One provider",
    response_model=Configured,
    responses={200: {"headers": ETAG}, **responses(404)},
)
async def get_provider(
    name: ItemName, by: Admin, parts: Annotated[AdminParts, Depends(parts_of)]
) -> Response:
    """One provider."""
    return answer(await parts.configuration.read(), Collection.PROVIDERS, name)


add_edits(router, Collection.PROVIDERS, Role.ADMIN, _EXAMPLE)
