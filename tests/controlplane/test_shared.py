"""What all admin routes share: roles, tokens, the audit, tags, merge patches, repeated creations."""

import json
from typing import Any

import httpx2
import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from gateway.controlplane.documents import merged
from gateway.controlplane.etags import demand_match, etag_of
from gateway.domain.access import Json, Role

from .conftest import Desk, ReplayBox, TokenBox

KEY = "6f1c2d0e-6e5f-4a54-9a51-000000000001"
WISH = {"name": "night-shift", "role": "operator", "expires_in_s": 60}

# --- roles ---------------------------------------------------------------------------------------


async def as_role(client: httpx2.AsyncClient, tokens: TokenBox, role: Role) -> None:
    new = await tokens.create("somebody", role, expires_s=None)
    client.headers["authorization"] = f"Bearer {new.secret}"


@pytest.mark.parametrize(
    ("role", "looks", "changes"),
    [("viewer", 200, 403), ("operator", 200, 403), ("admin", 200, 201)],
)
async def test_a_role_may_do_what_it_may(
    client: httpx2.AsyncClient, tokens: TokenBox, role: str, looks: int, changes: int
) -> None:
    await as_role(client, tokens, Role(role))
    assert (await client.get("/admin/v1/queue")).status_code == looks
    answer = await client.post("/admin/v1/tokens", json=WISH)
    assert answer.status_code == changes
    if changes == 403:
        assert answer.headers["content-type"] == "application/problem+json"
        assert (await client.get("/admin/v1/tokens")).status_code == 403


async def test_a_viewer_changes_nothing_whatever_the_route_says(
    client: httpx2.AsyncClient, tokens: TokenBox
) -> None:
    await as_role(client, tokens, Role.VIEWER)
    answer = await client.post("/admin/v1/nothing")
    assert (answer.status_code, answer.json()["title"]) == (403, "Forbidden")


# --- failed logins -------------------------------------------------------------------------------


async def test_an_address_that_guesses_is_not_listened_to(client: httpx2.AsyncClient) -> None:
    wrong = {"authorization": "Bearer guessed"}
    for _ in range(10):
        assert (await client.get("/admin/v1/queue", headers=wrong)).status_code == 401
    answer = await client.get("/admin/v1/queue")
    assert (answer.status_code, answer.json()["title"]) == (429, "Too Many Requests")
    assert int(answer.headers["retry-after"]) > 0
    spoofed = {"x-forwarded-for": "9.9.9.9", "forwarded": "for=9.9.9.9"}
    assert (await client.get("/admin/v1/queue", headers=spoofed)).status_code == 429
    assert (await client.get("/admin/openapi.json")).status_code == 200


async def test_asking_without_a_token_is_no_guess(client: httpx2.AsyncClient) -> None:
    for _ in range(20):
        answer = await client.get("/admin/v1/queue", headers={"authorization": ""})
        assert answer.status_code == 401
    assert (await client.get("/admin/v1/queue")).status_code == 200


async def test_the_configured_token_needs_no_store(desk: Desk, client: httpx2.AsyncClient) -> None:
    desk.silent = True
    other = {"authorization": "Bearer gwa-t0-secret"}
    assert (await client.get("/admin/v1/queue", headers=other)).status_code == 503
    answer = await client.get("/admin/v1/nothing")
    assert answer.status_code == 404  # let in


# --- tokens and the audit ------------------------------------------------------------------------


async def test_a_token_is_made_shown_once_listed_and_ended(
    desk: Desk, client: httpx2.AsyncClient
) -> None:
    made = await client.post("/admin/v1/tokens", json=WISH, headers={"x-request-id": "mine-1"})
    assert made.status_code == 201
    assert made.headers["x-gateway-request-id"] == "mine-1"
    body = made.json()
    secret = body.pop("token")
    (listed,) = (await client.get("/admin/v1/tokens")).json()["items"]
    assert listed == body
    assert listed["expires_at"] == "2026-11-25T00:01:00Z"

    assert (await client.delete(f"/admin/v1/tokens/{body['id']}")).status_code == 204
    assert (await client.delete(f"/admin/v1/tokens/{body['id']}")).status_code == 404
    gone = {"authorization": f"Bearer {secret}"}
    assert (await client.get("/admin/v1/queue", headers=gone)).status_code == 401

    audit = await client.get("/admin/v1/audit")
    assert secret not in audit.text
    newest, oldest = audit.json()["items"]
    assert (newest["action"], newest["after"]) == ("tokens.delete", None)
    assert (oldest["action"], oldest["before"]) == ("tokens.create", None)
    assert oldest["after"]["name"] == newest["before"]["name"] == "night-shift"
    assert (oldest["actor"], oldest["role"], oldest["request_id"]) == ("admin", "admin", "mine-1")
    assert oldest["subject"] == f"tokens/{body['id']}"
    assert oldest["address"] == "127.0.0.1"


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {**WISH, "role": "root"},
        {**WISH, "name": ""},
        {**WISH, "name": 7},
        {**WISH, "expires_in_s": 0},
        {**WISH, "expires_in_s": "60"},
        {**WISH, "more": 1},
    ],
)
async def test_a_token_that_makes_no_sense_is_refused(
    client: httpx2.AsyncClient, wish: dict[str, Any]
) -> None:
    answer = await client.post("/admin/v1/tokens", json=wish)
    assert answer.status_code == 422
    assert all(fault["field"].startswith("body") for fault in answer.json()["errors"])


