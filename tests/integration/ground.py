"""A simulator and gateways before it, as a limit's test needs them."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from gateway.config import configured_lane, simulated_settings
from gateway.config.settings import LogSettings, ServerSettings, Settings
from gateway.config.texts import Listen
from gateway.domain.limits import Budget, LaneLimits
from gateway.domain.topology import Agent as AgentSettings
from gateway.domain.topology import Lane, QueueSettings, Team
from gateway.simulator import (
    LimitRule,
    Limits,
    RunningSimulator,
    SimulatorSettings,
)
from gateway.store.admission import RedisAdmission
from tests.fixtures.gateway import ADMIN_TOKEN, ALICE, BOB, KEY, OTHER_KEY, PLAIN, running_gateway
from tests.integration.speaking import Agent, Speech, agent, bookkeeper

MINUTE_S = 60.0
LANE = "narrow"
_SERVER = ServerSettings()


@dataclass
class Ground:
    """One simulator, one store, one or several gateways.

    Attributes:
        agents: ALICE at each gateway.
        books: The limits as the store sees them.
    """

    simulator: RunningSimulator
    urls: list[str]
    agents: list[Agent]
    books: RedisAdmission

    @property
    def alice(self) -> Agent:
        """At the first gateway."""
        return self.agents[0]

    @property
    def refused_by_provider(self) -> int:
        """429s of the provider so far."""
        return self.simulator.state.ledger.totals.rate_limited


def lane_settings(simulator_url: str, speech: Speech, limits: LaneLimits) -> Lane:
    """A lane for the model of a speech."""
    providers = simulated_settings(simulator_url).topology.providers
    return configured_lane(LANE, providers[speech.provider], (speech.model,), limits)


@asynccontextmanager
async def ground(
    simulator: RunningSimulator,
    store_url: str,
    *,
    budget: Budget = Budget(),
    team: Budget | None = None,
    lane: tuple[Speech, LaneLimits] | None = None,
    provider: Limits | None = None,
    minute_s: float = MINUTE_S,
    max_wait_s: float = 120.0,
    replicas: int = 1,
    ttft_s: float = 0.0,
    tokens_per_s: float = 0.0,
    chunk_tokens: int = 8,
    extra_models: Mapping[str, tuple[str, ...]] | None = None,
    server: ServerSettings = _SERVER,
) -> AsyncIterator[Ground]:
    """Everything, running.

    Args:
        simulator: Is told to behave as asked for, and forgets what was.
        store_url: An empty store.
        budget: Of ALICE and of BOB.
        team: Of the team of both, if there is one.
        lane: A model and the limits of its lane.
        provider: The provider's own limits, the same in each dialect.
        minute_s: For gateway and provider alike.
        max_wait_s: The queue's.
        replicas: Gateways on the one store.
        ttft_s: See `SimulatorSettings`.
        tokens_per_s: See `SimulatorSettings`.
        chunk_tokens: See `SimulatorSettings`.
        extra_models: See `SimulatorSettings`.
        server: Bounds of the gateways.
    """
    rules = (
        {}
        if provider is None
        else dict.fromkeys(("anthropic", "openai", "gemini"), (LimitRule("*", provider),))
    )
    behaviour = SimulatorSettings(
        limits=rules,
        minute_s=minute_s,
        ttft_s=ttft_s,
        tokens_per_s=tokens_per_s,
        chunk_tokens=chunk_tokens,
        extra_models=extra_models or {},
    )
    simulator.state.configure(behaviour)
    simulator.state.reset()
    async with AsyncExitStack() as stack:
        member = None if team is None else "crew"
        settings = _settings(
            simulator.url,
            lanes=() if lane is None else (lane_settings(simulator.url, *lane),),
            agents=[AgentSettings(name, team=member, budget=budget) for name in (ALICE, BOB)],
            teams=() if team is None else (Team("crew", team),),
            queue=QueueSettings(max_wait_s=max_wait_s),
            minute_s=minute_s,
            server=server,
        )
        urls = [
            (await stack.enter_async_context(running_gateway(settings, store_url))).url
            for _ in range(replicas)
        ]
        agents = [await stack.enter_async_context(agent(url)) for url in urls]
        books = await stack.enter_async_context(bookkeeper(store_url))
        yield Ground(simulator, urls, agents, books)


def _settings(
    simulator_url: str,
    *,
    lanes: Iterable[Lane],
    agents: Iterable[AgentSettings],
    teams: Iterable[Team],
    queue: QueueSettings,
    minute_s: float,
    server: ServerSettings,
) -> Settings:
    settings = simulated_settings(
        simulator_url,
        lanes=lanes,
        agents=agents,
        teams=teams,
        agent_keys={ALICE: KEY, BOB: OTHER_KEY},
        queue=queue,
        minute_s=minute_s,
        listen=Listen("127.0.0.1", 0),
    )
    quiet = LogSettings(access_log=False)
    return replace(
        settings, server=server, logging=quiet, admin_token=ADMIN_TOKEN, reliability=PLAIN
    )
