"""Editing through the API: items, budgets, keys, the configuration, lanes and the queue."""

from dataclasses import replace
from typing import Any

import httpx2
import pytest

from gateway.config.editing import Edition
from gateway.domain.access import Role
from gateway.domain.overrides import Collection, FieldFault, UnfitEdit
from gateway.domain.topology import Agent

from .conftest import NOW_S, Desk, KeyBox, Plan, TokenBox
from .test_routes import arrive, lane

MERGE = {"content-type": "application/merge-patch+json"}


async def ask(client: httpx2.AsyncClient, how: str, path: str, **more: Any) -> httpx2.Response:
    return await client.request(how, f"/admin/v1/{path}", **more)


async def done(client: httpx2.AsyncClient, how: str, path: str, **more: Any) -> Any:
    answer = await ask(client, how, path, **more)
    assert answer.status_code in {200, 201}, answer.text
    return answer.json()


# --- items ---------------------------------------------------------------------------------------


async def test_an_agent_is_set_changed_and_deleted(desk: Desk, client: httpx2.AsyncClient) -> None:
    made = await ask(client, "PUT", "agents/cid", json={"team": "red", "budget": {"tpm": 5}})
    assert made.status_code == 201
    patched = await ask(
        client, "PATCH", "agents/cid", content=b'{"budget": {"rpm": 3}}', headers=MERGE
    )
    settings = patched.json()["settings"]
    assert (settings["team"], settings["budget"]["tpm"], settings["budget"]["rpm"]) == ("red", 5, 3)
    assert (await ask(client, "PUT", "agents/cid", json={"weight": 2})).status_code == 200
    shown = await done(client, "GET", "agents/cid")
    assert (shown["team"], shown["configuration"]["settings"]["weight"]) == (None, 2)
    assert shown["configuration"]["origins"]["weight"]["origin"] == "runtime"
    assert (await ask(client, "DELETE", "agents/cid")).status_code == 204
    for how in ("PATCH", "DELETE"):
        assert (await ask(client, how, "agents/cid", json={})).status_code == 404
    assert [one.action for one in desk.recorded] == [
        "agents.put",
        "agents.patch",
        "agents.put",
        "agents.delete",
    ]
    assert desk.recorded[0].before is None
    assert desk.recorded[-1].after is None


async def test_a_stale_tag_is_refused_whoever_is_faster(
    plan: Plan, client: httpx2.AsyncClient
) -> None:
    etag = (await ask(client, "GET", "agents/ann")).headers["etag"]

    def rival(edition: Edition) -> Edition:
        return edition.written(Collection.AGENTS, {"ann": {"weight": 9}}, "eve", whole=False)

    plan.rivals.append(rival)
    headers = {"if-match": etag}
    lost = await ask(client, "PATCH", "agents/ann", json={"weight": 3}, headers=headers)
    assert lost.status_code == 412
    assert (await done(client, "GET", "agents/ann"))["weight"] == 9
    plan.rivals.append(rival)  # without a tag, the change is made on what the rival left
    won = await ask(client, "PATCH", "agents/ann", json={"budget": {"tpm": 1}})
    assert (won.json()["settings"]["weight"], won.json()["settings"]["budget"]["tpm"]) == (9, 1)
    plan.rivals = [rival] * 50
    assert (await ask(client, "PATCH", "agents/ann", json={"weight": 3})).status_code == 409


async def test_a_dry_run_shows_and_changes_nothing(
    desk: Desk, plan: Plan, client: httpx2.AsyncClient
) -> None:
    answer = await ask(client, "PATCH", "agents/ann?dry_run=true", json={"weight": 7})
    assert answer.json()["settings"]["weight"] == 7
    for how, path, body in [
        ("PUT", "agents/new", {}),
        ("DELETE", "agents/ann", {}),
        ("POST", "budgets:adjust", {"select": {"agents": ["*"]}, "budget": {"tpm": 5}}),
        ("DELETE", "config/overrides", {}),
    ]:
        assert (await ask(client, how, f"{path}?dry_run=true", json=body)).is_success
    assert plan.overrides.revision == 0
    assert desk.recorded == []


