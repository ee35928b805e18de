"""`gateway why`, `queue` and `lanes` against a real gateway, and how its admin API is found."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from tests.cli.conftest import Command
from tests.cli.gateway_command import Running, running
from tests.fixtures.valkey import short_directory

_LIMIT_S = 10.0
CONFIGURATION = """
listen: 127.0.0.1:0
providers: {claude: {dialect: anthropic, base_url: "http://127.0.0.1:1", api_key: none}}
lanes: {slow: {provider: claude, models: ["claude-sonnet-*"], limits: {rpm: 50, concurrency: 1}}}
agents: {alice: {key: the-key-of-alice}}
logging: {access_log: false}
"""
BODY = {
    "model": "claude-sonnet-5",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "Say something. [[output=10]]"}],
}


@pytest.fixture(scope="module")
def narrow() -> Iterator[Running]:
    """A gateway whose one lane serves one call at a time, each in one second."""
    with short_directory() as path:
        (path / "gateway.yaml").write_text(CONFIGURATION, encoding="utf-8")
        with running("serve", "--simulate", folder=path) as gateway:
            slow = {"ttft_s": 1.0, "tokens_per_s": 0}
            httpx2.put(f"{gateway.ready['simulator']}/_sim/settings", json=slow, trust_env=False)
            yield gateway


@pytest.fixture
def admin(command: Command, narrow: Running, monkeypatch: pytest.MonkeyPatch) -> Command:
    """The command in the folder of that gateway."""
    monkeypatch.chdir(narrow.folder)
    return command


def call(client: httpx2.AsyncClient, url: str) -> "asyncio.Task[httpx2.Response]":
    headers = {"x-api-key": "the-key-of-alice", "anthropic-version": "2023-06-01"}
    return asyncio.ensure_future(client.post(f"{url}/v1/messages", json=BODY, headers=headers))


async def test_who_waits_is_listed_and_afterwards_explained(
    admin: Command, narrow: Running
) -> None:
    assert admin("queue").err == "Nobody waits.\n"  # and the admin API is ready
    async with httpx2.AsyncClient(timeout=20, trust_env=False) as client:
        calls = [call(client, narrow.url) for _ in range(3)]
        waiting: list[Any] = []
        async with asyncio.timeout(_LIMIT_S):
            while len(waiting) != 2:
                waiting = (await asyncio.to_thread(admin, "queue", "--json")).json
        listed = await asyncio.to_thread(admin, "queue", "--agent", "alice")
        lanes = await asyncio.to_thread(admin, "lanes")
        last = waiting[1]["request_id"]
        now = await asyncio.to_thread(admin, "why", last)
        answers = await asyncio.gather(*calls)
    assert [one["position"] for one in waiting] == [1, 2]
    assert listed.out.splitlines()[0].split()[:4] == ["LANE", "PLACE", "REQUEST", "AGENT"]
    assert "calls at once of lane slow" in listed.out
    assert "1/1" in lanes.out
    assert now.out.startswith(f"{last} waits, by now for")
    assert last in {one.headers["x-gateway-request-id"] for one in answers}

    explained = admin("why", last)
    async with asyncio.timeout(_LIMIT_S):
        while explained.code:  # it is written within a tenth of a second
            explained = await asyncio.to_thread(admin, "why", last)
    assert explained.out.startswith(f"{last} was answered (200) after")
    assert "calls at once of lane slow" in explained.out
    assert "behind an earlier call of its own" in explained.out
    assert "Attempt 1: 200" in explained.out
    found = admin("why", last, "--json").json
    assert (found["agent"], found["lane"]) == ("alice", "slow")
    assert admin("queue", "--json").json == []


def test_lanes_show_what_is_left(admin: Command) -> None:
    [lane] = admin("lanes", "--json").json
    assert (lane["name"], lane["limits"][0]["limit"]) == ("slow", 50)
    table = admin("lanes").out.splitlines()
    assert table[0].split()[:3] == ["LANE", "RPM", "ITPM"]
    assert "/50" in table[1]
    one = admin("lanes", "slow")
    assert one.out.startswith("slow of claude: claude-sonnet-*\n")
    assert set(admin("lanes", "slow", "--json").json) == set(lane)
    gone = admin("lanes", "fast")
    assert (gone.code, gone.err) == (
        1,
        "gateway: there is no lane fast, or nothing has used it yet.\n",
    )


def test_breakers_are_listed_opened_and_closed(admin: Command) -> None:
    assert admin("breakers").err == "All breakers are closed, and none has ever moved.\n"
    assert admin("breakers", "open", "slow").out == "lane/slow is open.\n"
    table = admin("breakers").out.splitlines()
    assert table[0].split() == ["BREAKER", "STATE", "WHY", "SINCE", "UNTIL"]
    assert table[1].split()[:3] == ["lane/slow", "open", "manual"]
    assert table[1].endswith("until closed")
    assert admin("breakers", "close", "lane/slow", "--json").json["state"] == "closed"
    assert {one["scope"] for one in admin("breakers", "--json").json} >= {"lane", "provider"}
    assert admin("breakers", "reset", "slow").out == "lane/slow is closed.\n"
    gone = admin("breakers", "open", "lane/fast")
    assert (gone.code, gone.out) == (1, "")
    assert "there is no breaker lane/fast" in gone.err
    assert "name the breaker" in admin("breakers", "open").err


def test_a_call_that_nobody_knows(admin: Command) -> None:
    for id_ in ("req_unknown", "../lanes", "a/b?c"):
        outcome = admin("why", id_)
        assert (outcome.code, outcome.out) == (1, "")
        assert f"nothing is known of call {id_}" in outcome.err


def test_a_token_may_be_given_and_must_be_right(
    command: Command, narrow: Running, folder: Path
) -> None:
    token = Path(narrow.ready["admin_token"]).read_text(encoding="ascii").strip()
    elsewhere = ("lanes", "--json", "--url", narrow.url)
    lost = command(*elsewhere)
    assert lost.code == 1
    assert "there is no admin token in" in lost.err
    assert command(*elsewhere, env={"GATEWAY_ADMIN_TOKEN": token}).json[0]["name"] == "slow"
    wrong = command(*elsewhere, env={"GATEWAY_ADMIN_TOKEN": "wrong-token"})
    assert wrong.code == 1
    assert "does not take the admin token from GATEWAY_ADMIN_TOKEN" in wrong.err
    assert "wrong-token" not in wrong.err
    (folder / "gateway.yaml").write_text(f"admin: {{token: {token}}}\n", encoding="utf-8")
    assert command(*elsewhere).json[0]["name"] == "slow"


@pytest.mark.parametrize("arguments", [["why", "req_1"], ["queue"], ["lanes"], ["breakers"]])
def test_a_gateway_that_does_not_run_is_said(
    command: Command, folder: Path, arguments: list[str]
) -> None:
    assert folder.is_dir()
    outcome = command(
        *arguments, "--url", "http://127.0.0.1:9", env={"GATEWAY_ADMIN_TOKEN": "some-token"}
    )
    assert outcome.code == 4
    assert "no gateway answers at http://127.0.0.1:9" in outcome.err
