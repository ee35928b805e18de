"""A gateway whose lanes fall back on each other, before a provider that fails as told."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from gateway.config import Settings, configured_lane
from gateway.config.reliability import ReliabilitySettings
from gateway.domain.limits import LaneLimits
from gateway.domain.topology import QueueSettings
from gateway.domain.translating import Translating
from gateway.simulator import FaultRule, RunningSimulator, SimulatorSettings
from gateway.store.admission import RedisAdmission
from tests.fixtures.gateway import PLAIN, gateway_settings, running_gateway
from tests.integration.speaking import Agent, Speech, agent, bookkeeper

MODELS = {
    "anthropic": ("claude", "claude-sonnet-5", "claude-haiku-4-5"),
    "openai": ("openai", "gpt-4o", "gpt-4o-mini"),
    "gemini": ("gemini", "gemini-2.5-pro", "gemini-2.5-flash"),
}
SPEECHES = [
    Speech(dialect, model, stream, provider)
    for dialect, (provider, model, _) in MODELS.items()
    for stream in (False, True)
]
CLAUDE = SPEECHES[0]
GONE_FOR_LONG = FaultRule("status", status=429, retry_after_s=300)


@dataclass
class Pair:
    """A gateway whose lanes `first-DIALECT` fall back on the lanes `second-DIALECT`."""

    url: str
    settings: Settings
    simulator: RunningSimulator
    alice: Agent
    books: RedisAdmission

    @property
    def called(self) -> list[tuple[str, int]]:
        """Model and status of each call at the provider, in order."""
        return [(one.model, one.status) for one in self.simulator.state.ledger.since(0)]


@asynccontextmanager
async def pair(
    provider: RunningSimulator,
    store_url: str,
    *faults: FaultRule,
    fallbacks: Mapping[str, tuple[str, ...]] | None = None,
    first: LaneLimits = LaneLimits(),
    second: LaneLimits = LaneLimits(),
    minute_s: float = 60.0,
    max_wait_s: float = 20.0,
    ttft_s: float = 0.0,
    reliability: ReliabilitySettings = PLAIN,
    hold_head_s: float = 15.0,
    translation: Translating = Translating.ALL,
) -> AsyncIterator[Pair]:
    provider.state.configure(SimulatorSettings(limits={}, ttft_s=ttft_s, minute_s=minute_s))
    provider.state.reset()
    provider.state.faults.set(list(faults))
    plain = gateway_settings(provider.url)
    providers = plain.topology.providers
    lanes = [
        configured_lane(f"{place}-{dialect}", providers[name], (model,), limits)
        for dialect, (name, *models) in MODELS.items()
        for place, model, limits in zip(("first", "second"), models, (first, second), strict=True)
    ]
    topology = replace(
        plain.topology,
        lanes={lane.name: lane for lane in lanes},
        queue=QueueSettings(max_wait_s=max_wait_s),
        minute_s=minute_s,
        translation=translation,
        fallbacks=fallbacks
        or {f"first-{dialect}": (second,) for dialect, (_, _, second) in MODELS.items()},
    )
    server = replace(plain.server, hold_head_s=hold_head_s, keepalive_s=0.05)
    settings = replace(plain, topology=topology, reliability=reliability, server=server)
    async with (
        running_gateway(settings, store_url) as running,
        agent(running.url) as alice,
        bookkeeper(store_url) as books,
    ):
        yield Pair(running.url, settings, provider, alice, books)
    provider.state.faults.clear()
