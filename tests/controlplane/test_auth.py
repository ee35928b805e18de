"""Nothing of the admin API is reached without its token."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from gateway.controlplane.app import ROUTERS

from .conftest import TOKEN

PATHS = ["queue", "lanes", "lanes/sonnet", "agents/ann", "calls/req_1", "nothing", ""]


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", "")],
        [("authorization", "Bearer")],
        [("authorization", "Bearer ")],
        [("authorization", f"Bearer {TOKEN}x")],
        [("authorization", f"Bearer {TOKEN[:-1]}")],
        [("authorization", f"Basic {TOKEN}")],
        [("authorization", TOKEN)],
        [("authorization", "Bearer \N{SNOWMAN}")],
        [("x-api-key", TOKEN)],
        [("authorization", f"Bearer {TOKEN}"), ("authorization", "Bearer other")],
    ],
)
async def test_a_request_without_the_token_is_refused(
    client: httpx2.AsyncClient, path: str, headers: list[tuple[str, str]]
) -> None:
    del client.headers["authorization"]
    raw = [(name.encode(), value.encode()) for name, value in headers]
    response = await client.get(f"/admin/v1/{path}", headers=raw)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (body["status"], body["title"]) == (401, "Unauthorized")
    assert TOKEN not in response.text


async def test_the_token_opens(client: httpx2.AsyncClient) -> None:
    assert (await client.get("/admin/v1/queue")).status_code == 200
    client.headers["authorization"] = f"bearer {TOKEN}"
    assert (await client.get("/admin/v1/queue")).status_code == 200


async def test_the_description_is_open_and_names_every_route(client: httpx2.AsyncClient) -> None:
    del client.headers["authorization"]
    assert "swagger" in (await client.get("/admin/docs")).text.lower()
    described = (await client.get("/admin/openapi.json")).json()
    assert described["info"]["version"] == "1.2.3"
    assert "/admin/v1/lanes/{name}" in described["paths"]
    assert sum(len(methods) for methods in described["paths"].values()) == sum(
        len(router.routes) for router in ROUTERS
    )


@pytest.fixture(scope="module")
def operations() -> list[tuple[str, str, dict[str, Any]]]:
    app = FastAPI()
    for router in ROUTERS:
        app.include_router(router)
    return [
        (path, method, operation)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_names_its_role(operations: list[tuple[str, str, dict[str, Any]]]) -> None:
    for path, method, operation in operations:
        ((scheme, roles),) = [
            pair for requirement in operation["security"] for pair in requirement.items()
        ]
        assert scheme == "token", (path, method)
        assert len(roles) == 1, (path, method)
        assert method == "get" or roles[0] in {"operator", "admin"}, (path, method)
        assert operation["summary"], (path, method)


def test_nothing_is_changed_by_looking(operations: list[tuple[str, str, dict[str, Any]]]) -> None:
    assert {method for _, method, _ in operations} <= {"get", "post", "put", "patch", "delete"}
    for path, method, operation in operations:
        if method == "get":
            assert "requestBody" not in operation, path
            names = {one["name"].lower() for one in operation.get("parameters", ())}
            assert not names & {"dry_run", "if-match", "idempotency-key"}, path
            assert ":" not in path, path
