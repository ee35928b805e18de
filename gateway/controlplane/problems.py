"""Errors of the admin API as RFC 9457 has them: `application/problem+json`.

Failure policy: what a caller did wrong is said with the field at fault; what went wrong here is
logged and never told, except that the store is silent, which is 503 with `retry-after`.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from gateway.ports import StoreSilent

log = logging.getLogger("gateway.controlplane")

MEDIA_TYPE = "application/problem+json"


class Problem(BaseModel):
    """What went wrong."""

    type: str = Field(default="about:blank", description="Always about:blank: the status says it.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong with this request, and what to do.")
    instance: str = Field(description="The path that was asked for.")


def problem(
    status: int, detail: str, path: str, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """A response that says what went wrong."""
    body = Problem(
        title=HTTPStatus(status).phrase, status=status, detail=detail, instance=path[:200]
    )
    return JSONResponse(body.model_dump(), status, headers, media_type=MEDIA_TYPE)


def answer_problems(app: FastAPI) -> None:
    """Let every error of an application be a problem."""

    @app.exception_handler(HTTPException)
    async def told(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, HTTPException):
            raise error
        return problem(error.status_code, str(error.detail), request.url.path, error.headers)

    @app.exception_handler(RequestValidationError)
    async def unfit(request: Request, error: Exception) -> JSONResponse:
        if not isinstance(error, RequestValidationError):
            raise error
        faults = "; ".join(
            f"{'.'.join(str(part) for part in fault['loc'])}: {fault['msg']}"
            for fault in error.errors()
        )
        return problem(422, faults, request.url.path)

    @app.exception_handler(StoreSilent)
    async def silent(request: Request, error: Exception) -> JSONResponse:
        log.warning("the admin API could not ask the store: %s", error)
        again = {"retry-after": "1"}
        return problem(503, "The store does not answer; try again.", request.url.path, again)

    @app.exception_handler(Exception)
    async def failed(request: Request, error: Exception) -> JSONResponse:
        del error  # logged by the server that runs this application
        return problem(500, "The gateway failed; its log says why.", request.url.path)
