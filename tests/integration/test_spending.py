"""A call's real cost reaches its budget, its tags and the accounts, and the terminal tells it."""

import asyncio
from dataclasses import replace
from datetime import date
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from gateway.config.settings import PriceSettings, Settings
from gateway.core.price_table import Card, Entry, Price, Rates
from gateway.domain.limits import Budget, LaneLimits
from gateway.domain.topology import Agent
from gateway.simulator import RunningSimulator, SimulatorSettings
from tests.cli.gateway_command import gateway as command
from tests.fixtures.gateway import (
    ADMIN_TOKEN,
    ALICE,
    BOB,
    configured_lane,
    gateway_settings,
    running_gateway,
)
from tests.integration.asking import admin
from tests.integration.speaking import ANTHROPIC, GEMINI, OPENAI, agent

pytestmark = pytest.mark.asyncio(loop_scope="module")
TAGS = {"x-gateway-tag": "job=nightly, repo=acme/site"}
OWN = Price(Card(Rates(*[7_000_000] * 5)), since=date(2026, 1, 1))  # $7 for each million tokens


def settings_of(provider: RunningSimulator) -> Settings:
    """Alice and Bob with a daily budget, one lane, one price of one's own."""
    provider.state.configure(SimulatorSettings())
    provider.state.reset()
    budget = Budget(usd_per_day_micro=1_000_000)
    settings = gateway_settings(
        provider.url, agents=[Agent(ALICE, "crew", budget=budget), Agent(BOB, budget=budget)]
    )
    claude = settings.topology.providers["claude"]
    lane = configured_lane("sonnet", claude, (ANTHROPIC.model,), LaneLimits(rpm=60, otpm=10_000))
    return replace(
        settings,
        topology=replace(settings.topology, lanes={"sonnet": lane}),
        prices=PriceSettings((Entry((OPENAI.model,), (OWN,)),)),
    )


async def test_what_a_call_cost_is_in_its_budget_and_in_the_accounts(
    provider: RunningSimulator, store_url: str
) -> None:
    settings = settings_of(provider)
    async with (
        running_gateway(settings, store_url) as running,
        agent(running.url) as alice,
        admin(running.url) as asked,
    ):
        await alice.say(ANTHROPIC, 50, extra=TAGS)
        await alice.say(OPENAI, 20)
        answer = await alice.say(GEMINI, 10)
        why = await asked.why(answer.headers["x-gateway-request-id"])
        assert why["usage"]["service_tier"] == "standard"  # from the header: the body has none
        await alice.as_bob().say(ANTHROPIC, 5, extra={"x-gateway-tag": "job=nightly"})
        refused = await alice.say(ANTHROPIC, 5, extra={"x-gateway-tag": "no tag"})
        assert (refused.status, refused.reason) == (400, "bad_request")

        log = provider.state.ledger.log
        claude, gpt, gemini, bob = log
        spent = (
            claude.input_tokens * 2
            + claude.output_tokens * 10  # Sonnet 5: $2 / $10
            + (gpt.input_tokens + gpt.output_tokens) * 7
            + ceil(gemini.input_tokens * 0.3 + gemini.output_tokens * 2.5)
        )
        usage = await asked.until(
            "usage",
            lambda found: sum(row["calls"] for row in found["items"]) == 4,
            group_by="agent",
        )
        of_alice, of_bob = usage["items"]
        assert (of_alice["agent"], of_alice["calls"], of_alice["refused"]) == (ALICE, 3, 1)
        assert of_alice["cost_microusd"] == spent
        assert of_bob["cost_microusd"] == bob.input_tokens * 2 + bob.output_tokens * 10

        # What was reserved has been replaced by what it cost.
        budget = await asked.find(f"agents/{ALICE}")
        assert round(budget["used"]["usd_today"] * 1e6) == spent
        assert round(budget["used"]["usd_this_month"] * 1e6) == spent
        assert budget["held"]["usd"] == 0
        tags = (await asked.find("usage", group_by="tag"))["items"]
        assert [(row["tag"], row["calls"]) for row in tags] == [
            ("job=nightly", 2),
            ("repo=acme/site", 1),
        ]
        capacity = (await asked.find("capacity"))["items"]
        sonnet = next(lane for lane in capacity if lane["lane"] == "sonnet")
        assert (sonnet["agents"], sonnet["calls"], sonnet["sustainable_agents"] > 1) == (2, 2, True)

        told = await asyncio.to_thread(_terminal, running.url)
    assert "alice  claude-sonnet-5" in told["usage"]
    assert told["csv"].startswith("team,calls,refused,")
    assert told["plan"].splitlines()[0].split()[:3] == ["LANE", "AGENTS", "CARRIES"]
    assert told["plan"].splitlines()[0].endswith("ROUTED")
    assert any(line.startswith("sonnet ") for line in told["plan"].splitlines())


def _terminal(url: str) -> dict[str, str]:
    """What the commands print."""
    runs = {
        "usage": ("usage",),
        "csv": ("usage", "--by", "team", "--csv"),
        "plan": ("plan", "--agents", "3", "--route-to", "claude-haiku-4-5", "--route-share", "0.5"),
    }
    with TemporaryDirectory() as folder:
        env = {"GATEWAY_ADMIN_TOKEN": ADMIN_TOKEN}
        done = {
            name: command(*run, "--url", url, folder=Path(folder), env=env)
            for name, run in runs.items()
        }
    assert all(one.code == 0 for one in done.values()), done
    return {name: one.out for name, one in done.items()}
