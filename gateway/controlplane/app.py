"""The admin application: routes, description, errors, and the guard before them."""

from fastapi import APIRouter, FastAPI, Security
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp

from . import agents, calls, lanes, queue
from .auth import GUARDED, Guard
from .parts import AdminParts
from .problems import MEDIA_TYPE, Problem, answer_problems

ROUTERS: tuple[APIRouter, ...] = (queue.router, lanes.router, agents.router, calls.router)
_PROBLEMS = {401: "No token, or a wrong one", 422: "A parameter makes no sense"}


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
    described = HTTPBearer(auto_error=False, description="The admin token; checked by the guard.")
    for router in ROUTERS:
        app.include_router(
            router,
            prefix=GUARDED,
            dependencies=[Security(described)],
            responses={
                status: {
                    "description": meaning,
                    "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
                }
                for status, meaning in _PROBLEMS.items()
            },
        )
    answer_problems(app)
    return Guard(app, parts.token)
