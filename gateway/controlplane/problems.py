"""Errors of the admin API as RFC 9457 has them: `application/problem+json`.

Failure policy: what a caller did wrong is said with the field at fault; what went wrong here is
logged and never told, except that the store is silent, which is 503 with `retry-after`.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Match

from gateway.ports import StoreSilent

log = logging.getLogger("gateway.controlplane")

MEDIA_TYPE = "application/problem+json"
SILENT = "The store does not answer; try again."


class FieldFault(BaseModel):
    """What is wrong with one field."""

    field: str = Field(description="Its path, as in the configuration file.")
    message: str
    remedy: str = ""


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says it.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, and what to do.")
    instance: str = Field(description="The path that was asked for.")
    errors: list[FieldFault] | None = Field(None, description="Faults of single fields, if any.")


class Unfit(Exception):  # noqa: N818 - said of the request
    """What a request asks for cannot be; `status` is 409 if the fault is elsewhere."""

    def __init__(self, faults: Sequence[FieldFault], status: int = 422) -> None:
        super().__init__("; ".join(f"{fault.field}: {fault.message}" for fault in faults))
        self.faults = faults
        self.status = status


def problem(
    status: int,
    detail: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    errors: Sequence[FieldFault] | None = None,
) -> JSONResponse:
    """A response that says what went wrong."""
    body = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        instance=path[:200],
        errors=None if errors is None else list(errors),
    )
    return JSONResponse(body.model_dump(exclude_none=True), status, headers, media_type=MEDIA_TYPE)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How a route's problems are described."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schema.pop("$defs", None)
    return {
        status: {"description": MEANINGS[status], "content": {MEDIA_TYPE: {"schema": schema}}}
        for status in statuses
    }


MEANINGS = {
    400: "The body cannot be read",
    401: "No token, or a wrong one",
    403: "The role of the token does not suffice",
    404: "There is no such thing",
    409: "It does not fit what is there",
    412: "Somebody has changed it meanwhile",
    413: "The body is too large",
    415: "The body has another type than is read here",
    422: "Something asked for makes no sense; `errors` names the fields",
    429: "Too many wrong tokens from this address",
    503: "The store does not answer",
}


def _methods_at(routes: Iterable[BaseRoute], path: str) -> set[str]:
    """Methods of all routes at a path (RFC 9110, 15.5.6); Starlette names the first route's only."""
    scope = {"type": "http", "path": path, "method": "", "headers": []}
    at = [
        route
        for route in routes
        if isinstance(route, APIRoute) and route.matches(scope)[0] is not Match.NONE
    ]
    acts = [route for route in at if "}:" in route.path]  # `NAME:act` matches `NAME`, too
    return {method for route in acts or at for method in route.methods or ()}


def answer_problems(app: FastAPI, routes: Sequence[BaseRoute], prefix: str) -> None:
    """Let every error of an application be a problem.

    Args:
        app: The application.
        routes: Its routes, to say which methods a path takes.
        prefix: Under which they are.
    """

    @app.exception_handler(HTTPException)
    async def told(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise error
        headers = error.headers
        if error.status_code == 405:
            path = request.scope["path"].removeprefix(prefix)
            headers = {"allow": ", ".join(sorted(_methods_at(routes, path)))}
        return problem(error.status_code, str(error.detail), request.url.path, headers)

    @app.exception_handler(RequestValidationError)
    async def unfit(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise error
        faults = [
            FieldFault(field=".".join(str(part) for part in fault["loc"]), message=fault["msg"])
            for fault in error.errors()
        ]
        told = "; ".join(f"{fault.field}: {fault.message}" for fault in faults)
        return problem(422, told, request.url.path, errors=faults)

    @app.exception_handler(Unfit)
    async def faulty(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, Unfit):
            raise error
        return problem(error.status, str(error), request.url.path, errors=error.faults)

    @app.exception_handler(StoreSilent)
    async def silent(request: Request, error: Exception) -> JSONResponse:
        log.warning("the admin API could not ask the store: %s", error)
        again = {"retry-after": "1"}
        return problem(503, SILENT, request.url.path, again)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        del error  # logged by the server that runs this application
        return problem(500, "The gateway failed; its log says why.", request.url.path)
