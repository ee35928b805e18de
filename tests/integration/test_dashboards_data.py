"""Every query of every dashboard, run by a real Prometheus that scrapes a gateway under load.

The load has all that panels show: prompts that are cached, sessions, tags, waits, refusals, a
provider's 429s and overloads, answers that are cut, models without a price, routes.
"""

import asyncio
import random
from collections.abc import Iterator

import pytest

from dashboards.boards import BOARDS
from dashboards.panels import Board, Panel, Query
from gateway.simulator import FaultRule, LimitRule, Limits, RunningSimulator, SimulatorSettings
from tests.cli.gateway_command import running
from tests.fixtures.gateway import KEY, OTHER_KEY
from tests.fixtures.prometheus import Prometheus, Start
from tests.fixtures.valkey import short_directory
from tests.integration.speaking import GEMINI, OPENAI, Agent, Speech, agent

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONFIG = """\
listen: 127.0.0.1:0
minute: 4s
state: {{url: "{store_url}", dir: ./state}}
logging: {{access_file: ./access.log}}
providers:
  claude: {{dialect: anthropic, base_url: "{simulator}", api_key: sim-anthropic-key}}
  openai: {{dialect: openai, base_url: "{simulator}/v1", api_key: sim-openai-key}}
  gemini: {{dialect: gemini, base_url: "{simulator}", api_key: sim-gemini-key}}
lanes:
  claude: {{provider: claude, models: ["*"], limits: {{rpm: 100, itpm: 60000, otpm: 20000, concurrency: 6}}}}
  gpt: {{provider: openai, models: ["gpt-*"]}}
fallbacks:
  gpt: [claude-haiku-4-5]
routes:
  - {{name: simple, match: {{model: "claude-sonnet-*"}}, simple: claude-haiku-4-5, mode: enforce}}
runaways: {{repeated: 3}}
breakers: {{in_row: 3, open: 1s}}
agents:
  alice: {{key: {alice}, team: research, budget: {{tpm: 100000, usd_per_day: 100}}}}
  bob: {{key: {bob}, priority: background}}
teams:
  research: {{budget: {{usd_per_month: 1000}}}}
"""
CLAUDE = Speech("anthropic", "claude-sonnet-5", True, "claude")
UNPRICED = Speech("anthropic", "claude-of-tomorrow", False, "claude")
FAULTS = [
    FaultRule(kind="status", dialect="anthropic", variant="rate_limit", status=429, count=4,
              probability=0.2, retry_after_s=0.2),
    FaultRule(kind="status", dialect="openai", status=500, probability=0.6),
    FaultRule(kind="cut", dialect="anthropic", stream=True, probability=0.1, after_chunks=2),
]  # fmt: skip
LIMIT_S = 45.0
QUERIES = [
    (board, panel, query)
    for board in BOARDS
    for row in board.rows
    for panel in row.panels
    for query in panel.queries
]


def concrete(query: Query, board: Board) -> str:
    """The expression as Grafana would send it, with all values of every variable."""
    text = query.expr.replace("$__rate_interval", "5s").replace("$__range_s", "60")
    text = text.replace("$__range", "60s")
    for variable in board.variables:
        text = text.replace(f"${variable}", ".*")
    assert "$" not in text, text
    return text


async def work(one: Agent, seed: int) -> None:
    """Call on and on, a bit of everything, as one agent."""
    dice = random.Random(seed)
    context = "We begin with these words, all of us. " * 400
    for turn in range(10_000):
        context += f"Turn {turn} adds something. " * 20
        extra = {"x-gateway-tag": f"project=p{seed}", "x-gateway-session": f"s{seed}"}
        speech = dice.choice([CLAUDE, CLAUDE, OPENAI, GEMINI, UNPRICED])
        await one.say(speech, dice.randint(5, 80), prompt=context[-9_000:], extra=extra)
        cached = {
            "model": "claude-haiku-4-5",
            "max_tokens": 30,
            "messages": [
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "text",
                            "text": "The same beginning as always. " * 900,
                            "cache_control": {"type": "ephemeral"},
                        },
                        {"type": "text", "text": f"Turn {turn}. [[output=20]]"},
                    ],
                }
            ],
        }
        headers = CLAUDE.headers(one.key, extra)
        await one.say(GEMINI, 5, prompt="The same call again and again.")
        await one.say(CLAUDE, 5, prompt="hi")
        await one.client.post(one.url + CLAUDE.path, json=cached, headers=headers)


def empty(
    server: Prometheus, wanted: list[tuple[Board, Panel, Query]]
) -> Iterator[tuple[Board, Panel, Query]]:
    """Those that give no series yet; what Prometheus does not accept fails at once."""
    for board, panel, query in wanted:
        if not server.query(concrete(query, board)):
            yield board, panel, query


async def test_every_query_returns_data_under_load(
    provider: RunningSimulator, store_url: str, prometheus: Start
) -> None:
    """Also those of panels that are quiet on a healthy gateway: this one is not."""
    generous = (LimitRule("*", Limits(rpm=10_000, itpm=10_000_000, otpm=1_000_000)),)
    settings = SimulatorSettings(
        limits={"anthropic": generous}, ttft_s=0.01, extra_models={"anthropic": (UNPRICED.model,)}
    )
    provider.state.configure(settings)
    provider.state.reset()
    provider.state.faults.set(FAULTS)
    with short_directory() as folder:
        file = folder / "gateway.yaml"
        file.write_text(
            CONFIG.format(store_url=store_url, simulator=provider.url, alice=KEY, bob=OTHER_KEY)
        )
        with (
            running("serve", "--config", str(file), folder=folder) as served,
            prometheus([served.url.removeprefix("http://")]) as server,
        ):
            async with agent(served.url, KEY) as alice, agent(served.url, OTHER_KEY) as bob:
                working = [
                    asyncio.ensure_future(work(one, seed))
                    for seed, one in enumerate((alice, alice, alice, alice, bob, bob, bob, bob))
                ]
                try:
                    missing = await _answered(server)
                finally:
                    for one in working:
                        one.cancel()
                    await asyncio.gather(*working, return_exceptions=True)
    assert [f"{board.uid}: {panel.title}: {query.expr}" for board, panel, query in missing] == []


async def _answered(server: Prometheus) -> list[tuple[Board, Panel, Query]]:
    """What has still no data when the time is up."""
    loop = asyncio.get_running_loop()
    ends_at = loop.time() + LIMIT_S
    missing = QUERIES
    while True:
        missing = await asyncio.to_thread(lambda wanted: list(empty(server, wanted)), missing)
        if not missing or loop.time() > ends_at:
            return missing
        await asyncio.sleep(1)
