"""Settings for the provider simulator: `gateway serve --simulate`, the demo and tests.

The keys are those that the simulator accepts. They are written here again, since the simulator
shares nothing with the gateway.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from gateway.domain.call import Dialect
from gateway.domain.topology import Agent, Lane, Provider, QueueSettings, Team, Topology

from .accounts import OFFICIAL, key_in_environment
from .settings import Settings, StateSettings
from .texts import LOOPBACK_HOST, Listen

SIMULATOR_KEYS: Mapping[Dialect, str] = {
    Dialect.ANTHROPIC: "sim-anthropic-key",
    Dialect.OPENAI: "sim-openai-key",
    Dialect.GEMINI: "sim-gemini-key",
}

_QUEUE = QueueSettings()
_LISTEN = Listen(LOOPBACK_HOST, 8080)
_STATE = StateSettings()


def with_simulator_keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with a stand-in for each provider key that is not there."""
    missing = {
        official.key_variables[0]: SIMULATOR_KEYS[dialect]
        for dialect, official in OFFICIAL.items()
        if key_in_environment(official, environment) is None
    }
    return {**environment, **missing}


def simulated_providers(simulator_url: str) -> dict[str, Provider]:
    """One provider of each dialect (`claude`, `openai`, `gemini`) at the simulator."""
    return {
        one.name: _at_simulator(Provider(one.name, one.dialect, ""), simulator_url)
        for one in OFFICIAL.values()
    }


def _at_simulator(provider: Provider, simulator_url: str) -> Provider:
    suffix = "/v1" if provider.dialect is Dialect.OPENAI else ""
    return replace(
        provider,
        base_url=simulator_url.rstrip("/") + suffix,
        api_key=SIMULATOR_KEYS[provider.dialect],
        passthrough=False,
        tls_ca_file=None,
    )


def simulated_settings(  # noqa: PLR0913 - keyword arguments, each with a default
    simulator_url: str,
    *,
    lanes: Iterable[Lane] = (),
    teams: Iterable[Team] = (),
    agents: Iterable[Agent] = (),
    agent_keys: Mapping[str, str] | None = None,
    queue: QueueSettings = _QUEUE,
    minute_s: float = 60.0,
    listen: Listen = _LISTEN,
    state: StateSettings = _STATE,
) -> Settings:
    """A configuration whose three providers are one simulator.

    Args:
        simulator_url: Where the simulator listens, without a path.
        lanes: Build them with `configured_lane`, so that each has its dialect's charging rule.
        teams: Teams.
        agents: Agents.
        agent_keys: Gateway keys, agent name to secret.
        queue: Bounds of the queue.
        minute_s: Seconds in a minute; the simulator must be told the same.
        listen: Where the gateway listens.
        state: Where state is kept.
    """
    topology = Topology(
        providers=simulated_providers(simulator_url),
        lanes={one.name: one for one in lanes},
        teams={one.name: one for one in teams},
        agents={one.name: one for one in agents},
        queue=queue,
        minute_s=minute_s,
    )
    return Settings(topology, listen, state, agent_keys=dict(agent_keys or {}))


def pointed_at_simulator(settings: Settings, simulator_url: str) -> Settings:
    """The same configuration with every provider replaced by the simulator."""
    providers = {
        name: _at_simulator(one, simulator_url) for name, one in settings.topology.providers.items()
    }
    return replace(settings, topology=replace(settings.topology, providers=providers))
