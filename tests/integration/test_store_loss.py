"""A whole gateway while its store is away: what clients, probes, metrics and operators see."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anthropic
import httpx2
import pytest
import redis

from gateway.config.settings import OnStoreLoss
from gateway.simulator import RunningSimulator
from tests.fixtures.gateway import KEY, RunningGateway, gateway_settings, running_gateway
from tests.fixtures.valkey import ValkeyProcess
from tests.integration.waiting import until


@asynccontextmanager
async def gateway(
    simulator: RunningSimulator, store: ValkeyProcess, how: OnStoreLoss
) -> AsyncIterator[RunningGateway]:
    settings = gateway_settings(simulator.url)
    settings = replace(settings, state=replace(settings.state, on_store_loss=how))
    async with running_gateway(settings, store.url) as running:
        yield running


async def page(running: RunningGateway, path: str) -> httpx2.Response:
    async with httpx2.AsyncClient(base_url=running.url, trust_env=False, verify=False) as client:
        return await client.get(path)


async def until_page(running: RunningGateway, path: str, text: str) -> None:
    async with asyncio.timeout(10):
        while (await page(running, path)).text != text:
            pass


def looks(outside: redis.Redis) -> int:
    """How often the gateways have looked at the store."""
    return int(outside.info("commandstats").get("cmdstat_zcard", {"calls": 0})["calls"])


async def ask(client: anthropic.AsyncAnthropic) -> int:
    message = await client.messages.create(
        model="claude-sonnet-5",
        max_tokens=8,
        messages=[{"role": "user", "content": "Say something. [[output=8]]"}],
    )
    return message.usage.output_tokens


async def test_calls_go_on_and_the_loss_is_shown_until_the_store_is_back(
    simulator: RunningSimulator, own_valkey: ValkeyProcess
) -> None:
    async with (
        gateway(simulator, own_valkey, OnStoreLoss.LOCAL) as running,
        gateway(simulator, own_valkey, OnStoreLoss.LOCAL),  # as another worker would be
        anthropic.AsyncAnthropic(base_url=running.url, api_key=KEY, max_retries=0) as client,
    ):
        assert await ask(client) == 8
        assert (await page(running, "/readyz")).text == "ready\n"
        with own_valkey.client() as outside:
            before = looks(outside)
            await until(lambda: looks(outside) > before + 4, "both to have looked")
        own_valkey.pause()
        assert await ask(client) == 8
        ready = await page(running, "/readyz")
        assert (ready.status_code, ready.text) == (
            200,
            "ready, but degraded: the store does not answer; admitting 1/2 of each limit\n",
        )
        assert (await page(running, "/healthz")).status_code == 200
        assert "gateway_fallback_active 1.0" in (await page(running, "/metrics")).text
        own_valkey.resume()
        await until_page(running, "/readyz", "ready\n")
        assert "gateway_fallback_active 0.0" in (await page(running, "/metrics")).text
        assert await ask(client) == 8


async def test_calls_are_refused_in_their_dialect_where_that_is_wanted(
    simulator: RunningSimulator, own_valkey: ValkeyProcess
) -> None:
    async with (
        gateway(simulator, own_valkey, OnStoreLoss.REFUSE) as running,
        anthropic.AsyncAnthropic(base_url=running.url, api_key=KEY, max_retries=0) as client,
    ):
        own_valkey.kill()
        with pytest.raises(anthropic.InternalServerError) as refused:
            await ask(client)
        assert refused.value.status_code == 503
        assert refused.value.response.headers["x-gateway-reason"] == "store_lost"
        assert float(refused.value.response.headers["retry-after"]) >= 1
        ready = await page(running, "/readyz")
        assert (ready.status_code, ready.text) == (503, "not ready: the store does not answer\n")
        assert simulator.state.ledger.totals.requests == 0
        own_valkey.start()
        await until_page(running, "/readyz", "ready\n")
        assert await ask(client) == 8