@pytest.mark.parametrize(
    ("path", "body", "status", "field"),
    [
        ("agents/ann", {"team": "green"}, 422, "agents.ann.team"),
        ("agents/ann", {"budget": {"tpm": "5"}}, 422, "agents.ann.budget.tpm"),
        ("agents/ann", {"wieght": 5}, 422, "agents.ann.wieght"),
        ("lanes/sonnet", {"provider": "x"}, 422, "lanes.sonnet.provider"),
        ("lanes/sonnet", {"limits": {"rpm": -1}}, 422, "lanes.sonnet.limits.rpm"),
        ("providers/claude", {"base_url": "ftp://x"}, 422, "providers.claude.base_url"),
    ],
)
async def test_a_fault_names_the_field_of_the_file(
    client: httpx2.AsyncClient, path: str, body: Any, status: int, field: str
) -> None:
    answer = await ask(client, "PATCH", path, json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert [fault["field"] for fault in answer.json()["errors"]] == [field]


async def test_what_others_need_cannot_be_deleted(client: httpx2.AsyncClient) -> None:
    for path, field in (
        ("teams/red", "agents.ann.team"),
        ("providers/claude", "lanes.sonnet.provider"),
    ):
        answer = await ask(client, "DELETE", path)
        assert answer.status_code == 409
        assert answer.json()["errors"][0]["field"] == field


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{", "application/json", 422),
        (b"[]", "application/json", 422),
        (b'{"weight": NaN}', "application/json", 422),
        (b'{"weight": 1, "weight": 2}', "application/json", 422),
        (b'{"a": "\\ud800"}', "application/json", 422),
        (b"[" * 100_000, "application/json", 422),
        (b'{"weight": 1}', "text/plain", 415),
        (b'{"weight": 1}', "", 415),
        (b" " * 300_000, "application/json", 413),
        (b'{"weight": 1}', "application/json; charset=utf-8", 200),
    ],
)
async def test_a_body_that_is_no_object_is_told(
    client: httpx2.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    headers = {"content-type": kind}
    answer = await ask(client, "PATCH", "agents/ann", content=content, headers=headers)
    assert answer.status_code == status


async def test_a_credential_is_written_and_never_shown(
    desk: Desk, plan: Plan, client: httpx2.AsyncClient
) -> None:
    body = {"dialect": "openai", "base_url": "http://vllm:8000/v1", "api_key": "very-secret-1"}
    made = await ask(client, "PUT", "providers/local", json=body)
    assert made.status_code == 201
    patched = await ask(client, "PATCH", "providers/local", json={"api_key": "very-secret-2"})
    read = await ask(client, "GET", "providers/local")
    listed = await ask(client, "GET", "providers")
    config = await ask(client, "GET", "config")
    everything = "".join(one.text for one in (made, patched, read, listed, config))
    assert "very-secret" not in everything
    assert "very-secret" not in str(desk.recorded)
    assert desk.recorded[-1].after == {**read.json()["settings"], "api_key": "******** (new)"}
    # What was read can be written back, and changes nothing.
    await done(client, "PUT", "providers/local", json=read.json()["settings"])
    topology = (await plan.read()).topology
    assert topology.providers["local"].api_key == "very-secret-2"


@pytest.mark.parametrize(
    ("role", "statuses"),
    [
        (Role.VIEWER, {"agents": 403, "keys": 403, "providers": 403, "config": 403}),
        (Role.OPERATOR, {"agents": 200, "keys": 403, "providers": 403, "config": 403}),
        (Role.ADMIN, {"agents": 200, "keys": 201, "providers": 200, "config": 200}),
    ],
)
async def test_roles_part_agents_from_keys_and_providers(
    client: httpx2.AsyncClient, tokens: TokenBox, role: Role, statuses: dict[str, int]
) -> None:
    token = (await tokens.create("somebody", role, expires_s=None)).secret
    client.headers["authorization"] = f"Bearer {token}"
    asked = {
        "agents": ("PATCH", "agents/ann", {"weight": 2}),
        "keys": ("POST", "keys", {"agent": "ann"}),
        "providers": ("PATCH", "providers/claude", {"max_connections": 5}),
        "config": ("POST", "config:reload", None),
    }
    found = {
        what: (await ask(client, how, path, json=body)).status_code
        for what, (how, path, body) in asked.items()
    }
    assert found == statuses
    for path in ("keys", "providers", "tokens"):
        status = (await ask(client, "GET", path)).status_code
        assert status == (200 if role is Role.ADMIN else 403)
    assert (await ask(client, "GET", "agents")).status_code == 200


# --- budgets -------------------------------------------------------------------------------------


async def test_many_budgets_are_adjusted_or_none(
    desk: Desk, plan: Plan, client: httpx2.AsyncClient
) -> None:
    await done(client, "PUT", "agents/bob", json={"budget": {"tpm": 100, "usd_per_day": 2}})
    wish = {"select": {"agents": ["*"]}, "factors": {"tpm": 1.5, "usd_per_day": 0.5}}
    seen = await done(client, "POST", "budgets:adjust?dry_run=true", json=wish)
    assert plan.overrides.revision == 1
    assert seen == await done(client, "POST", "budgets:adjust", json=wish)
    (bob,) = seen["changed"]
    assert (bob["item"], seen["unchanged"]) == ("agents/bob", 1)
    assert (bob["before"]["tpm"], bob["after"]["tpm"]) == (100, 150)
    assert (bob["before"]["usd_per_day"], bob["after"]["usd_per_day"]) == (2, 1)
    assert desk.recorded[-1].action == "budgets.adjust"
    wish = {"select": {"agents": ["bob"], "teams": ["red"]}, "budget": {"tpm": None, "rpm": 9}}
    seen = await done(client, "POST", "budgets:adjust", json=wish)
    assert [one["item"] for one in seen["changed"]] == ["agents/bob", "teams/red"]
    topology = (await plan.read()).topology
    assert (topology.agents["bob"].budget.tpm, topology.teams["red"].budget.rpm) == (None, 9)
    assert (await ask(client, "POST", "budgets:adjust", json={"select": {}})).status_code == 422


async def test_a_temporary_budget_shows_its_end(
    desk: Desk, plan: Plan, client: httpx2.AsyncClient
) -> None:
    wish = {
        "select": {"agents": ["ann"]},
        "budget": {"tpm": 40000, "usd_per_day": 1.5},
        "for_s": 7200,
        "note": "release",
    }
    headers = {"idempotency-key": "0123456789abcdef"}
    made = await ask(client, "POST", "temporary-budgets", json=wish, headers=headers)
    again = await ask(client, "POST", "temporary-budgets", json=wish, headers=headers)
    assert (made.status_code, again.json()) == (201, made.json())
    assert len(plan.overrides.temporary) == 1
    one = made.json()
    assert (one["state"], one["holds_until"]) == ("holds", "2026-11-25T02:00:00Z")
    assert one["agents"] == ["ann"]
    assert one["budget"] == {"tpm": 40000, "usd_per_day": 1.5}
    topology = desk.topology
    assert topology.agents["ann"].budget.tpm == 40000
    limits = [40000, 40000, -1, 1_500_000, -1]
    desk.call(["configure", "agent:ann", {"limits": limits, "soft": 0, "minute_us": 60_000_000}])
    tpm = (await done(client, "GET", "agents/ann"))["limits"][1]
    assert (tpm["limit"], tpm["origin"], tpm["until"]) == (
        40000,
        "temporary",
        "2026-11-25T02:00:00Z",
    )
    assert tpm["left"] == 40000
    configuration = (await done(client, "GET", "agents/ann"))["configuration"]
    assert configuration["settings"]["budget"]["tpm"] is None
    assert (await ask(client, "DELETE", f"temporary-budgets/{one['id']}")).status_code == 204
    assert (await ask(client, "DELETE", f"temporary-budgets/{one['id']}")).status_code == 404
    assert desk.topology.agents["ann"].budget.tpm is None


async def test_nights_for_background_work(plan: Plan, client: httpx2.AsyncClient) -> None:
    await done(client, "PUT", "agents/bob", json={"priority": "background", "budget": {"tpm": 10}})
    wish = {
        "select": {"priorities": ["background"]},
        "factors": {"tpm": 3},
        "weekly": {"begins": "22:00", "ends": "06:00", "days": ["tue", "wed"]},
    }
    one = await done(client, "POST", "temporary-budgets", json=wish)
    assert (one["state"], one["holds_until"]) == ("holds", "2026-11-25T06:00:00Z")
    assert (await plan.read()).topology.agents["bob"].budget.tpm == 30
    assert one["weekly"]["days"] == ["tue", "wed"]
    listed = await done(client, "GET", "temporary-budgets?state=holds")
    assert listed["items"] == [one]
    assert (await done(client, "GET", "temporary-budgets?state=ended"))["items"] == []


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({}, 422),
        ({"for_s": 5, "until": "2026-11-26T00:00:00Z"}, 422),
        ({"until": "2026-11-24T00:00:00Z"}, 422),
        ({"until": 1795651200}, 422),
        ({"until": "2026-11-26T00:00:00"}, 422),
        ({"begins_at": "2026-11-26T00:00:00Z", "until": "2026-11-25T12:00:00Z"}, 422),
        ({"for_s": 1e9}, 422),
        ({"weekly": {"begins": "25:00", "ends": "06:00"}}, 422),
        ({"weekly": {"begins": "22:00", "ends": "06:00", "time_zone": "Mars"}}, 422),
        ({"weekly": {"begins": "22:00", "ends": "06:00", "days": ["someday"]}}, 422),
        ({"for_s": 5, "budget": {}}, 422),
        ({"for_s": 5, "select": {"agents": ["nobody"]}}, 409),
        ({"for_s": 5, "budget": {"tpm": 0}}, 422),
    ],
)
async def test_a_temporary_budget_that_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, more: Any, status: int
) -> None:
    wish = {"select": {"agents": ["ann"]}, "budget": {"tpm": 5}, **more}
    answer = await ask(client, "POST", "temporary-budgets", json=wish)
    assert answer.status_code == status, answer.text


