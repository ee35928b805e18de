"""The fleets of the benchmark, and how one of their agents works.

Two urgent agents make small calls at random times. Normal agents are coding agents: three
parallel workers, prompts of 4,000 to 12,000 tokens, answers of 300 to 800, streamed. Background
agents make such calls as fast as they are let, three at once, not streamed. Every fifth normal
agent has weight 2. In fleets of ten and more the last normal agent has a hard budget, and a weight
with which it would use more than that.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random

from tests.bench.fleet_client import Answer, Client, Target, retry_delay_s

MODEL = "claude-sonnet-5"
BYTES_PER_TOKEN = 4000 / 1300  # of the simulator's tokenizer for this model
BUDGET_TPM = 16_000
TIMEOUT_S, BACKGROUND_TIMEOUT_S = 600.0, 3600.0
"""Read timeouts, so long without a byte, in provider seconds: the SDKs' default, and what whoever
sends background work without streaming has to set, since nothing can keep such a call alive."""
_AFTER_FAILURE_S = 5.0
_TEXT = "the agent reads the file and writes down what it found before it asks again; " * 700


@dataclass(frozen=True)
class Agent:
    """One agent; durations in provider seconds."""

    name: str
    band: str
    workers: int
    prompt_tokens: tuple[int, int] = (4_000, 12_000)
    output_tokens: tuple[int, int] = (300, 800)
    stream: bool = True
    pause_s: float = 0.0
    timeout_s: float = TIMEOUT_S
    weight: float = 1.0
    budget_tpm: int | None = None

    @property
    def key(self) -> str:
        """Its gateway key."""
        return f"gw-fleet-key-of-{self.name}"

    @property
    def equal(self) -> bool:
        """Whether it is one of those that should get equal shares."""
        return self.band == "normal" and self.weight == 1 and self.budget_tpm is None


def fleet(count: int) -> list[Agent]:
    """A fleet of so many agents."""
    normal = round((count - 2) * 0.6)
    urgent = Agent("", "urgent", 1, (300, 1_200), (50, 200), pause_s=15.0)
    agents = [replace(urgent, name=f"urgent-{n}") for n in range(2)]
    for n in range(normal):
        budgeted = count >= 10 and n == normal - 1
        agents.append(
            Agent(
                f"normal-{n}",
                "normal",
                3,
                weight=count / 2 if budgeted else 2.0 if n % 5 == 0 else 1.0,
                budget_tpm=BUDGET_TPM if budgeted else None,
            )
        )
    for n in range(count - 2 - normal):
        agents.append(
            Agent(f"background-{n}", "background", 3, stream=False, timeout_s=BACKGROUND_TIMEOUT_S)
        )
    return agents


@dataclass
class Call:
    """One call of an agent, with its attempts; times on the machine's monotonic clock.

    Attributes:
        end: `answered`, `failed`, or `cut` by the end of the run.
        limited: How many 429s the agent saw.
        status: The last status it saw.
    """

    id: str
    agent: str
    began_s: float
    ended_s: float = 0.0
    end: str = "cut"
    limited: int = 0
    status: int = 0


@dataclass
class Work:
    """What a fleet has done."""

    calls: list[Call] = field(default_factory=list)


@asynccontextmanager
async def working(
    agents: list[Agent], targets: list[Target], scale: float, seed: int
) -> AsyncIterator[Work]:
    """A fleet that works as long as the context is open.

    Args:
        agents: The fleet.
        targets: Where to send calls; workers are spread over them.
        scale: Real seconds in a provider second.
        seed: Of everything random.
    """
    work = Work()
    places = [(agent, n) for agent in agents for n in range(agent.workers)]
    tasks = [
        asyncio.create_task(
            _worker(
                work,
                agent,
                n,
                targets[place % len(targets)],
                scale,
                Random(f"{seed}/{agent.name}/{n}"),
            )
        )
        for place, (agent, n) in enumerate(places)
    ]
    try:
        yield work
    finally:
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Exception):
                raise outcome


async def _worker(
    work: Work, agent: Agent, number: int, target: Target, scale: float, random: Random
) -> None:
    client = Client(target)
    try:
        for n in _numbers(number, agent.workers):
            if agent.pause_s:
                await asyncio.sleep(random.expovariate(1 / agent.pause_s) * scale)
            call = Call(f"{agent.name}/{n}", agent.name, time.monotonic())
            work.calls.append(call)
            await _call(client, agent, call, scale, random)
            call.ended_s = time.monotonic()
            if call.end == "failed":
                await asyncio.sleep(_AFTER_FAILURE_S * scale)
    finally:
        client.close()


def _numbers(first: int, step: int) -> Iterator[int]:
    while True:
        yield first
        first += step


async def _call(client: Client, agent: Agent, call: Call, scale: float, random: Random) -> None:
    body = _body(agent, call.id, random)
    key = client.target.key or agent.key
    for retry in range(3):  # the SDK's max_retries is 2
        answer = Answer(0)
        with suppress(ConnectionError, TimeoutError):
            answer = await client.ask(key, call.id, retry, body, agent.timeout_s * scale)
        call.status = answer.status
        call.limited += answer.status == 429
        if answer.status == 200 and not answer.broken:
            call.end = "answered"
            return
        pause_s = retry_delay_s(answer, retry, scale, random)
        if retry == 2 or pause_s is None:
            break
        await asyncio.sleep(pause_s)
    call.end = "failed"


def _body(agent: Agent, call_id: str, random: Random) -> bytes:
    size = int(random.randint(*agent.prompt_tokens) * BYTES_PER_TOKEN)
    output = random.randint(*agent.output_tokens)
    text = f"{call_id} {_TEXT[:size]} [[output={output}]]"
    return json.dumps(
        {
            "model": MODEL,
            "max_tokens": 1000,
            "stream": agent.stream,
            "messages": [{"role": "user", "content": text}],
        }
    ).encode()
