"""The admin application: routes, description, errors, and the guard before them.

A web page of another origin may use it only if `admin.origins` names that origin (CORS).
"""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

from gateway.domain.overrides import Collection

from . import (
    adjusting,
    agents,
    audit,
    breakers,
    calls,
    capacity,
    configuration,
    keys,
    lane_acts,
    lanes,
    providers,
    queue,
    queue_acts,
    routing,
    teams,
    temporary,
    tokens,
    usage,
)
from .auth import GUARDED, Guard
from .items import schema_name
from .parts import AdminParts
from .problems import answer_problems, responses
from .throttle import FORGIVING, ThrottleSettings

ROUTERS: tuple[APIRouter, ...] = (
    agents.router,
    teams.router,
    adjusting.router,
    temporary.router,
    keys.router,
    lane_acts.router,  # before lanes: a name may hold any character
    lanes.router,
    providers.router,
    queue_acts.router,
    queue.router,
    calls.router,
    usage.router,
    audit.router,
    breakers.router,
    tokens.router,
    capacity.router,
    routing.router,
    configuration.router,
)
_ALWAYS = (400, 401, 403, 422, 429, 503)
"""Problems that every operation may answer with."""
_ASKED_HEADERS = ("authorization", "content-type", "if-match", "idempotency-key", "x-request-id")
_TOLD_HEADERS = ("etag", "location", "retry-after", "x-gateway-request-id")


def admin_app(parts: AdminParts) -> ASGIApp:
    """Everything under `/admin/`."""
    return behind_guard(described_app(parts.version, parts.document_schemas), parts)


def described_app(version: str, schemas: Mapping[Collection, Mapping[str, Any]]) -> FastAPI:
    """The routes and their description, which still lack what they work with."""
    app = FastAPI(
        title="agent-gateway",
        summary="The admin API of the gateway.",
        version=version,
        docs_url="/admin/docs",
        openapi_url="/admin/openapi.json",
        redoc_url=None,
        separate_input_output_schemas=False,
    )
    for router in ROUTERS:
        app.include_router(router, prefix=GUARDED, responses=responses(*_ALWAYS))
    routes = [route for router in ROUTERS for route in router.routes]
    answer_problems(app, routes, GUARDED)
    _describe_documents(app, schemas)
    return app


def behind_guard(
    app: FastAPI, parts: AdminParts, throttle: ThrottleSettings = FORGIVING
) -> ASGIApp:
    """The application with what it works with, and its door."""
    app.state.parts = parts
    guarded = Guard(app, parts.token, parts.tokens, parts.clock, throttle)
    if not parts.origins:
        return guarded
    return CORSMiddleware(
        guarded,
        allow_origins=parts.origins,
        allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
        allow_headers=_ASKED_HEADERS,
        expose_headers=_TOLD_HEADERS,
    )


def _describe_documents(app: FastAPI, schemas: Mapping[Collection, Mapping[str, Any]]) -> None:
    """Let the description of the API hold the schemas of what is edited."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        description = described()
        components = description.setdefault("components", {}).setdefault("schemas", {})
        for collection, schema in schemas.items():
            components[schema_name(collection, patch=False)] = dict(schema)
            patch = {name: value for name, value in schema.items() if name != "required"}
            components[schema_name(collection, patch=True)] = patch
        return description

    app.openapi = openapi  # type: ignore[method-assign]  # as FastAPI's manual has it
