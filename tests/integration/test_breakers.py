"""What keeps failing is left alone, by all replicas, and is found out to work again."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
import pytest_asyncio

from gateway.config.reliability import ReliabilitySettings
from gateway.core.breaker import BreakerSettings
from gateway.core.retrying import RetrySettings
from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.gateway import running_gateway
from tests.integration.asking import Admin, admin
from tests.integration.failing_over import CLAUDE, MODELS, SPEECHES, Pair, pair
from tests.integration.speaking import Speech, agent

pytestmark = pytest.mark.asyncio(loop_scope="module")
LANE = "lane/first-anthropic"
QUICK = ReliabilitySettings(
    retries=RetrySettings(most=0),
    breakers=BreakerSettings(in_row=2, open_s=0.4, longest_s=0.4, jitter=0.0, enough=1),
)
SLOW = replace(QUICK, breakers=replace(QUICK.breakers, open_s=60.0, longest_s=60.0))
OVERLOADED = FaultRule("status", status=529, model=CLAUDE.model)
ALONE = {"second-anthropic": ("claude-sonnet-5",)}
"""The first lane has nothing to fall back on."""


async def state(asked: Admin, name: str = LANE) -> Any:
    return await asked.find(f"breakers/{name}")


@pytest.mark.parametrize("speech", SPEECHES[::2], ids=str)
async def test_a_lane_that_fails_is_left_alone_and_its_calls_go_elsewhere(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    second = MODELS[speech.dialect][2]
    rule = FaultRule("status", status=503, variant="overloaded", model=speech.model)
    async with pair(provider, store_url, rule, reliability=SLOW) as here:
        answers = [await here.alice.say(speech) for _ in range(4)]
    assert [one.status for one in answers] == [200] * 4
    failed = (speech.model, 529 if speech.dialect == "anthropic" else 503)
    served = (second, 200)
    assert here.called == [failed, served, failed, served, served, served]


async def test_every_replica_leaves_alone_what_one_of_them_found_to_fail(
    provider: RunningSimulator, store_url: str
) -> None:
    async with (
        pair(provider, store_url, OVERLOADED, fallbacks=ALONE, reliability=SLOW) as here,
        running_gateway(here.settings, store_url) as other,
        agent(other.url) as alice_there,
        admin(other.url) as asked,
    ):
        for _ in range(2):
            assert (await here.alice.say(CLAUDE)).status == 529
        await asked.until(f"breakers/{LANE}", lambda found: found.get("state") == "open")
        answer = await alice_there.say(CLAUDE)
        async with running_gateway(here.settings, store_url) as late, admin(late.url) as asked_late:
            await asked_late.until(f"breakers/{LANE}", lambda found: found.get("state") == "open")
    assert (answer.status, answer.reason) == (503, "breaker_open")
    assert 50 <= int(answer.headers["retry-after"]) <= 60
    assert answer.headers["x-gateway-lane"] == "first-anthropic"
    assert len(here.called) == 2


async def test_a_call_with_patience_waits_until_the_lane_works_again(
    provider: RunningSimulator, store_url: str
) -> None:
    """And those that wait do not all try at once."""
    rule = FaultRule("status", status=529, model=CLAUDE.model, count=3)
    async with (
        pair(provider, store_url, rule, fallbacks=ALONE, reliability=QUICK, ttft_s=0.05) as here,
        admin(here.url) as asked,
    ):
        for _ in range(2):
            await here.alice.say(CLAUDE)
        answers = await asyncio.gather(*(here.alice.say(CLAUDE) for _ in range(12)))
        found = await state(asked)
        moves = await asked.find("audit", subject=f"breakers/{LANE}")
        metrics = (await asked.client.get("/metrics")).text
    statuses = sorted(one.status for one in answers)
    assert statuses == [200] * 11 + [529], "one probe failed, and was told so"
    assert len(here.called) == 2 + 1 + 11
    assert (found["state"], found["cause"]) == ("closed", "probes")
    assert [one["action"] for one in reversed(moves["items"])] == [
        "breakers.open",
        "breakers.half_open",
        "breakers.open",
        "breakers.half_open",
        "breakers.closed",
    ]
    assert {one["actor"] for one in moves["items"]} == {"gateway"}
    told = 'gateway_breaker_moves_total{cause="probe",name="first-anthropic",scope="lane",to="open"} 1.0'
    assert told in metrics
    assert 'gateway_breaker_state{name="first-anthropic",scope="lane"} 0.0' in metrics


async def test_a_call_waits_for_the_breaker_where_no_other_lane_has_room(
    provider: RunningSimulator, store_url: str
) -> None:
    rules = (
        FaultRule("status", status=529, model=CLAUDE.model, count=2),
        FaultRule("status", status=429, retry_after_s=300, model="claude-haiku-4-5"),
    )
    async with pair(provider, store_url, *rules, reliability=QUICK) as here:
        for _ in range(2):
            assert (await here.alice.say(CLAUDE)).status == 502
        answer = await here.alice.say(CLAUDE)
        assert (answer.status, answer.headers["x-gateway-lane"]) == (200, "first-anthropic")
        hasty = await here.alice.say(
            replace(CLAUDE, model="claude-haiku-4-5"), extra={"x-gateway-max-wait": "0"}
        )
    assert (hasty.status, hasty.reason) == (429, "lane_blocked")


async def test_what_is_the_callers_fault_opens_nothing(
    provider: RunningSimulator, store_url: str
) -> None:
    """Nor do rate limits and clients that leave."""
    rules = [
        FaultRule("status", status=400, count=5),
        FaultRule("status", status=429, variant="spend_cap", skip=0, count=5),
    ]
    async with (
        pair(provider, store_url, *rules, fallbacks=ALONE, reliability=SLOW) as here,
        admin(here.url) as asked,
    ):
        statuses = [(await here.alice.say(CLAUDE)).status for _ in range(10)]
        provider.state.faults.set([FaultRule("hang", after_chunks=-1, count=3)])
        for _ in range(3):
            with pytest.raises(httpx2.ReadTimeout):
                await here.alice.client.post(
                    here.url + CLAUDE.path,
                    json=CLAUDE.body(5),
                    headers=CLAUDE.headers(),
                    timeout=0.15,
                )
        assert (await here.alice.say(CLAUDE)).status == 200
        found = await state(asked)
    assert statuses == [400] * 5 + [429] * 5
    assert (found["state"], found["generation"]) == ("closed", 0)


async def test_a_lane_that_answers_too_slowly_is_left_alone(
    provider: RunningSimulator, store_url: str
) -> None:
    breakers = replace(SLOW.breakers, volume=3, in_row=0)
    picky = replace(SLOW, breakers=breakers, slow_after_s=0.02)
    async with (
        pair(provider, store_url, reliability=picky, ttft_s=0.05) as here,
        admin(here.url) as asked,
    ):
        lanes = [(await here.alice.say(CLAUDE)).headers["x-gateway-lane"] for _ in range(4)]
        found = await state(asked)
    assert lanes == ["first-anthropic"] * 3 + ["second-anthropic"]
    assert (found["state"], found["cause"]) == ("open", "slow_ratio")


@pytest.mark.parametrize("how", ["reset", "end"])
async def test_a_stream_that_breaks_off_counts(
    provider: RunningSimulator, store_url: str, how: Any
) -> None:
    rule = FaultRule("cut", how=how, after_chunks=1, model=CLAUDE.model)
    stream = replace(CLAUDE, stream=True)
    patient = replace(SLOW, breakers=replace(SLOW.breakers, volume=8))
    async with (
        pair(provider, store_url, rule, fallbacks=ALONE, reliability=patient) as here,
        admin(here.url) as asked,
    ):
        for _ in range(4):  # each begins well and then fails
            assert (await state(asked))["state"] == "closed"
            await here.alice.say(stream, 40)
        found = await state(asked)
    assert (found["state"], found["cause"]) == ("open", "failure_ratio")


async def test_a_provider_that_cannot_be_reached_is_left_alone_as_a_whole(
    provider: RunningSimulator, store_url: str
) -> None:
    async with pair(provider, store_url, fallbacks=ALONE, reliability=SLOW) as here:
        claude = here.settings.topology.providers["claude"]
        dead = replace(claude, base_url="http://127.0.0.1:9")
        topology = replace(
            here.settings.topology, providers={**here.settings.topology.providers, "claude": dead}
        )
        async with (
            running_gateway(replace(here.settings, topology=topology), store_url) as broken,
            agent(broken.url) as alice,
            admin(broken.url) as asked,
        ):
            first = [await alice.say(CLAUDE) for _ in range(2)]
            other = await alice.say(replace(CLAUDE, model="claude-haiku-4-5"))
            assert (await state(asked, "provider/claude"))["state"] == "open"
            assert (await state(asked))["state"] == "closed"
    assert [(one.status, one.reason) for one in first] == [(502, "upstream_connect")] * 2
    assert (other.status, other.reason) == (503, "breaker_open")


# --- by hand -----------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def held(provider: RunningSimulator, store_url: str) -> AsyncIterator[tuple[Pair, Admin]]:
    async with (
        pair(provider, store_url, reliability=SLOW) as here,
        admin(here.url) as asked,
    ):
        yield here, asked


async def post(asked: Admin, path: str) -> httpx2.Response:
    return await asked.client.post(f"/admin/v1/{path}")


async def test_an_operator_takes_a_lane_out_of_service_and_puts_it_back(
    held: tuple[Pair, Admin],
) -> None:
    here, asked = held
    opened = (await post(asked, f"breakers/{LANE}:open")).json()
    assert (opened["state"], opened["held"], opened["until"]) == ("open", True, None)
    assert (await here.alice.say(CLAUDE)).headers["x-gateway-lane"] == "second-anthropic"
    await post(asked, "breakers/provider/claude:open")
    refused = await here.alice.say(CLAUDE)
    assert (refused.status, refused.reason) == (503, "breaker_open")
    assert b"out of service" in refused.body
    await post(asked, "breakers/provider/claude:close")
    await post(asked, f"breakers/{LANE}:reset")
    assert (await here.alice.say(CLAUDE)).headers["x-gateway-lane"] == "first-anthropic"
    moves = (await asked.find("audit"))["items"]
    assert [(one["action"], one["subject"]) for one in reversed(moves)] == [
        ("breakers.open", f"breakers/{LANE}"),
        ("breakers.open", "breakers/provider/claude"),
        ("breakers.close", "breakers/provider/claude"),
        ("breakers.reset", f"breakers/{LANE}"),
    ]
    assert (await post(asked, "breakers/lane/nowhere:open")).status_code == 404


async def test_a_list_of_all_breakers(held: tuple[Pair, Admin]) -> None:
    _, asked = held
    found = await asked.find("breakers")
    names = {f"{one['scope']}/{one['name']}" for one in found["items"]}
    assert {LANE, "provider/claude"} <= names
    assert (await asked.find("breakers", state="open"))["total"] == 0


async def test_a_provider_held_open_takes_no_uploads_either(held: tuple[Pair, Admin]) -> None:
    here, asked = held
    await post(asked, "breakers/provider/openai:open")
    answer = await here.alice.client.post(
        here.url + "/v1/files", content=b"x", headers={"authorization": f"Bearer {here.alice.key}"}
    )
    assert (answer.status_code, answer.headers["x-gateway-reason"]) == (503, "breaker_open")
