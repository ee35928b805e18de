"""Every call can be explained: what it waited for, who was ahead, whose fault a failure was."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from gateway.config.settings import ServerSettings
from gateway.domain.limits import Budget, LaneLimits
from gateway.simulator import FaultRule, RunningSimulator
from gateway.store.connection import ROOT, connect
from tests.fixtures.gateway import KEY
from tests.integration.asking import admin
from tests.integration.ground import LANE, Ground, ground
from tests.integration.speaking import ANTHROPIC, OPENAI, Answer, Speech
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
SECRET = "the word nobody may remember"
STREAM = Speech("anthropic", "claude-sonnet-5", True, "claude")


@pytest_asyncio.fixture(loop_scope="module")
async def free(provider: RunningSimulator, store_url: str) -> AsyncIterator[Ground]:
    """Without limits."""
    async with ground(provider, store_url) as here:
        yield here


def id_of(answer: Answer) -> str:
    return str(answer.headers["x-gateway-request-id"])


async def test_a_call_that_simply_worked(free: Ground) -> None:
    answer = await free.alice.say(ANTHROPIC, 20, prompt=SECRET)
    async with admin(free.urls[0]) as asked:
        found = await asked.why(id_of(answer))
    assert (found["outcome"], found["status"], found["fault"]) == ("answered", 200, "")
    assert (found["agent"], found["lane"], found["priority"]) == (
        "alice",
        "claude/claude-sonnet-5",
        "normal",
    )
    assert found["waits"] == []
    [attempt] = found["attempts"]
    assert attempt["status"] == 200
    assert attempt["request_id"] == answer.headers["request-id"]
    assert 0 < attempt["duration_s"] <= found["total_s"]
    assert found["estimated_input_tokens"] > 0
    assert found["usage"]["output_tokens"] == 20
    assert found["usage"]["exact"]


async def test_a_call_that_waits_for_a_slot_of_its_lane(
    provider: RunningSimulator, store_url: str
) -> None:
    lane = (ANTHROPIC, LaneLimits(concurrency=1))
    async with (
        ground(provider, store_url, lane=lane, ttft_s=0.6) as here,
        admin(here.urls[0]) as asked,
    ):
        first = asyncio.ensure_future(here.alice.say(ANTHROPIC))
        await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        second = asyncio.ensure_future(here.alice.as_bob().say(ANTHROPIC))
        await asked.until("queue", lambda found: found["total"] == 1)
        third = asyncio.ensure_future(here.alice.say(ANTHROPIC))
        queue = await asked.until("queue", lambda found: found["total"] == 2)
        assert [
            (one["lane"], one["position"], one["agent"], one["priority"], one["team"])
            for one in queue["items"]
        ] == [(LANE, 1, "bob", "normal", None), (LANE, 2, "alice", "normal", None)]
        assert all(one["waited_s"] >= 0 and one["eta_s"] >= 0 for one in queue["items"])
        assert queue["items"][0]["bound"] == {
            "scope": "lane",
            "name": LANE,
            "dimension": "concurrency",
        }
        assert (await asked.find("queue", agent="alice"))["total"] == 1
        assert (await asked.find("queue", lane="other"))["total"] == 0
        part = await asked.find("queue", limit=1)
        assert (len(part["items"]), part["total"], part["next_offset"]) == (1, 2, 1)
        seen = await asked.find(f"lanes/{LANE}")
        assert (seen["concurrency"], seen["in_flight"]) == (1, 1)
        assert seen["waiting"] == {"urgent": 0, "normal": 2, "background": 0}
        await asyncio.gather(first, second)
        found = await asked.why(id_of(await third))
        assert (found["outcome"], found["status"]) == ("answered", 200)
        [wait] = found["waits"]
        assert (wait["scope"], wait["name"], wait["dimension"]) == ("lane", LANE, "concurrency")
        assert (wait["position"], wait["ahead"]) == (2, ["bob"])
        assert 0.5 < wait["for_s"] <= found["wait_s"] + 0.001
        assert (await asked.why(id_of(await first)))["waits"] == []


async def test_a_call_that_waits_for_its_own_budget(
    provider: RunningSimulator, store_url: str
) -> None:
    async with (
        ground(provider, store_url, budget=Budget(rpm=1), minute_s=1.5) as here,
        admin(here.urls[0]) as asked,
    ):
        assert (await here.alice.say(ANTHROPIC)).status == 200
        budget = await asked.find("agents/alice")
        assert (budget["budget"]["rpm"], budget["used"]["requests"]) == (1, 1)
        answer = await here.alice.say(ANTHROPIC)
        found = await asked.why(id_of(answer))
        assert found["outcome"] == "answered"
        [wait] = found["waits"]
        assert (wait["scope"], wait["name"], wait["dimension"]) == ("agent", "alice", "rpm")
        assert (wait["position"], wait["ahead"]) == (1, [])
        assert wait["for_s"] == pytest.approx(wait["predicted_s"], abs=0.5)


async def test_a_call_that_is_refused(provider: RunningSimulator, store_url: str) -> None:
    async with (
        ground(provider, store_url, budget=Budget(rpm=1), minute_s=30) as here,
        admin(here.urls[0]) as asked,
    ):
        await here.alice.say(ANTHROPIC)
        answer = await here.alice.say(ANTHROPIC, extra={"x-gateway-max-wait": "5"})
        assert answer.status == 429
        eta_s = int(answer.headers["x-gateway-eta"])
        assert 5 < eta_s <= 31
        found = await asked.why(id_of(answer))
    assert (found["outcome"], found["fault"], found["reason"]) == (
        "refused",
        "policy",
        "agent_budget",
    )
    assert "rpm limit of agent 'alice'" in found["message"]
    assert eta_s - 1 <= found["retry_after_s"] <= eta_s
    assert (found["max_wait_s"], found["attempts"], found["usage"]) == (5, [], None)


async def test_a_call_that_met_a_limit_of_the_provider(free: Ground) -> None:
    limited = FaultRule(kind="status", status=429, variant="rate_limit", retry_after_s=1, count=1)
    free.simulator.state.faults.set([limited])
    answer = await free.alice.say(OPENAI)
    assert answer.status == 200
    async with admin(free.urls[0]) as asked:
        found = await asked.why(id_of(answer))
        lane = await asked.find("lanes/openai/gpt-4o-mini")
    assert (found["outcome"], found["fault"]) == ("answered", "")
    assert [(one["status"], one["verdict"]) for one in found["attempts"]] == [
        (429, "rate_limited"),
        (200, ""),
    ]
    assert found["attempts"][0]["request_id"] != found["attempts"][1]["request_id"]
    [wait] = found["waits"]
    assert (wait["scope"], wait["name"]) == ("lane", "openai/gpt-4o-mini")
    assert 0.5 < wait["for_s"] < 1.8
    assert (lane["configured"], lane["provider"]) == (False, "openai")


@pytest.mark.parametrize(
    ("rule", "status", "reason", "attempt"),
    [
        (FaultRule(kind="status", status=500, count=1), 500, "", (500, "provider_error")),
        (FaultRule(kind="cut", after_chunks=-1, count=1), 502, "upstream_cut", (0, "upstream_cut")),
    ],
    ids=["answers 500", "hangs up"],
)
async def test_a_call_whose_provider_failed(
    free: Ground, rule: FaultRule, status: int, reason: str, attempt: tuple[int, str]
) -> None:
    free.simulator.state.faults.set([rule])
    answer = await free.alice.say(ANTHROPIC)
    assert answer.status == status
    async with admin(free.urls[0]) as asked:
        found = await asked.why(id_of(answer))
    assert (found["outcome"], found["fault"], found["reason"]) == ("failed", "provider", reason)
    assert [(one["status"], one["verdict"]) for one in found["attempts"]] == [attempt]
    assert found["attempts"][0]["duration_s"] > 0


async def test_a_client_that_left_while_it_waited(
    provider: RunningSimulator, store_url: str
) -> None:
    async with (
        ground(provider, store_url, budget=Budget(concurrency=1), ttft_s=1.0) as here,
        admin(here.urls[0]) as asked,
    ):
        assert (await asked.find("queue"))["total"] == 0  # the admin is built for its first request
        running = asyncio.ensure_future(here.alice.say(ANTHROPIC))
        await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        leaving = asyncio.ensure_future(here.alice.say(ANTHROPIC))
        queue = await asked.until("queue", lambda found: found["total"] == 1)
        leaving.cancel()
        found = await asked.why(queue["items"][0]["request_id"])
        await running
    assert (found["outcome"], found["status"], found["fault"]) == ("left", 499, "caller")
    [wait] = found["waits"]
    assert (wait["scope"], wait["dimension"]) == ("agent", "concurrency")


async def test_a_stream_that_waits_is_told_how_long_with_its_first_keep_alive(
    provider: RunningSimulator, store_url: str
) -> None:
    async with ground(
        provider,
        store_url,
        budget=Budget(rpm=1),
        minute_s=2.0,
        server=ServerSettings(hold_head_s=0.2),
    ) as here:
        await here.alice.say(ANTHROPIC)
        async with here.alice.hear(STREAM, 8) as response:
            assert response.status_code == 200
            assert 1 <= int(response.headers["x-gateway-eta"]) <= 3
            assert b"message_stop" in await response.aread()


async def test_replicas_explain_each_other_s_calls(
    provider: RunningSimulator, store_url: str
) -> None:
    async with ground(provider, store_url, replicas=2) as here:
        answers = [await agent.say(ANTHROPIC) for agent in here.agents]
        for answer, url in zip(answers, reversed(here.urls), strict=True):
            async with admin(url) as asked:
                assert (await asked.why(id_of(answer)))["agent"] == "alice"
                lanes = await asked.find("lanes")
                assert [one["name"] for one in lanes["items"]] == ["claude/claude-sonnet-5"]


async def test_nothing_that_is_kept_holds_content_or_credentials_and_all_of_it_expires(
    free: Ground, store_url: str
) -> None:
    answer = await free.alice.say(ANTHROPIC, prompt=SECRET)
    broken = await free.alice.client.post(
        free.urls[0] + "/v1/messages",
        content=b'{"model": 7, "messages": "' + SECRET.encode() + b'"}',
        headers=ANTHROPIC.headers(),
    )
    unknown = await free.alice.client.post(
        free.urls[0] + "/v1/messages?key=" + KEY, json={}, headers={"x-api-key": "no-such-key"}
    )
    ids = [id_of(answer), broken.headers["x-gateway-request-id"]]
    ids.append(unknown.headers["x-gateway-request-id"])
    async with admin(free.urls[0]) as asked:
        for one in ids:
            await asked.why(one)
    redis = await connect(store_url)
    try:
        for one in ids:
            kept = await redis.get(f"{ROOT}:why:{one}")
            assert kept is not None
            for secret in (SECRET, KEY, "no-such-key", "sim-anthropic-key"):
                assert secret.encode() not in kept
            assert 0 < await redis.ttl(f"{ROOT}:why:{one}") <= 3600
    finally:
        await redis.aclose()