# --- keys ----------------------------------------------------------------------------------------


async def test_a_key_is_shown_once_rotated_expired_and_revoked(
    desk: Desk, keys: KeyBox, client: httpx2.AsyncClient
) -> None:
    made = await done(client, "POST", "keys", json={"agent": "bob", "expires_in_s": 60})
    assert made.pop("key") == "gw-k0-secret"
    read = await ask(client, "GET", "keys/k0")
    assert read.json() == made
    listed = (await done(client, "GET", "keys"))["items"]
    assert [(one["id"], one["origin"]) for one in listed] == [
        ("k0", "runtime"),
        ("config-ann", "file"),
    ]
    changed = await ask(
        client, "PATCH", "keys/k0", json={"expires_in_s": None},
        headers={"if-match": read.headers["etag"]},
    )  # fmt: skip
    assert changed.json()["expires_at"] is None
    stale = await ask(client, "DELETE", "keys/k0", headers={"if-match": read.headers["etag"]})
    assert stale.status_code == 412
    rotated = await done(client, "POST", "keys/k0:rotate", json={"overlap_s": 30})
    assert (rotated["id"], keys.made["k0"].expires_s) == ("k1", NOW_S + 30)
    assert (await ask(client, "DELETE", "keys/k0")).status_code == 204
    assert (await done(client, "GET", "keys?works=false"))["items"][0]["id"] == "k0"
    assert (await ask(client, "POST", "keys/k0:rotate", json={})).status_code == 409
    for how, path in (("GET", "keys/none"), ("DELETE", "keys/none"), ("DELETE", "keys/config-ann")):
        assert (await ask(client, how, path)).status_code == 404
    assert "secret" not in str(desk.recorded)
    assert [one.action for one in desk.recorded] == [
        "keys.create", "keys.expire", "keys.rotate", "keys.create", "keys.revoke",
    ]  # fmt: skip


