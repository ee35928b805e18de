"""What the admin API shows, and how it says that it cannot."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from gateway.config import Settings
from gateway.domain.explanation import Attempt, Explanation, Outcome, Wait
from gateway.domain.limits import Dimension, ScopeKind
from gateway.domain.usage import Usage

from .conftest import NOW_S, Desk, Plan

CHARGE = [1, 100, 10, 110, 100, 10, 5000]
EXPLAINED = Explanation(
    "req_1",
    NOW_S - 2,
    Outcome.ANSWERED,
    200,
    agent="ann",
    waits=(Wait(ScopeKind.TEAM, "red", Dimension.TPM, 0.5, 1.0, 3, 0.9, ("bob",)),),
    attempts=(Attempt(200, 0.4, "up_1"),),
    usage=Usage(input_tokens=7, output_tokens=3),
)


def lane(name: str, **more: Any) -> list[object]:
    settings = {
        "limits": [10, -1, -1, -1],
        "concurrency": 1,
        "margin": 0,
        "floors": [0, 0, 0],
        "minute_us": 60_000_000,
        "max_depth": 100,
        "ageing_us": 30_000_000,
    }
    return ["configure", f"lane:{name}", {**settings, **more}]


def arrive(ticket: str, agent: str, band: int = 2, name: str = "sonnet") -> list[object]:
    team = "red" if agent == "ann" else ""
    return ["arrive", ticket, name, agent, team, band, 1, CHARGE, 60_000_000, "", 0]


@pytest.fixture
def busy(desk: Desk) -> Desk:
    """One call in flight, three that wait, in a lane that is partly blocked; another lane."""
    desk.call(lane("sonnet"), lane("claude/other"), arrive("req_0", "zoe"))
    desk.call(arrive("req_2", "bob"), arrive("req_3", "ann", 3), arrive("req_1", "ann", 1))
    desk.call(["block", "claude/other", [2, 5], 30_000_000])
    return desk


async def found(client: httpx2.AsyncClient, path: str) -> Any:
    response = await client.get(f"/admin/v1/{path}")
    assert response.status_code == 200, response.text
    return response.json()


@pytest.mark.usefixtures("busy")
async def test_the_queue_is_in_the_order_in_which_calls_go(client: httpx2.AsyncClient) -> None:
    queue = await found(client, "queue")
    assert [
        (one["request_id"], one["position"], one["agent"], one["team"], one["priority"])
        for one in queue["items"]
    ] == [
        ("req_1", 1, "ann", "red", "urgent"),
        ("req_2", 2, "bob", None, "normal"),
        ("req_3", 3, "ann", "red", "background"),
    ]
    assert queue["items"][0]["bound"] == {
        "scope": "lane",
        "name": "sonnet",
        "dimension": "concurrency",
    }
    assert {one["replica"] for one in queue["items"]} == {"r1"}


@pytest.mark.usefixtures("busy")
async def test_the_queue_can_be_narrowed_and_paged(client: httpx2.AsyncClient) -> None:
    mine = await found(client, "queue?agent=ann")
    assert [one["request_id"] for one in mine["items"]] == ["req_1", "req_3"]
    assert [one["position"] for one in mine["items"]] == [1, 3]
    assert (await found(client, "queue?request_id=req_3"))["items"][0]["position"] == 3
    assert (await found(client, "queue?lane=claude/other"))["total"] == 0
    second = await found(client, "queue?limit=2&offset=2")
    assert [one["request_id"] for one in second["items"]] == ["req_3"]
    assert (second["total"], second["next_offset"]) == (3, None)
    assert (await found(client, "queue?limit=2"))["next_offset"] == 2
    assert (await found(client, "queue?offset=50"))["items"] == []


@pytest.mark.usefixtures("busy")
async def test_a_lane_shows_limits_levels_and_what_is_held(client: httpx2.AsyncClient) -> None:
    seen = await found(client, "lanes/sonnet")
    assert (seen["name"], seen["provider"], seen["configured"]) == ("sonnet", "claude", True)
    assert (seen["concurrency"], seen["in_flight"], seen["paused"]) == (1, 1, False)
    assert seen["waiting"] == {"urgent": 1, "normal": 1, "background": 1}
    rpm, itpm, _, _ = seen["limits"]
    assert (rpm["limit"], rpm["configured"], rpm["learned"]) == (10, 10, None)
    assert (rpm["capacity"], rpm["level"], rpm["held"], rpm["spent"]) == (10, 9, 1, 0)
    assert (itpm["limit"], itpm["level"], itpm["held"], itpm["waiting"]) == (None, None, 100, 300)
    assert (itpm["drift"], itpm["strangers"]) == (0, 0)
    assert seen["saturated"] == {"urgent": None, "normal": None, "background": None}


async def test_a_lane_shows_of_which_priorities_it_is_saturated(
    client: httpx2.AsyncClient, desk: Desk
) -> None:
    desk.call(lane("sonnet", floors=[0, 0.5, 0.95]), arrive("req_0", "zoe"))
    seen = await found(client, "lanes/sonnet")
    assert seen["saturated"] == {"urgent": None, "normal": None, "background": "rpm"}


@pytest.mark.usefixtures("busy")
async def test_a_lane_shows_what_the_provider_has_blocked(client: httpx2.AsyncClient) -> None:
    seen = await found(client, "lanes/claude/other")
    assert (seen["provider"], seen["configured"], seen["models"]) == ("claude", False, None)
    assert seen["blocked_until"] == "2026-11-25T00:00:30Z"
    assert [one["blocked_until"] for one in seen["limits"]] == [
        None,
        "2026-11-25T00:00:30Z",
        None,
        None,
    ]


async def test_lanes_are_listed_whoever_made_them_used_or_not(
    busy: Desk, plan: Plan, client: httpx2.AsyncClient
) -> None:
    lanes = dict(busy.topology.lanes)
    lanes["unused"] = replace(lanes["sonnet"], name="unused")
    plan.base = Settings(replace(busy.topology, lanes=lanes))
    listed = await found(client, "lanes")
    assert [one["name"] for one in listed["items"]] == ["claude/other", "sonnet", "unused"]
    page = await found(client, "lanes?limit=1&offset=1")
    assert ([one["name"] for one in page["items"]], page["next_offset"]) == (["sonnet"], 2)


async def test_an_agent_shows_its_budget_and_what_is_used_of_it(
    busy: Desk, client: httpx2.AsyncClient
) -> None:
    limits = {"limits": [5, -1, 2, 2_000_000, -1], "soft": 1, "minute_us": 60_000_000}
    busy.call(["configure", "agent:ann", limits], ["settle", "req_0", "sonnet", CHARGE])
    seen = await found(client, "agents/ann")
    assert seen["budget"] == {
        "rpm": 5,
        "tpm": None,
        "concurrency": 2,
        "usd_per_day": 2.0,
        "usd_per_month": None,
        "mode": "soft",
    }
    assert (seen["team"], seen["weight"], seen["configured"]) == ("red", 2.0, True)
    assert (seen["used"]["requests"], seen["used"]["in_flight"]) == (1, 1)
    assert seen["held"] == {"requests": 1, "input_tokens": 100, "output_tokens": 10, "usd": 0.005}
    assert (await found(client, "agents/zoe"))["spent_tokens"] == 110
    assert not (await found(client, "agents/zoe"))["configured"]


async def test_a_call_is_explained(desk: Desk, client: httpx2.AsyncClient) -> None:
    desk.explained["req_1"] = EXPLAINED
    seen = await found(client, "calls/req_1")
    assert (seen["at"], seen["outcome"]) == ("2026-11-24T23:59:58Z", "answered")
    assert seen["waits"] == [
        {
            "scope": "team",
            "name": "red",
            "dimension": "tpm",
            "from_s": 0.5,
            "for_s": 1.0,
            "position": 3,
            "predicted_s": 0.9,
            "ahead": ["bob"],
        }
    ]
    assert seen["attempts"][0]["request_id"] == "up_1"
    assert (seen["usage"]["input_tokens"], seen["usage"]["exact"]) == (7, True)


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("calls/req_unknown", 404, "req_unknown"),
        ("agents/nobody", 404, "nobody"),
        ("lanes/no/such/lane", 404, "no/such/lane"),
        ("nothing", 404, "Not Found"),
        ("queue?limit=0", 422, "limit"),
        ("queue?limit=many", 422, "limit"),
        ("queue?offset=-1", 422, "offset"),
        ("lanes?limit=1001", 422, "limit"),
    ],
)
async def test_what_cannot_be_shown_is_a_problem(
    client: httpx2.AsyncClient, path: str, status: int, words: str
) -> None:
    response = await client.get(f"/admin/v1/{path}")
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert (response.status_code, body["status"]) == (status, status)
    assert set(body) - {"errors"} == {"type", "title", "status", "detail", "instance"}
    assert ("errors" in body) == (status == 422)
    assert words in body["detail"]
    assert body["instance"] == f"/admin/v1/{path.partition('?')[0]}"


async def test_another_method_is_a_problem_too(client: httpx2.AsyncClient) -> None:
    for path, allowed in (
        ("queue", "GET"),
        ("agents/ann", "DELETE, GET, PATCH, PUT"),
        ("keys/k0:rotate", "POST"),
    ):
        response = await client.options(f"/admin/v1/{path}")
        assert (response.status_code, response.json()["title"]) == (405, "Method Not Allowed")
        assert response.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["queue", "lanes", "lanes/x", "agents/ann", "calls/req_1"])
async def test_a_silent_store_is_said_and_worth_another_try(
    desk: Desk, client: httpx2.AsyncClient, path: str
) -> None:
    desk.silent = True
    response = await client.get(f"/admin/v1/{path}")
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "store" in response.json()["detail"]


async def test_a_fault_of_ours_tells_nothing(
    desk: Desk, client: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(name: str) -> None:
        raise RuntimeError(f"the secret of {name}")

    monkeypatch.setattr(desk, "agent", broken)
    response = await client.get("/admin/v1/agents/ann")
    assert (response.status_code, response.json()["title"]) == (500, "Internal Server Error")
    assert "secret" not in response.text
