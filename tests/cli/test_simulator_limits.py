"""Limits on the command line of the simulator."""

from dataclasses import replace

import pytest

from gateway.cli.simulator_limits import BadLimits, mirroring, rules, single_models
from gateway.config import configured_lane, simulated_settings
from gateway.config.simulated import simulated_providers
from gateway.domain.call import Dialect
from gateway.domain.limits import LaneLimits
from gateway.simulator.settings import LimitRule, Limits


def test_rules_are_read_in_their_order() -> None:
    assert rules(["claude-sonnet-*:rpm=50,itpm=80000", "rpm=9, otpm=16000"]) == (
        LimitRule("claude-sonnet-*", Limits(rpm=50, itpm=80_000), shared=True),
        LimitRule("*", Limits(rpm=9, otpm=16_000), shared=True),
    )
    assert rules(["none"]) == ()


@pytest.mark.parametrize(
    "text", ["", "rpm", "rpm=", "rpm=x", "rpm=0", "rpm=-1", "rmp=5", "x:rpm=1,"]
)
def test_what_means_no_limit_is_refused(text: str) -> None:
    with pytest.raises(BadLimits):
        rules([text])


def test_configured_lanes_become_the_simulators_limits() -> None:
    providers = simulated_providers("http://127.0.0.1:1")
    lanes = [
        configured_lane("a", providers["claude"], ("claude-sonnet-*",), LaneLimits(rpm=5, itpm=7)),
        configured_lane("b", providers["openai"], ("gpt-4o", "own-model"), LaneLimits(tpm=9)),
        configured_lane("c", providers["gemini"], ("*",), LaneLimits()),
    ]
    topology = replace(
        simulated_settings("http://127.0.0.1:1").topology, lanes={x.name: x for x in lanes}
    )
    texts = mirroring(topology)
    assert texts == {
        Dialect.ANTHROPIC: ["claude-sonnet-*:rpm=5,itpm=7"],
        Dialect.OPENAI: ["gpt-4o:tpm=9", "own-model:tpm=9"],
        Dialect.GEMINI: [],
    }
    assert rules(texts[Dialect.OPENAI])[1] == LimitRule("own-model", Limits(tpm=9), shared=True)
    assert single_models(topology) == [(Dialect.OPENAI, "gpt-4o"), (Dialect.OPENAI, "own-model")]
