"""An agent that runs away is stopped, hears why, and no SDK tries again (field-notes 31)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from gateway.core.runaway import RunawayMode, RunawaySettings
from gateway.simulator import FaultRule, RunningSimulator, SimulatorSettings
from tests.fixtures.gateway import (
    ALICE,
    KEY,
    PLAIN,
    RunningGateway,
    gateway_settings,
    running_gateway,
)
from tests.integration.asking import Admin, admin
from tests.integration.speaking import ANTHROPIC, OPENAI, Agent, agent

pytestmark = pytest.mark.asyncio(loop_scope="module")
NAME = f"agent/{ALICE}"
STRICT = RunawaySettings(mode=RunawayMode.ENFORCE, repeated=3, errors=3, pause_s=60.0)


@asynccontextmanager
async def watched(
    provider: RunningSimulator, store_url: str, settings: RunawaySettings
) -> AsyncIterator[tuple[RunningGateway, Agent, Admin]]:
    provider.state.configure(SimulatorSettings(limits={}))
    provider.state.reset()
    configured = replace(
        gateway_settings(provider.url), reliability=replace(PLAIN, runaways=settings)
    )
    async with (
        running_gateway(configured, store_url) as running,
        agent(running.url) as alice,
        admin(running.url) as asked,
    ):
        yield running, alice, asked
    provider.state.faults.clear()


async def stopped(asked: Admin) -> Any:
    return await asked.until(f"breakers/{NAME}", lambda found: found.get("state") == "open")


async def test_it_is_told_why_and_how_it_goes_on_and_is_stopped_at_all_replicas(
    provider: RunningSimulator, store_url: str
) -> None:
    async with watched(provider, store_url, STRICT) as (running, alice, asked):
        for _ in range(3):
            assert (await alice.say(ANTHROPIC)).status == 200
        found = await stopped(asked)
        assert (found["cause"], found["held"]) == ("repeated", False)
        assert found["evidence"].startswith("the same call was made 3 times in ")
        answer = await alice.say(ANTHROPIC, prompt="Something else.")
        assert (answer.status, answer.reason) == (403, "agent_tripped")
        assert answer.headers["x-should-retry"] == "false"
        assert b"the same call was made 3 times" in answer.body
        assert b"gateway breakers reset agent/alice" in answer.body
        assert (await alice.as_bob().say(ANTHROPIC)).status == 200, "others go on"
        metrics = (await asked.client.get("/metrics")).text
        assert (
            'gateway_agent_trips_total{agent="alice",cause="repeated",mode="enforce"} 1.0'
            in metrics
        )
        assert 'gateway_breaker_state{name="alice",scope="agent"} 2.0' in metrics
        entry = (await asked.find("audit", subject=f"breakers/{NAME}"))["items"][0]
        assert (entry["actor"], entry["action"]) == ("gateway", "breakers.open")
        assert entry["after"]["evidence"] == found["evidence"]
        async with (
            running_gateway(running.settings, store_url) as other,
            agent(other.url) as there,
            admin(other.url) as asked_there,
        ):
            await stopped(asked_there)
            assert (await there.say(OPENAI)).reason == "agent_tripped"
            await asked_there.client.post(f"/admin/v1/breakers/{NAME}:reset")
            await asked.until(f"breakers/{NAME}", lambda one: one["state"] == "closed")
        assert (await alice.say(ANTHROPIC)).status == 200
        assert (await alice.say(ANTHROPIC)).status == 200, "and it begins anew"


async def test_it_goes_on_by_itself_after_a_while(
    provider: RunningSimulator, store_url: str
) -> None:
    async with watched(provider, store_url, replace(STRICT, pause_s=0.5)) as (_, alice, asked):
        for _ in range(3):
            await alice.say(ANTHROPIC)
        await stopped(asked)
        statuses = {403}
        async with asyncio.timeout(10):
            while statuses == {403}:
                statuses = {(await alice.say(ANTHROPIC)).status for _ in range(2)}
        assert (await asked.find(f"breakers/{NAME}"))["cause"] == "time"


async def test_a_loop_of_errors(provider: RunningSimulator, store_url: str) -> None:
    async with watched(provider, store_url, STRICT) as (_, alice, asked):
        provider.state.faults.set([FaultRule("status", status=400)])
        for number in range(3):
            assert (await alice.say(ANTHROPIC, prompt=f"no {number}")).status == 400
        found = await stopped(asked)
    assert found["cause"] == "errors"
    assert "the last one here with 400" in found["evidence"]


async def test_a_loop_that_is_spread_over_replicas(
    provider: RunningSimulator, store_url: str
) -> None:
    """Each alone would need 15 calls; what one has seen takes a tenth of a second to the other."""
    settings = replace(STRICT, repeated=8)
    async with (
        watched(provider, store_url, settings) as (running, alice, _),
        running_gateway(running.settings, store_url) as other,
        agent(other.url) as there,
    ):
        served = 0
        for number in range(15):
            answer = await (there if number % 2 else alice).say(ANTHROPIC)
            served += answer.status == 200
            await asyncio.sleep(0.15)
    assert 8 <= served <= 11


@pytest.mark.parametrize("mode", [RunawayMode.WARN, RunawayMode.OFF])
async def test_where_it_is_only_said_the_agent_goes_on(
    provider: RunningSimulator, store_url: str, mode: RunawayMode
) -> None:
    async with watched(provider, store_url, replace(STRICT, mode=mode)) as (_, alice, asked):
        statuses = [(await alice.say(ANTHROPIC)).status for _ in range(8)]
        metrics = (await asked.client.get("/metrics")).text
    told = 'gateway_agent_trips_total{agent="alice",cause="repeated",mode="warn"} 1.0'
    assert statuses == [200] * 8
    assert (told in metrics) is (mode is RunawayMode.WARN)


async def test_retries_of_an_sdk_are_not_its_agents(
    provider: RunningSimulator, store_url: str
) -> None:
    async with watched(provider, store_url, STRICT) as (_, alice, _asked):
        for number in range(6):
            answer = await alice.say(ANTHROPIC, extra={"x-stainless-retry-count": str(number)})
            assert answer.status == 200


async def test_probes_and_counting_are_no_loop(provider: RunningSimulator, store_url: str) -> None:
    """Each session of Claude Code begins with the same probe (provider-facts A9)."""
    async with watched(provider, store_url, STRICT) as (_, alice, asked):
        for _ in range(5):
            assert (await alice.say(ANTHROPIC, 1, prompt="quota", most=1)).status == 200
            counted = await alice.client.post(
                alice.url + "/v1/messages/count_tokens",
                json={"model": ANTHROPIC.model, "messages": [{"role": "user", "content": "x"}]},
                headers=ANTHROPIC.headers(),
            )
            assert counted.status_code == 200
        assert (await asked.find(f"breakers/{NAME}"))["state"] == "closed"


async def test_an_operator_stops_an_agent(provider: RunningSimulator, store_url: str) -> None:
    async with watched(provider, store_url, STRICT) as (running, alice, asked):
        await asked.client.post("/admin/v1/breakers/agent/nobody:open")
        assert (await alice.say(ANTHROPIC)).status == 200
        topology = running.settings.topology
        assert ALICE not in topology.agents, "known by its key"
        opened = await asked.client.post(f"/admin/v1/breakers/{NAME}:open")
        assert opened.status_code == 200
        answer = await alice.say(ANTHROPIC)
        assert (answer.status, answer.reason) == (403, "agent_tripped")
        assert b"stays stopped until an operator resumes it" in answer.body
        upload = await alice.client.post(
            alice.url + "/v1/files", content=b"x", headers={"authorization": f"Bearer {KEY}"}
        )
        assert upload.status_code == 403


# --- what the SDKs do --------------------------------------------------------------------------


async def by_anthropic(url: str, client: httpx2.AsyncClient) -> None:
    sdk = anthropic.AsyncAnthropic(base_url=url, api_key=KEY, http_client=client)
    with pytest.raises(anthropic.PermissionDeniedError, match="was stopped"):
        await sdk.messages.create(
            model="claude-sonnet-5", max_tokens=5, messages=[{"role": "user", "content": "x"}]
        )


async def by_openai(url: str, client: httpx2.AsyncClient) -> None:
    sdk = openai.AsyncOpenAI(base_url=url + "/v1", api_key=KEY, http_client=client)
    with pytest.raises(openai.PermissionDeniedError, match="was stopped"):
        await sdk.chat.completions.create(
            model="gpt-4o-mini", messages=[{"role": "user", "content": "x"}]
        )


async def by_genai(url: str, client: httpx2.AsyncClient) -> None:
    options = genai_types.HttpOptions(
        base_url=url,
        httpx_async_client=client,
        retry_options=genai_types.HttpRetryOptions(attempts=4, initial_delay=0.01),
    )
    sdk = genai.Client(api_key=KEY, http_options=options)
    with pytest.raises(genai_errors.ClientError, match="was stopped"):
        await sdk.aio.models.generate_content(model="gemini-2.5-flash", contents="x")


@pytest.mark.parametrize("asks", [by_anthropic, by_openai, by_genai], ids=lambda one: one.__name__)
async def test_no_sdk_tries_again(provider: RunningSimulator, store_url: str, asks: Any) -> None:
    """All with the retries that they make of themselves, or more."""
    tries = 0

    async def count(request: httpx2.Request) -> None:
        nonlocal tries
        tries += 1
        assert request.url.path

    async with (
        watched(provider, store_url, STRICT) as (running, _, asked),
        httpx2.AsyncClient(event_hooks={"request": [count]}, trust_env=False) as client,
    ):
        await asked.client.post(f"/admin/v1/breakers/{NAME}:open")
        await asks(running.url, client)
    assert tries == 1