async def test_a_dry_run_makes_no_key(keys: KeyBox, client: httpx2.AsyncClient) -> None:
    seen = await done(client, "POST", "keys?dry_run=true", json={"agent": "bob"})
    assert (seen["key"], keys.made) == ("", {})


# --- the configuration ---------------------------------------------------------------------------


async def test_overrides_are_listed_and_reset(plan: Plan, client: httpx2.AsyncClient) -> None:
    await done(client, "PATCH", "agents/ann", json={"weight": 4})
    await done(client, "PUT", "agents/bob", json={})
    await ask(client, "DELETE", "agents/bob")
    listed = (await done(client, "GET", "config/overrides"))["items"]
    assert [(one["item"], one["deleted"]) for one in listed] == [
        ("agents/ann", False),
        ("agents/bob", True),
    ]
    assert listed[0]["settings"] == ["weight"]
    assert (await done(client, "GET", "config/overrides?collection=lanes"))["items"] == []
    assert await done(client, "DELETE", "config/overrides/agents/ann") == {"reset": ["agents/ann"]}
    assert (await ask(client, "DELETE", "config/overrides/agents/ann")).status_code == 404
    assert (await done(client, "GET", "agents/ann"))["weight"] == 2
    assert await done(client, "DELETE", "config/overrides") == {"reset": ["agents/bob"]}
    assert (await plan.read()).topology == plan.base.topology
    assert await done(client, "DELETE", "config/overrides") == {"reset": []}


