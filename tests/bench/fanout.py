"""Twenty sub-agents start at once on one prefix of 50,000 tokens, in a lane of 80,000 ITPM or more.

    python -m tests.bench.fanout

Each asks one question about the same material, which is its system prompt. Real sockets: the
provider simulator with a shortened minute, a gateway with its own store, one client. Every row is a
run of its own on a fresh provider; figures of the provider are from its own ledger, and times are
given in its seconds. Once the prompts come without cache marks, as most agents send them, and once
with a mark behind the material, as Claude Code does. In a lane of 2,000,000 ITPM nothing has to
wait for the limit; there the price is what there is to gain.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from gateway.core.convoy import ConvoySettings
from gateway.domain.topology import Agent
from gateway.simulator import RunningSimulator, SimulatorSettings, start_simulator
from gateway.simulator.settings import ANTHROPIC, LimitRule, Limits
from gateway.simulator.tokenizer import count_tokens
from gateway.store.embedded import EmbeddedValkey
from tests.fixtures.gateway import (
    ALICE,
    KEY,
    LaneLimits,
    configured_lane,
    gateway_settings,
    running_gateway,
)

MODEL = "claude-sonnet-4-6"
AGENTS = 20
PREFIX_TOKENS = 50_000
NARROW, WIDE = 80_000, 2_000_000
INPUT_USD, WRITE_USD, READ_USD = 3.0, 3.75, 0.30
"""A million tokens of this model (provider-facts A6)."""
OUTPUT_TOKENS = 300
TTFT_S, TOKENS_PER_S = 2.0, 60.0
PATIENCE_S = 3600.0
"""In provider seconds, as everything that is named here."""
_SENTENCE = "The tide tables of the harbour are kept by the warden of the northern pier. "


@dataclass(frozen=True)
class Row:
    """One run.

    Attributes:
        itpm: The lane.
        marked: The prompts come with a cache mark.
        assisted: The agent has cache assistance.
        all_s: Until the last sub-agent has its answer, in provider seconds.
        hit_rate: Share of all prompt tokens that came out of the provider's cache.
        useful: Prompt tokens that were answered, for each that the limit counted.
        counted: Input tokens that it counted.
        usd: What all input costs.
        refused: Times that the provider said 429.
    """

    itpm: int
    marked: bool
    assisted: bool
    all_s: float
    hit_rate: float
    useful: float
    counted: int
    usd: float
    refused: int

    def shown(self, without: "Row") -> str:
        """A line of the table."""
        return (
            f"{self.itpm:>9,}  {'marked' if self.marked else 'unmarked':10}"
            f"{'on' if self.assisted else 'off':>10}{self.all_s:>12.1f} s"
            f"{without.all_s / self.all_s:>7.1f}x{self.hit_rate:>10.1%}{self.counted:>11,}"
            f"{self.useful:>16.1f}{self.usd:>9.2f}{self.refused:>5}"
        )


def material() -> str:
    """A text of so many tokens."""
    times = PREFIX_TOKENS // max(1, count_tokens(_SENTENCE))
    text = _SENTENCE * times
    while count_tokens(text) < PREFIX_TOKENS:
        text += _SENTENCE
    return text


@asynccontextmanager
async def world(
    minute_s: float, itpm: int, *, assisted: bool
) -> AsyncIterator[tuple[RunningSimulator, str]]:
    """A fresh provider, a fresh store, a fresh gateway."""
    scale = minute_s / 60
    provider = SimulatorSettings(
        minute_s=minute_s,
        ttft_s=TTFT_S * scale,
        tokens_per_s=TOKENS_PER_S / scale,
        limits={ANTHROPIC: (LimitRule("*", Limits(rpm=1000, itpm=itpm, otpm=400_000)),)},
    )
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(start_simulator(provider))
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fanout-")))
        store = await stack.enter_async_context(EmbeddedValkey(folder))
        settings = gateway_settings(
            simulator.url, agents=[Agent(ALICE, cache_assist=assisted)], minute_s=minute_s
        )
        limits = LaneLimits(rpm=1000, itpm=itpm, otpm=400_000)
        lane = configured_lane("lane", settings.topology.providers["claude"], (MODEL,), limits)
        settings = replace(
            settings,
            topology=replace(settings.topology, lanes={"lane": lane}),
            caching=ConvoySettings(hold_s=ConvoySettings().hold_s * scale),
        )
        gateway = await stack.enter_async_context(running_gateway(settings, store.url))
        yield simulator, gateway.url


async def ask(client: httpx2.AsyncClient, url: str, number: int, system: Any) -> None:
    """One sub-agent."""
    question = f"Question {number}: who keeps the tables? [[output={OUTPUT_TOKENS}]]"
    body = {
        "model": MODEL,
        "max_tokens": 2 * OUTPUT_TOKENS,
        "system": system,
        "messages": [{"role": "user", "content": question}],
        "stream": True,
    }
    headers = {
        "x-api-key": KEY,
        "anthropic-version": "2023-06-01",
        "x-gateway-max-wait": str(PATIENCE_S),
    }
    answer = await client.post(url + "/v1/messages", json=body, headers=headers)
    answer.raise_for_status()
    if b"message_stop" not in answer.content:
        raise RuntimeError(f"no whole answer: {answer.content[-300:]!r}")


async def run(minute_s: float, itpm: int, *, marked: bool, assisted: bool) -> Row:
    """All of them at once."""
    text, loop = material(), asyncio.get_running_loop()
    mark = {"type": "ephemeral"}
    system: Any = [{"type": "text", "text": text, "cache_control": mark}] if marked else text
    async with (
        world(minute_s, itpm, assisted=assisted) as (simulator, url),
        httpx2.AsyncClient(timeout=PATIENCE_S, trust_env=False, verify=False) as client,
    ):
        began = loop.time()
        await asyncio.gather(*(ask(client, url, number, system) for number in range(AGENTS)))
        took_s = loop.time() - began
        log = list(simulator.state.ledger.log)
    whole = [each for each in log if each.whole]
    read = sum(each.cache_read_tokens for each in whole)
    written = sum(each.cache_write_tokens for each in whole)
    plain = sum(each.input_tokens for each in whole)
    counted = sum(each.charged.get("input_tokens", 0) for each in log)
    return Row(
        itpm,
        marked,
        assisted,
        all_s=took_s * 60 / minute_s,
        hit_rate=read / (read + written + plain),
        useful=(read + written + plain) / counted,
        counted=counted,
        usd=(plain * INPUT_USD + written * WRITE_USD + read * READ_USD) / 1e6,
        refused=sum(each.status == 429 for each in log),
    )


async def main() -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minute", type=float, default=6.0, help="seconds of a provider minute")
    minute_s = parser.parse_args().minute
    print(
        f"{AGENTS} sub-agents at once, {PREFIX_TOKENS:,} tokens in common, "
        f"a minute of {minute_s:g} s\n\n"
        f"{'ITPM':>9}  {'prompts':10}{'assistance':>10}{'all answered':>14}{'faster':>8}"
        f"{'hit rate':>10}{'counted':>11}{'useful/counted':>16}{'input $':>9}{'429':>5}"
    )
    for itpm, marked in ((NARROW, False), (NARROW, True), (WIDE, False), (WIDE, True)):
        without = await run(minute_s, itpm, marked=marked, assisted=False)
        print(without.shown(without), flush=True)
        assisted = await run(minute_s, itpm, marked=marked, assisted=True)
        print(assisted.shown(without), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