async def test_the_audit_is_narrowed_paged_and_exported(
    client: httpx2.AsyncClient, tokens: TokenBox
) -> None:
    for name in ("one", "two", "three"):
        await client.post("/admin/v1/tokens", json={**WISH, "name": name})
    page = (await client.get("/admin/v1/audit?limit=2")).json()
    assert [one["after"]["name"] for one in page["items"]] == ["three", "two"]
    rest = (await client.get(f"/admin/v1/audit?limit=2&before={page['next_before']}")).json()
    assert [one["after"]["name"] for one in rest["items"]] == ["one"]
    assert rest["next_before"] is None
    (second,) = (await client.get("/admin/v1/audit?subject=tokens/t1")).json()["items"]
    assert second["after"]["name"] == "two"
    assert len((await client.get("/admin/v1/audit?subject=tokens")).json()["items"]) == 3
    for nobody in ("actor=eve", "action=keys.create", "subject=tok", "request_id=other"):
        assert (await client.get(f"/admin/v1/audit?{nobody}")).json()["items"] == []
    exported = await client.get("/admin/v1/audit/export")
    assert exported.headers["content-type"].startswith("application/jsonl")
    lines = [json.loads(line) for line in exported.text.splitlines()]
    assert [line["after"]["name"] for line in lines] == ["one", "two", "three"]


async def test_a_change_whose_audit_fails_is_told(
    desk: Desk,
    client: httpx2.AsyncClient,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def silent(entry: object) -> str:
        desk.silent = True
        desk._speak()
        raise AssertionError(entry)

    monkeypatch.setattr(desk, "record", silent)
    assert (await client.post("/admin/v1/tokens", json=WISH)).status_code == 503
    assert "night-shift" in caplog.text


# --- repeated creations --------------------------------------------------------------------------


async def test_a_repeated_creation_is_done_once(
    client: httpx2.AsyncClient, tokens: TokenBox, replays: ReplayBox
) -> None:
    headers = {"idempotency-key": KEY}
    first = await client.post("/admin/v1/tokens", json=WISH, headers=headers)
    again = await client.post("/admin/v1/tokens", json=WISH, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert len(tokens.made) == 1
    (kept,) = replays.kept.values()
    assert first.json()["token"].encode() not in kept
    assert b"night-shift" not in kept

    other = await client.post("/admin/v1/tokens", json={**WISH, "name": "x"}, headers=headers)
    assert (other.status_code, len(tokens.made)) == (422, 1)
    third = await client.post(
        "/admin/v1/tokens", json=WISH, headers={"idempotency-key": KEY[:-1] + "2"}
    )
    assert (third.status_code, len(tokens.made)) == (201, 2)


async def test_keys_of_one_caller_mean_nothing_to_another(
    client: httpx2.AsyncClient, tokens: TokenBox
) -> None:
    headers = {"idempotency-key": KEY}
    await client.post("/admin/v1/tokens", json=WISH, headers=headers)
    await as_role(client, tokens, Role.ADMIN)
    again = await client.post("/admin/v1/tokens", json=WISH, headers=headers)
    assert (again.status_code, len(tokens.made)) == (201, 3)


async def test_a_failed_creation_may_be_repeated_and_a_running_one_may_not(
    desk: Desk, client: httpx2.AsyncClient, replays: ReplayBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(entry: object) -> str:
        raise RuntimeError(entry)

    headers = {"idempotency-key": KEY}
    with monkeypatch.context() as patched:
        patched.setattr(desk, "record", broken)
        failed = await client.post("/admin/v1/tokens", json=WISH, headers=headers)
        assert (failed.status_code, replays.kept) == (500, {})
    await client.post("/admin/v1/tokens", json=WISH, headers=headers)
    replays.kept = dict.fromkeys(replays.kept, b"")
    running = await client.post("/admin/v1/tokens", json=WISH, headers=headers)
    assert (running.status_code, running.headers["retry-after"]) == (409, "1")


async def test_a_short_key_is_refused(client: httpx2.AsyncClient) -> None:
    answer = await client.post("/admin/v1/tokens", json=WISH, headers={"idempotency-key": "1"})
    assert answer.status_code == 422


# --- tags and merge patches ----------------------------------------------------------------------

TAG = etag_of({"a": 1, "b": [1.5]})


@pytest.mark.parametrize(
    ("header", "etag", "passes"),
    [
        ("", TAG, True),
        (TAG, TAG, True),
        ("*", TAG, True),
        (f'"other", {TAG}', TAG, True),
        ('"other"', TAG, False),
        (f"W/{TAG}", TAG, False),
        ("*", None, False),
        (TAG, None, False),
    ],
)
def test_a_stale_tag_is_refused(header: str, etag: str | None, passes: bool) -> None:
    if passes:
        demand_match(header, etag)
        return
    with pytest.raises(HTTPException) as refused:
        demand_match(header, etag)
    assert refused.value.status_code == 412


@pytest.mark.parametrize("header", ["abc", '"a" "b"', '"a', ",", '"a",,', "* *"])
async def test_a_tag_without_quotes_is_told(client: httpx2.AsyncClient, header: str) -> None:
    headers = {"if-match": header}
    answer = await client.patch("/admin/v1/agents/ann", json={"weight": 3}, headers=headers)
    assert answer.status_code == 422


def test_a_tag_is_that_of_the_value_and_not_of_its_spelling() -> None:
    assert etag_of({"b": [1.5], "a": 1}) == TAG
    assert etag_of({"b": [1.5], "a": 2}) != TAG


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [  # RFC 7396, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_a_merge_patch_does_what_the_rfc_says(target: Json, patch: Json, result: Json) -> None:
    assert merged(target, patch) == result


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=8,
)


@given(JSON, JSON)
def test_a_merge_patch_twice_is_a_merge_patch_once(target: Json, patch: Json) -> None:
    once = merged(target, patch)
    assert merged(once, patch) == once
