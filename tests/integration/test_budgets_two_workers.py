"""Two workers and three replicas together keep one budget, over any sliding minute.

Field notes 1, 6 and 10. The measure is the log of the simulated provider, under a backlog that
never ends. A call reaches the provider a little after it was admitted, so two bursts can stand
closer together there than here: windows are shortened by `JITTER`.
"""

import asyncio
import itertools
import random
import signal
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from gateway.domain.limits import Budget, LaneLimits
from gateway.simulator import Limits, RunningSimulator
from gateway.store.connection import connect
from tests.cli.gateway_command import running
from tests.fixtures.gateway import KEY
from tests.fixtures.valkey import short_directory
from tests.integration.ground import ground
from tests.integration.sliding import most_in_window, tokens_seen
from tests.integration.speaking import ALL, ANTHROPIC, OPENAI, STREAMED, Agent, Speech, agent
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
MINUTE_S = 1.0
MINUTES = 2.5
JITTER = 0.1
BUDGET = 2000
SMALL, LARGE = 20, 60
"""Output tokens of a call."""
AT_ONCE = 8


async def backlog(agents: Sequence[Agent], speeches: Sequence[Speech], for_s: float) -> list[int]:
    """Keep AT_ONCE calls going at each gateway for a while; the statuses of all."""
    dice = random.Random(7)
    loop = asyncio.get_running_loop()
    until_s = loop.time() + for_s
    turns = itertools.cycle(speeches)
    statuses: list[int] = []

    async def keep_calling(one: Agent) -> None:
        while loop.time() < until_s:
            answer = await one.say(next(turns), dice.randint(SMALL, LARGE), prompt="word " * 20)
            statuses.append(answer.status)

    await asyncio.gather(*(keep_calling(one) for one in agents for _ in range(AT_ONCE)))
    return statuses


def check_budget(simulator: RunningSimulator, speech_count: int) -> None:
    """No window holds more than the budget: the requested maximum is held."""
    ledger = simulator.state.ledger
    calls = list(ledger.log)
    seen = tokens_seen(calls)
    most = most_in_window(seen, MINUTE_S * (1 - JITTER))
    assert most <= BUDGET, f"{most} of {BUDGET} in a minute"
    lasted_s = seen[-1][0] - seen[0][0]
    used = sum(amount for _, amount in seen)
    assert used > 0.5 * BUDGET * lasted_s / MINUTE_S, "the budget was not what bound"
    assert len({(one.dialect, one.stream) for one in calls}) == speech_count


@pytest.mark.parametrize("replicas", [2, 3])
async def test_replicas_together_keep_an_agents_budget_over_any_minute(
    provider: RunningSimulator, store_url: str, replicas: int
) -> None:
    """Field notes 1 and 10: streamed and not, in all dialects, with one key at every replica."""
    async with ground(
        provider,
        store_url,
        budget=Budget(tpm=BUDGET),
        minute_s=MINUTE_S,
        replicas=replicas,
        tokens_per_s=1000,
    ) as here:
        statuses = await backlog(here.agents, ALL, MINUTE_S * MINUTES)
        assert set(statuses) == {200}
        check_budget(provider, len(ALL))


@pytest.mark.parametrize(
    ("speech", "limits"),
    [
        (STREAMED[0], LaneLimits(rpm=400, itpm=6000, otpm=4000)),
        (OPENAI, LaneLimits(rpm=400, tpm=4000)),
    ],
    ids=["anthropic", "openai"],
)
async def test_replicas_together_keep_a_lanes_limits(
    provider: RunningSimulator, store_url: str, speech: Speech, limits: LaneLimits
) -> None:
    """Field notes 1 and 11, promise 1: a provider with the same limits refuses nothing."""
    own = Limits(rpm=limits.rpm, itpm=limits.itpm, otpm=limits.otpm, tpm=limits.tpm)
    async with ground(
        provider,
        store_url,
        lane=(speech, limits),
        provider=own,
        minute_s=MINUTE_S,
        replicas=3,
        tokens_per_s=1000,
    ) as here:
        statuses = await backlog(here.agents, [speech], MINUTE_S * 2)
        assert set(statuses) == {200}
        assert here.refused_by_provider == 0
        assert len(statuses) > 60


