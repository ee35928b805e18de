"""Nothing of the admin API is reached without its token."""

import httpx2
import pytest

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
    assert set(described["paths"]) == {
        "/admin/v1/queue",
        "/admin/v1/lanes",
        "/admin/v1/lanes/{name}",
        "/admin/v1/agents/{name}",
        "/admin/v1/calls/{request_id}",
    }
    assert sum(len(router.routes) for router in ROUTERS) == 5
    for methods in described["paths"].values():
        for operation in methods.values():
            assert operation["security"]
            assert operation["summary"]
