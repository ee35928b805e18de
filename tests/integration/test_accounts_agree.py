"""Prometheus, the accounts, the access log and the provider tell the same tokens and money.

A fleet calls through a gateway of two worker processes. What a real Prometheus has scraped, what
`gateway usage` tells and what the access log has written must be what the simulated provider logged, to the token and to the
micro-dollar. The money is worked out here from the provider's log and from prices that were copied
by hand, so that it checks the gateway's own prices too.
"""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.simulator import RunningSimulator, SimulatorSettings
from tests.cli.gateway_command import gateway, running
from tests.fixtures.gateway import KEY, OTHER_KEY
from tests.fixtures.prometheus import Prometheus, Start, free_port
from tests.fixtures.valkey import short_directory
from tests.integration.speaking import Agent, Speech, agent
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")

PRICES = {  # US dollars per million tokens: input, cache read, cache write, output
    "claude-haiku-4-5": (1.00, 0.10, 1.25, 5.00),
    "gpt-4o-mini": (0.15, 0.075, 0.15, 0.60),
    "gemini-2.5-flash": (0.30, 0.03, 0.30, 2.50),
}
KINDS = ("input", "cache_read", "cache_write", "output")
CLAUDE = Speech("anthropic", "claude-haiku-4-5", False, "claude")
GPT = Speech("openai", "gpt-4o-mini", False, "openai")
FLASH = Speech("gemini", "gemini-2.5-flash", False, "gemini")
SPEECHES = [
    Speech(one.dialect, one.model, stream, one.provider)
    for one in (CLAUDE, GPT, FLASH)
    for stream in (False, True)
]
TURNS = 3
CONFIG = """\
listen: {address}
state: {{url: "{store_url}", dir: ./state}}
logging: {{access_log: true, access_file: ./access.log}}
server: {{workers: 2}}
providers:
  claude: {{dialect: anthropic, base_url: "{simulator}", api_key: sim-anthropic-key}}
  openai: {{dialect: openai, base_url: "{simulator}/v1", api_key: sim-openai-key}}
  gemini: {{dialect: gemini, base_url: "{simulator}", api_key: sim-gemini-key}}
agents:
  alice: {{key: {alice}}}
  bob: {{key: {bob}}}
"""


@dataclass(frozen=True)
class Account:
    """What some witness says was used, of one model.

    Attributes:
        calls: Those that used tokens.
        tokens: By kind.
        microusd: Their cost.
    """

    calls: int
    tokens: dict[str, int]
    microusd: int


async def fleet(url: str) -> None:
    """Two agents with long and short prompts, streamed and not, in all dialects, and a mistake."""
    shared = "All of us begin with these words. " * 900

    async def work(one: Agent) -> None:
        for turn in range(TURNS):
            for number, speech in enumerate(SPEECHES):
                said = shared if number % 2 else f"Turn {turn}. "
                answer = await one.say(speech, 7 + 5 * turn + number, prompt=said)
                assert answer.status == 200, answer.body
            cached = await one.client.post(
                url + CLAUDE.path, json=with_cache(shared), headers=CLAUDE.headers(one.key)
            )
            assert cached.status_code == 200
        unknown = Speech("anthropic", "claude-of-the-future", False, "claude")
        assert (await one.say(unknown)).status == 404

    close = {"connection": "close"}  # each call finds its own way to one of the workers
    async with agent(url, KEY, **close) as alice, agent(url, OTHER_KEY, **close) as bob:
        await asyncio.gather(work(alice), work(bob))


def with_cache(text: str) -> dict[str, Any]:
    """A request whose prompt is written to the provider's cache, and read from it next time."""
    block = {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}
    return {
        "model": CLAUDE.model,
        "max_tokens": 50,
        "messages": [{"role": "user", "content": [block, {"type": "text", "text": "Go on."}]}],
    }