CONFIG = """\
listen: 127.0.0.1:0
minute: {minute_s}s
state: {{url: "{store_url}", dir: ./state}}
logging: {{access_log: false}}
server: {{workers: {workers}}}
providers:
  claude: {{dialect: anthropic, base_url: "{simulator}", api_key: sim-anthropic-key}}
  openai: {{dialect: openai, base_url: "{simulator}/v1", api_key: sim-openai-key}}
  gemini: {{dialect: gemini, base_url: "{simulator}", api_key: sim-gemini-key}}
agents:
  alice: {{key: {key}, budget: {budget}}}
"""


def configured(
    folder: Path, store_url: str, simulator: RunningSimulator, budget: str, workers: int = 1
) -> str:
    """A configuration file for a gateway in a process of its own."""
    path = folder / "gateway.yaml"
    path.write_text(
        CONFIG.format(
            minute_s=MINUTE_S,
            store_url=store_url,
            simulator=simulator.url,
            key=KEY,
            budget=budget,
            workers=workers,
        )
    )
    return str(path)


async def test_two_worker_processes_keep_one_budget(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 1: `gateway serve --workers 2`, as it is run."""
    async with ground(provider, store_url, minute_s=MINUTE_S, tokens_per_s=1000):
        pass  # the provider's behaviour; the gateway is the one below
    with short_directory() as folder:
        file = configured(folder, store_url, provider, f"{{tpm: {BUDGET}}}", workers=2)
        with running("serve", "--config", file, folder=folder) as gateway:
            async with agent(gateway.url) as first, agent(gateway.url) as second:
                statuses = await backlog([first, second], ALL, MINUTE_S * MINUTES)
                text = (await first.client.get(gateway.url + "/metrics")).text
            outcome = gateway.stop()
    assert set(statuses) == {200}
    check_budget(provider, len(ALL))
    counted = sum(
        float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("gateway_calls_total{") and 'agent="alice"' in line
    )
    assert counted == len(statuses)  # of both workers
    assert outcome.code == 0


async def test_a_killed_replica_gives_its_holds_back_within_seconds(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 6: after kill -9 no hold is left that only a restart of the store would remove."""
    async with ground(
        provider, store_url, budget=Budget(concurrency=1), minute_s=MINUTE_S, ttft_s=30
    ) as here:
        with short_directory() as folder:
            file = configured(folder, store_url, provider, "{concurrency: 1}")
            with running("serve", "--config", file, folder=folder) as doomed:
                async with agent(doomed.url) as there:
                    lost = asyncio.ensure_future(there.say(ANTHROPIC))
                    await until(lambda: provider.state.ledger.in_flight == 1, "a call there")
                    waiting = asyncio.ensure_future(here.alice.say(STREAMED[0]))
                    held = await here.books.inspect_agent("alice")
                    assert (held.in_flight, held.held_requests) == (1, 1)
                    doomed.process.send_signal(signal.SIGKILL)
                    with pytest.raises(httpx2.TransportError):
                        await lost
                provider.state.configure(type(provider.state.settings)(limits={}))
                async with asyncio.timeout(6):
                    answer = await waiting
        assert answer.status == 200
        after = await here.books.inspect_agent("alice")
        assert (after.in_flight, after.held_requests, after.held_output) == (0, 0, 0)
        reserved, settled, released, expired = after.ledger
        assert reserved == [sum(x) for x in zip(settled, released, expired, strict=True)]
        assert expired[0] == 1 or settled[0] == 2


async def test_nothing_in_the_store_lives_for_ever(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 6: every key that a call leaves behind expires."""
    async with ground(
        provider, store_url, budget=Budget(tpm=BUDGET, concurrency=2), minute_s=MINUTE_S
    ) as here:
        await asyncio.gather(*(here.alice.say(one) for one in ALL))
        redis = await connect(store_url)
        try:
            keys = [key async for key in redis.scan_iter()]
            lasting = [key for key in keys if await redis.ttl(key) < 0]
        finally:
            await redis.aclose()
        assert keys
        assert lasting == []
