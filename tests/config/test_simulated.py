from gateway.config import (
    configured_lane,
    pointed_at_simulator,
    simulated_providers,
    simulated_settings,
)
from gateway.config.simulated import SIMULATOR_KEYS
from gateway.domain.limits import LaneLimits
from gateway.domain.topology import Agent, Provider
from gateway.simulator.settings import SimulatorSettings

URL = "http://127.0.0.1:9999"


def test_each_dialect_has_a_provider_at_the_simulator() -> None:
    providers = simulated_settings(f"{URL}/").topology.providers
    assert {name: one.base_url for name, one in providers.items()} == {
        "claude": URL,
        "openai": f"{URL}/v1",
        "gemini": URL,
    }


def test_the_keys_are_those_that_the_simulator_accepts() -> None:
    assert {
        str(dialect): key for dialect, key in SIMULATOR_KEYS.items()
    } == SimulatorSettings().keys


def test_a_lane_has_the_charging_rule_of_its_dialect() -> None:
    providers = simulated_providers(URL)
    rules = {}
    for name, provider in providers.items():
        lane = configured_lane("l", provider, ("*",), LaneLimits(rpm=5))
        rules[name] = (lane.counts_cached_input, lane.charges_max_output)
        assert (lane.provider, lane.limits.rpm) == (name, 5)
    assert rules == {"claude": (False, False), "openai": (True, True), "gemini": (True, False)}


def test_lanes_agents_and_keys_are_those_given() -> None:
    lane = configured_lane("l", simulated_providers(URL)["claude"], ("*",), LaneLimits(rpm=5))
    settings = simulated_settings(
        URL, lanes=[lane], agents=[Agent("a")], agent_keys={"a": "key-of-a"}, minute_s=3.0
    )
    assert settings.topology.lanes == {"l": lane}
    assert settings.topology.agents == {"a": Agent("a")}
    assert settings.agent_keys == {"a": "key-of-a"}
    assert settings.minute_s == 3.0


def test_a_configuration_can_be_pointed_at_the_simulator_whole() -> None:
    settings = simulated_settings("http://elsewhere")
    own = Provider("own", settings.topology.providers["openai"].dialect, "http://x/v1", "real")
    providers = {**settings.topology.providers, "own": own}
    object.__setattr__(settings.topology, "providers", providers)
    moved = pointed_at_simulator(settings, URL).topology.providers
    assert moved["own"].base_url == f"{URL}/v1"
    assert moved["own"].api_key == "sim-openai-key"
    assert set(moved) == set(providers)