def by_provider(simulator: RunningSimulator) -> dict[str, Account]:
    """What the provider's log says, at the prices above; each call is rounded up by itself."""
    calls: Counter[str] = Counter()
    tokens: dict[str, Counter[str]] = {model: Counter() for model in PRICES}
    cost: Counter[str] = Counter()
    for one in simulator.state.ledger.log:
        if one.status != 200:
            continue
        amounts = (
            one.input_tokens,
            one.cache_read_tokens,
            one.cache_write_tokens,
            one.output_tokens,
        )
        calls[one.model] += 1
        tokens[one.model].update(dict(zip(KINDS, amounts, strict=True)))
        rates = (round(dollars * 1000) for dollars in PRICES[one.model])
        nano = sum(rate * amount for rate, amount in zip(rates, amounts, strict=True))
        cost[one.model] += -(-nano // 1000)
    return {model: _account(calls[model], tokens[model], cost[model]) for model in PRICES}


def by_access_log(file: Path) -> dict[str, Account]:
    """What the lines of the access log add up to."""
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    sums = {}
    for model in PRICES:
        mine = [one for one in lines if one["model"] == model and one["status"] == 200]
        tokens = Counter({kind: sum(one[f"{kind}_tokens"] for one in mine) for kind in KINDS})
        sums[model] = _account(len(mine), tokens, sum(one["cost_microusd"] for one in mine))
    return sums


def by_prometheus(server: Prometheus) -> dict[str, Account]:
    """What has been scraped by now."""
    by_model = "sum by (gen_ai_request_model)"
    calls = server.query(by_model + ' (gateway_calls_total{status="200"})')
    tokens = server.query("sum by (gen_ai_request_model, gen_ai_token_type) (gateway_tokens_total)")
    cost = server.query(by_model + " (gateway_cost_usd_total)")

    def of(found: list[tuple[dict[str, str], float]], **labels: str) -> float:
        return sum(value for each, value in found if labels.items() <= each.items())

    return {
        model: _account(
            int(of(calls, gen_ai_request_model=model)),
            Counter(
                {
                    kind: int(of(tokens, gen_ai_request_model=model, gen_ai_token_type=kind))
                    for kind in KINDS
                }
            ),
            round(of(cost, gen_ai_request_model=model) * 1_000_000),
        )
        for model in PRICES
    }


def by_usage(file: Path) -> tuple[int, dict[str, Account]]:
    """What `gateway usage` tells, and of how many calls of all models."""
    told = gateway("usage", "--by", "model", "--config", file.name, "--json", folder=file.parent)
    rows = {row["model"]: row for row in told.json} if told.code == 0 else {}
    sums = {}
    for model in PRICES.keys() & rows.keys():
        row = rows[model]
        tokens = Counter({kind: row[f"{kind}_tokens"] for kind in KINDS})
        sums[model] = _account(row["calls"], tokens, row["cost_microusd"])
    return sum(row["calls"] for row in rows.values()), sums


def _account(calls: int, tokens: Counter[str], microusd: int) -> Account:
    return Account(calls, {kind: tokens[kind] for kind in KINDS}, microusd)


async def test_prometheus_the_accounts_the_access_log_and_the_provider_agree(
    provider: RunningSimulator, store_url: str, prometheus: Start
) -> None:
    """To the token and to the micro-dollar, over two workers."""
    provider.state.configure(SimulatorSettings(limits={}))
    provider.state.reset()
    address = f"127.0.0.1:{free_port()}"
    with short_directory() as folder, prometheus([address]) as server:
        file = folder / "gateway.yaml"
        file.write_text(
            CONFIG.format(
                address=address,
                store_url=store_url,
                simulator=provider.url,
                alice=KEY,
                bob=OTHER_KEY,
            )
        )
        with running("serve", "--config", str(file), folder=folder) as served:
            await until(lambda: server.value("gateway_workers") == 2, "both workers to be up")
            await fleet(served.url)
            said = by_provider(provider)
            finished = len(provider.state.ledger.log)
            await until(
                lambda: server.value("sum(gateway_calls_total)") == finished,
                "Prometheus to scrape all calls",
            )
            scraped = by_prometheus(server)
            await until(lambda: by_usage(file)[0] == finished, "the accounts to hold all calls")
            accounts = by_usage(file)[1]
            outcome = served.stop()
        logged = by_access_log(folder / "access.log")
        lines = (folder / "access.log").read_text().splitlines()
        ids = [json.loads(one)["request_id"] for one in lines]
    assert outcome.code == 0, outcome.err
    assert len({one.removeprefix("req_")[:8] for one in ids}) == 2, "both workers served calls"
    assert scraped == said
    assert logged == said
    assert accounts == said
    assert {model: one.calls for model, one in said.items()} == {
        "claude-haiku-4-5": 2 * TURNS * 3,
        "gpt-4o-mini": 2 * TURNS * 2,
        "gemini-2.5-flash": 2 * TURNS * 2,
    }
    claude = said["claude-haiku-4-5"]
    assert min(claude.tokens.values()) > 0, "every kind was used"
    assert all(one.microusd > 0 for one in said.values())
