"""The processes of a benchmark cell: simulator, store, gateways; and the unannounced neighbour."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from gateway.store.embedded import EmbeddedValkey
from tests.bench.fleet_agents import MODEL, Agent
from tests.bench.fleet_client import Target
from tests.bench.processes import cpu_seconds

LIMITS = {"rpm": 50, "itpm": 80_000, "otpm": 16_000}
PROVIDER_KEY = "sim-anthropic-key"
MAX_WAIT_S = 3600.0
"""In provider seconds, as everything that is named here."""
AGEING_S = 30.0
HOLD_HEAD_S = 15.0
TTFT_S, TOKENS_PER_S = 1.0, 50.0
NEIGHBOUR_SHARE = 0.2
NEIGHBOUR_CALL_TOKENS = 1_600


@dataclass
class World:
    """What runs.

    Attributes:
        targets: Where the fleet sends its calls.
        pids: Processes by name.
    """

    simulator: httpx2.AsyncClient
    targets: list[Target]
    pids: dict[str, int]

    def cpu_s(self) -> dict[str, float]:
        """CPU time of each process so far."""
        return {name: cpu_seconds(pid) for name, pid in self.pids.items()}

    async def log(self) -> list[dict[str, Any]]:
        """Everything that ended at the provider."""
        found: list[dict[str, Any]] = (await self.simulator.get("/_sim/log")).json()
        return found

    async def stats(self) -> dict[str, Any]:
        """The provider's counters."""
        found: dict[str, Any] = (await self.simulator.get("/_sim/stats")).json()
        return found


@asynccontextmanager
async def world(agents: list[Agent], replicas: int, minute_s: float) -> AsyncIterator[World]:
    """A simulator, and so many gateways on one store; 0: calls go straight to the simulator."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="fleet-")))
        scale = minute_s / 60
        process, told = stack.enter_context(_command(_simulate(minute_s)))
        url = told["url"]
        simulator = await stack.enter_async_context(httpx2.AsyncClient(base_url=url, timeout=60))
        pids = {"simulator": process.pid}
        targets = [Target(int(url.rsplit(":", 1)[1]), PROVIDER_KEY)]
        if replicas:
            targets = []
            store = await stack.enter_async_context(EmbeddedValkey(folder / "store"))
            if store.pid is not None:
                pids["store"] = store.pid
        for n in range(replicas):
            file = folder / f"gateway-{n}.yaml"
            config = configuration(agents, url, store.url, folder / f"state-{n}", scale)
            file.write_text(json.dumps(config))
            arguments = ["serve", "--config", str(file), "--json", "--listen", "127.0.0.1:0"]
            process, told = stack.enter_context(_command(arguments))
            pids[f"gateway {n + 1}"] = process.pid
            targets.append(Target(int(told["url"].rsplit(":", 1)[1])))
        yield World(simulator, targets, pids)


def _simulate(minute_s: float) -> list[str]:
    scale = minute_s / 60
    limits = ",".join(f"{name}={value}" for name, value in LIMITS.items())
    arguments = ["simulate", "--json", "--while-stdin-is-open", "--listen", "127.0.0.1:0"]
    arguments += ["--minute", f"{minute_s}s", "--ttft", f"{TTFT_S * scale}s"]
    return [*arguments, "--tokens-per-s", f"{TOKENS_PER_S / scale}", "--anthropic-limits", limits]


def configuration(
    agents: list[Agent], simulator_url: str, store_url: str, state: Path, scale: float
) -> dict[str, Any]:
    """The gateway's configuration file. Everything not named here is the default."""
    return {
        "minute": f"{60 * scale}s",
        "state": {"url": store_url, "dir": str(state)},
        "logging": {"access_log": False, "level": "warning"},
        "server": {
            "shutdown_grace": "1s",
            "hold_head": f"{HOLD_HEAD_S * scale}s",
            "keepalive": f"{max(0.1, HOLD_HEAD_S * scale)}s",
        },
        "providers": {
            "claude": {"dialect": "anthropic", "base_url": simulator_url, "api_key": PROVIDER_KEY}
        },
        "lanes": {"sonnet": {"provider": "claude", "models": ["claude-*"], "limits": LIMITS}},
        "queue": {
            "max_wait": f"{MAX_WAIT_S * scale}s",
            "ageing": f"{max(0.1, AGEING_S * scale)}s",
        },
        "agents": {
            agent.name: {
                "key": agent.key,
                "priority": agent.band,
                "weight": agent.weight,
                "budget": {"tpm": agent.budget_tpm},
            }
            for agent in agents
        },
    }


@contextmanager
def _command(arguments: list[str]) -> Iterator[tuple["subprocess.Popen[str]", dict[str, Any]]]:
    """A command of the gateway that says as JSON when it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-m", "gateway", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            raise RuntimeError(f"gateway {arguments[0]} did not start")
        yield process, json.loads(line)
    finally:
        process.terminate()
        try:
            process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()


@asynccontextmanager
async def neighbour(world: World, scale: float, seed: int) -> AsyncIterator[None]:
    """Another client of the same account: a fifth of each limit in calls at random times."""
    calls = LIMITS["itpm"] * NEIGHBOUR_SHARE / NEIGHBOUR_CALL_TOKENS
    wish = {
        "dialect": "anthropic",
        "model": MODEL,
        "input_tokens": NEIGHBOUR_CALL_TOKENS,
        "output_tokens": round(LIMITS["otpm"] * NEIGHBOUR_SHARE / calls),
        "requests": 1,
    }
    random = Random(f"{seed}/neighbour")

    async def consume() -> None:
        while True:
            await asyncio.sleep(random.expovariate(calls / 60) * scale)
            (await world.simulator.post("/_sim/consume", json=wish)).raise_for_status()

    task = asyncio.create_task(consume())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