async def test_the_file_is_read_again_everywhere(
    desk: Desk, plan: Plan, client: httpx2.AsyncClient
) -> None:
    assert await done(client, "POST", "config:reload") == {"needs_restart": ["server"]}
    assert (plan.reloaded, plan.overrides.reloads) == (1, 1)
    assert desk.recorded[-1].action == "config.reload"
    plan.broken = UnfitEdit([FieldFault("agents.ann.team", "there is no team", "add it")])
    refused = await ask(client, "POST", "config:reload")
    assert (refused.status_code, refused.json()["errors"][0]["remedy"]) == (422, "add it")
    assert plan.overrides.reloads == 1


async def test_the_configuration_tells_where_each_value_comes_from(
    client: httpx2.AsyncClient,
) -> None:
    await done(client, "PATCH", "agents/ann", json={"weight": 4})
    seen = await done(client, "GET", "config")
    assert seen["revision"] == 1
    assert seen["settings"]["agents"]["ann"]["weight"] == {"value": 4, "origin": "runtime (admin)"}
    assert seen["settings"]["minute"]["origin"] == "default"


# --- lanes and the queue -------------------------------------------------------------------------


async def test_a_lane_tells_where_its_limits_come_from(
    desk: Desk, client: httpx2.AsyncClient
) -> None:
    desk.call(lane("sonnet"), ["head", "none", "sonnet", [[1, 5, -1, 1], [2, 700, -1, 1]]])
    seen = await done(client, "GET", "lanes/sonnet")
    assert [(one["limit"], one["origin"]) for one in seen["limits"][:3]] == [
        (5, "learned"),
        (700, "learned"),
        (None, "default"),
    ]
    changed = await done(client, "PATCH", "lanes/sonnet", json={"limits": {"rpm": 4}})
    assert changed["settings"]["limits"]["rpm"] == 4
    assert (await ask(client, "PATCH", "lanes/claude/other", json={})).status_code == 404
    assert (await done(client, "GET", "lanes?provider=none"))["items"] == []


async def test_a_lane_is_paused_blocked_and_freed(desk: Desk, client: httpx2.AsyncClient) -> None:
    desk.call(lane("sonnet"), lane("claude/other"))
    assert (await done(client, "POST", "lanes/sonnet:pause"))["paused"]
    assert (await done(client, "POST", "lanes/sonnet:resume?dry_run=true"))["paused"] is not False
    assert not (await done(client, "POST", "lanes/sonnet:resume"))["paused"]
    body = {"for_s": 60, "dimensions": ["itpm"]}
    blocked = await done(client, "POST", "lanes/claude/other:block", json=body)
    assert blocked["limits"][1]["blocked_until"] == "2026-11-25T00:01:00Z"
    whole = await done(client, "POST", "lanes/claude/other:block", json={"for_s": 60})
    assert whole["blocked_until"] is not None
    assert (await done(client, "POST", "lanes/claude/other:unblock"))["blocked_until"] is None
    for bad in ({}, {"for_s": 0}, {"for_s": 1, "dimensions": ["usd"]}):
        assert (await ask(client, "POST", "lanes/sonnet:block", json=bad)).status_code == 422
    assert (await ask(client, "POST", "lanes/none:pause")).status_code == 404
    assert desk.recorded[0].after == {"paused": True, "blocked_until": None, "blocked": {}}


