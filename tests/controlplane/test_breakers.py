"""Breakers over the admin API: who may move them, and what is remembered of it."""

from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from gateway.domain.access import Role
from gateway.domain.breaking import BreakerFact, BreakerKey
from gateway.domain.facts import BreakerScope, BreakerState
from tests.controlplane.conftest import NOW_S, BreakerBox, Desk, TokenBox


async def asked(client: httpx2.AsyncClient, path: str, **query: str) -> Mapping[str, Any]:
    response = await client.get(f"/admin/v1/{path}", params=query)
    assert response.status_code == 200, response.text
    found: Mapping[str, Any] = response.json()
    return found


async def test_what_is_configured_is_listed_before_it_ever_moved(
    client: httpx2.AsyncClient,
) -> None:
    found = await asked(client, "breakers")
    assert [(one["scope"], one["name"]) for one in found["items"]] == [
        ("agent", "ann"),
        ("lane", "sonnet"),
        ("provider", "claude"),
    ]
    assert found["items"][1] == {
        "scope": "lane", "name": "sonnet", "state": "closed", "cause": "", "evidence": "",
        "held": False, "since": None, "until": None, "openings": 0, "generation": 0,
    }  # fmt: skip


async def test_an_open_one_shows_why_and_until_when(
    client: httpx2.AsyncClient, breakers: BreakerBox
) -> None:
    fact = BreakerFact(3, BreakerState.OPEN, NOW_S + 5, 2, "probe", NOW_S, "seen")
    breakers.board.hear(BreakerKey(BreakerScope.LANE, "claude/claude-opus-5"), fact)
    found = await asked(client, "breakers/lane/claude/claude-opus-5")
    assert (found["state"], found["cause"], found["evidence"]) == ("open", "probe", "seen")
    assert (found["openings"], found["generation"], found["held"]) == (2, 3, False)
    assert found["since"] < found["until"]
    assert (await asked(client, "breakers", state="open"))["total"] == 1


@pytest.mark.parametrize("verb", ["open", "close", "reset"])
async def test_a_move_is_recorded_with_what_was_before(
    client: httpx2.AsyncClient, desk: Desk, verb: str
) -> None:
    answer = await client.post(f"/admin/v1/breakers/lane/sonnet:{verb}")
    state = "open" if verb == "open" else "closed"
    assert (answer.status_code, answer.json()["state"]) == (200, state)
    [entry] = desk.recorded
    assert (entry.action, entry.subject) == (f"breakers.{verb}", "breakers/lane/sonnet")
    cause = "reset" if verb == "reset" else "manual"
    assert entry.before == {"state": "closed", "cause": "", "held": False}
    assert entry.after == {"state": state, "cause": cause, "held": verb == "open"}


@pytest.mark.parametrize("path", ["lane/nowhere", "lane/", "moon/sonnet", "provider/sonnet"])
async def test_what_is_not_there_cannot_be_moved(client: httpx2.AsyncClient, path: str) -> None:
    answer = await client.post(f"/admin/v1/breakers/{path}:open")
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_viewer_may_look_and_not_move(
    client: httpx2.AsyncClient, tokens: TokenBox, desk: Desk
) -> None:
    new = await tokens.create("eve", Role.VIEWER, expires_s=None)
    eve = {"authorization": f"Bearer {new.secret}"}
    assert (await client.get("/admin/v1/breakers", headers=eve)).status_code == 200
    refused = await client.post("/admin/v1/breakers/lane/sonnet:open", headers=eve)
    assert (refused.status_code, desk.recorded) == (403, [])
