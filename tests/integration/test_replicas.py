"""Replicas of a local server: a conversation stays at one, and leaves it when that fails."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from gateway.core.retrying import RetrySettings
from gateway.simulator import RunningSimulator, SimulatorSettings, start_simulator
from tests.fixtures.gateway import gateway_settings, running_gateway
from tests.integration.speaking import OPENAI, Agent, agent

SESSIONS = [f"session-{number}" for number in range(12)]


@asynccontextmanager
async def spread(
    one: RunningSimulator, other: RunningSimulator, store_url: str
) -> AsyncIterator[Agent]:
    """An agent before a provider with two replicas."""
    settings = gateway_settings(one.url)
    topology = settings.topology
    provider = replace(topology.providers["openai"], replicas=(f"{other.url}/v1",))
    changed = replace(topology, providers={**topology.providers, "openai": provider})
    reliability = replace(settings.reliability, retries=RetrySettings(pause_s=0.01))
    settings = replace(settings, topology=changed, reliability=reliability)
    async with running_gateway(settings, store_url) as running, agent(running.url) as alice:
        yield alice


def sessions_at(simulator: RunningSimulator) -> set[str]:
    return {record.client for record in simulator.state.ledger.since(0)}


async def say(alice: Agent, session: str) -> int:
    extra = {"x-gateway-session": session, "x-sim-client": session}
    return (await alice.say(OPENAI, extra=extra)).status


async def test_a_conversation_stays_and_conversations_spread(store_url: str) -> None:
    async with (
        start_simulator(SimulatorSettings(limits={})) as one,
        start_simulator(SimulatorSettings(limits={})) as other,
        spread(one, other, store_url) as alice,
    ):
        for _ in range(3):
            assert {await say(alice, session) for session in SESSIONS} == {200}
        assert sessions_at(one) | sessions_at(other) == set(SESSIONS)
        assert not sessions_at(one) & sessions_at(other)
        assert sessions_at(one)
        assert sessions_at(other)


async def test_it_goes_to_the_other_when_its_own_does_not_answer(store_url: str) -> None:
    async with start_simulator(SimulatorSettings(limits={})) as one:
        async with (
            start_simulator(SimulatorSettings(limits={})) as other,
            spread(one, other, store_url) as alice,
        ):
            assert {await say(alice, session) for session in SESSIONS} == {200}
            moved = sessions_at(other)
        async with spread(one, other, store_url) as alice:  # and the other one is gone
            assert {await say(alice, session) for session in SESSIONS} == {200}
        assert moved
        assert moved <= sessions_at(one)