async def test_waiting_calls_are_moved_cancelled_and_drained(
    desk: Desk, client: httpx2.AsyncClient
) -> None:
    desk.call(lane("sonnet"), arrive("req_0", "zoe"))
    desk.call(*(arrive(f"req_{n}", "bob") for n in range(1, 5)), arrive("req_5", "ann"))
    moved = await done(client, "PATCH", "queue/req_4", json={"priority": "urgent"})
    assert (moved["position"], moved["priority"]) == (1, "urgent")
    assert (await ask(client, "DELETE", "queue/req_1?dry_run=true")).status_code == 204
    assert (await ask(client, "DELETE", "queue/req_1")).status_code == 204
    for how in ("PATCH", "DELETE"):
        gone = await ask(client, how, "queue/req_1", json={"priority": "normal"})
        assert gone.status_code == 404
    assert (await done(client, "POST", "queue:drain?agent=ann"))["request_ids"] == ["req_5"]
    assert (await done(client, "POST", "queue:drain?lane=sonnet"))["refused"] == 3
    assert (await done(client, "GET", "queue"))["total"] == 0
    assert (await ask(client, "POST", "queue:drain")).status_code == 422
    assert [one.action for one in desk.recorded] == [
        "queue.move", "queue.cancel", "queue.drain", "queue.drain",
    ]  # fmt: skip


async def test_a_call_is_known_by_its_request_id_whichever_ticket_it_has(
    desk: Desk, client: httpx2.AsyncClient
) -> None:
    """One that was tried elsewhere, or again, waits with its second ticket or a later one."""
    desk.call(lane("sonnet"), arrive("req_0", "zoe"), arrive("req_1.2", "bob"))
    desk.call(arrive("req_2.3", "ann"), arrive("req_3.2", "ann"))
    shown = await done(client, "GET", "queue?request_id=req_1")
    assert shown["total"] == 1
    moved = await done(client, "PATCH", "queue/req_1", json={"priority": "urgent"})
    assert (moved["request_id"], moved["priority"]) == ("req_1", "urgent")
    assert (await ask(client, "DELETE", "queue/req_2")).status_code == 204
    assert (await done(client, "POST", "queue:drain?agent=ann"))["request_ids"] == ["req_3"]
    assert [one["request_id"] for one in (await done(client, "GET", "queue"))["items"]] == ["req_1"]


# --- collections and browsers --------------------------------------------------------------------


async def test_agents_are_narrowed_and_those_with_a_key_only_are_listed(
    desk: Desk, client: httpx2.AsyncClient
) -> None:
    agents = {**desk.topology.agents, "keyed": Agent("keyed")}
    desk.topology = replace(desk.topology, agents=agents)

    async def names(query: str) -> list[str]:
        return [one["name"] for one in (await done(client, "GET", f"agents{query}"))["items"]]

    assert await names("") == ["ann", "keyed"]
    assert await names("?team=red") == ["ann"]
    assert await names("?name=k*") == ["keyed"]
    assert await names("?priority=urgent") == []
    assert not (await done(client, "GET", "agents/keyed"))["configured"]
    assert (await done(client, "GET", "teams/red"))["members"] == ["ann"]


async def test_only_named_origins_may_use_it_from_a_browser(client: httpx2.AsyncClient) -> None:
    asked = {"access-control-request-method": "PATCH", "access-control-request-headers": "if-match"}
    for origin, allowed in (("https://ops.example.com", True), ("https://evil.example.com", False)):
        headers = {"origin": origin}
        preflight = await client.options("/admin/v1/agents/ann", headers={**headers, **asked})
        answer = await client.get("/admin/v1/agents/ann", headers=headers)
        for response in (preflight, answer):
            told = response.headers.get("access-control-allow-origin")
            assert told == (origin if allowed else None)
