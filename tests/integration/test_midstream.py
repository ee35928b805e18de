"""An answer that breaks off ends as an error that each SDK raises, and is not begun again."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Literal

import httpx2
import pytest

from gateway.config import configured_lane
from gateway.config.reliability import ReliabilitySettings
from gateway.core.retrying import Repeat, RetrySettings
from gateway.domain.limits import LaneLimits
from gateway.domain.topology import Timeouts
from gateway.simulator import FaultRule, RunningSimulator, SimulatorSettings
from tests.fixtures.gateway import gateway_settings, running_gateway
from tests.integration.asking import admin
from tests.integration.sdk_streams import STREAMERS, Streamer

pytestmark = pytest.mark.asyncio(loop_scope="module")
EAGER = ReliabilitySettings(retries=RetrySettings(repeat=Repeat.AFTER_SEND, pause_s=0.001))
"""Repeats whatever may be repeated."""
ONE_OF_EACH = [STREAMERS[3], STREAMERS[5], STREAMERS[9], STREAMERS[12]]
CHUNKS = 2
PATIENT = Timeouts()


@dataclass
class Broken:
    """A gateway before a provider whose answers break off; lanes fall back on themselves."""

    url: str
    simulator: RunningSimulator

    @property
    def calls(self) -> int:
        """At the provider."""
        return sum(1 for _ in self.simulator.state.ledger.since(0))


@asynccontextmanager
async def broken(
    provider: RunningSimulator, store_url: str, fault: FaultRule, timeouts: Timeouts = PATIENT
) -> AsyncIterator[Broken]:
    provider.state.configure(SimulatorSettings(limits={}, chunk_tokens=2))
    provider.state.reset()
    provider.state.faults.set([fault])
    plain = gateway_settings(provider.url)
    providers = {
        name: replace(one, timeouts=timeouts) for name, one in plain.topology.providers.items()
    }
    lanes = {
        name: configured_lane(name, one, ("*",), LaneLimits()) for name, one in providers.items()
    }
    fallbacks = {"claude": ("claude-haiku-4-5",), "openai": ("gpt-5",)}
    topology = replace(plain.topology, providers=providers, lanes=lanes, fallbacks=fallbacks)
    settings = replace(plain, topology=topology, reliability=EAGER)
    async with running_gateway(settings, store_url) as running:
        yield Broken(running.url, provider)
    provider.state.faults.clear()


@pytest.mark.parametrize("sdk", STREAMERS, ids=str)
async def test_a_stream_that_is_cut_between_two_events_raises_the_sdks_own_error(
    provider: RunningSimulator, store_url: str, sdk: Streamer
) -> None:
    fault = FaultRule("cut", how="end", after_chunks=CHUNKS)
    async with broken(provider, store_url, fault) as here:
        with pytest.raises(sdk.raises, match="before its answer was whole"):
            await sdk.talk(here.url, {})
        assert here.calls == 1, "never a second beginning"


@pytest.mark.parametrize("how", ["reset", "close"])
@pytest.mark.parametrize("sdk", ONE_OF_EACH, ids=str)
async def test_a_stream_that_is_cut_anywhere_never_ends_well(
    provider: RunningSimulator, store_url: str, sdk: Streamer, how: Literal["reset", "close"]
) -> None:
    """Within an event nothing can be told; the connection ends instead."""
    fault = FaultRule("cut", how=how, after_chunks=CHUNKS)
    async with broken(provider, store_url, fault) as here:
        with pytest.raises((sdk.raises, httpx2.HTTPError, OSError)):
            await sdk.talk(here.url, {})
        assert here.calls == 1


@pytest.mark.parametrize("sdk", ONE_OF_EACH, ids=str)
async def test_a_stream_that_falls_silent_is_given_up(
    provider: RunningSimulator, store_url: str, sdk: Streamer
) -> None:
    fault = FaultRule("hang", after_chunks=CHUNKS)
    patience = Timeouts(between_chunks_s=0.3)
    async with broken(provider, store_url, fault, patience) as here:
        with pytest.raises(sdk.raises, match="did not answer in time"):
            await sdk.talk(here.url, {})
        assert here.calls <= 1


@pytest.mark.parametrize("sdk", ONE_OF_EACH, ids=str)
async def test_an_attempt_may_not_last_longer_than_its_total(
    provider: RunningSimulator, store_url: str, sdk: Streamer
) -> None:
    """However busy it is."""
    async with broken(
        provider, store_url, FaultRule("delay", delay_s=0.0), Timeouts(total_s=0.3)
    ) as here:
        provider.state.configure(SimulatorSettings(limits={}, tokens_per_s=8.0, chunk_tokens=1))
        with pytest.raises(sdk.raises, match="did not answer in time"):
            await sdk.talk(here.url, {})


async def test_what_went_by_is_settled_and_explained(
    provider: RunningSimulator, store_url: str
) -> None:
    fault = FaultRule("cut", how="end", after_chunks=4)
    async with (
        broken(provider, store_url, fault) as here,
        admin(here.url) as asked,
        httpx2.AsyncClient(trust_env=False) as client,
    ):
        provider.state.configure(SimulatorSettings(limits={}, chunk_tokens=8))
        body: dict[str, Any] = {
            "model": "claude-sonnet-5",
            "max_tokens": 100,
            "stream": True,
            "messages": [{"role": "user", "content": "Say something. [[output=40]]"}],
        }
        answer = await client.post(
            here.url + "/v1/messages",
            json=body,
            headers={"x-api-key": "gw-test-key-of-agent-alice", "anthropic-version": "2023-06-01"},
        )
        found = await asked.why(answer.headers["x-gateway-request-id"])
        lane = await asked.until("lanes/claude", lambda one: one["in_flight"] == 0)
    assert answer.status_code == 200
    assert b"event: error" in answer.content
    assert (found["outcome"], found["fault"], found["cut"]) == ("cut", "provider", True)
    assert 16 <= found["usage"]["output_tokens"] <= 40
    otpm = lane["limits"][2]
    assert (otpm["held"], otpm["spent"]) == (0, found["usage"]["output_tokens"])
