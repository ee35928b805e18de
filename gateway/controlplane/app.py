"""The admin application: routes, description, errors, and the guard before them."""

from fastapi import APIRouter, FastAPI
from starlette.types import ASGIApp

from . import agents, audit, breakers, calls, capacity, lanes, queue, routing, tokens, usage
from .auth import GUARDED, Guard
from .parts import AdminParts
from .problems import answer_problems, responses

ROUTERS: tuple[APIRouter, ...] = (
    queue.router,
    lanes.router,
    agents.router,
    calls.router,
    audit.router,
    breakers.router,
    tokens.router,
    usage.router,
    capacity.router,
    routing.router,
)


def admin_app(parts: AdminParts) -> ASGIApp:
    """Everything under `/admin/`."""
    app = FastAPI(
        title="agent-gateway",
        summary="The admin API of the gateway.",
        version=parts.version,
        docs_url="/admin/docs",
        openapi_url="/admin/openapi.json",
        redoc_url=None,
    )
    app.state.parts = parts
    for router in ROUTERS:
        app.include_router(router, prefix=GUARDED, responses=responses(401, 403, 422, 429, 503))
    answer_problems(app)
    return Guard(app, parts.token, parts.tokens, parts.clock)
