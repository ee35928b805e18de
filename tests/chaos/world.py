"""Two gateways, a store and a provider in processes of their own, with proxies between them."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx2

from tests.chaos.fleet import MODEL
from tests.chaos.processes import Process, Store, command
from tests.chaos.proxy import Link, link

REPLICAS = 2
MINUTE_S = 10.0
BUDGET_TPM = 3000
"""Of each agent, in a shortened minute; what the fleet asks for is several times as much."""
AGENTS = ("ann", "bob", "cid", "dot")
KEYS = {name: f"gw-key-of-agent-{name}-in-chaos" for name in AGENTS}
PROVIDER_KEY = "sim-anthropic-key"
_LOOK_S = 0.2


@dataclass
class World:
    """What runs.

    Attributes:
        ways: From each gateway to the store.
        provider_way: From all gateways to the provider.
        log: What ended at the provider, gathered over its restarts.
    """

    folder: Path
    store: Store
    simulator: Process
    gateways: list[Process]
    urls: list[str]
    ways: list[Link]
    provider_way: Link
    provider_url: str
    log: list[dict[str, Any]] = field(default_factory=list)
    _seen: int = 0
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def read_log(self) -> None:
        """Take what has ended at the provider since the last time."""
        async with (
            self._reading,
            httpx2.AsyncClient(base_url=self.provider_url, trust_env=False, verify=False) as client,
        ):
            try:
                found = (await client.get(f"/_sim/log?since={self._seen}")).json()
            except httpx2.HTTPError:
                return
            self.log += found
            self._seen = max([self._seen, *(one["seq"] for one in found)])

    async def kill_simulator(self) -> None:
        """Kill the provider; its log is lost, but for what was read."""
        await self.read_log()
        await self.simulator.kill()
        self._seen = 0

    async def keep_log(self) -> None:
        """Read the log again and again."""
        while True:
            await asyncio.sleep(_LOOK_S)
            await self.read_log()

    def access_lines(self) -> dict[str, dict[str, Any]]:
        """What the gateways wrote of their calls, by request id."""
        found = {}
        for number in range(REPLICAS):
            file = self.folder / f"access-{number}.jsonl"
            for text in file.read_text().splitlines() if file.exists() else ():
                try:
                    line = json.loads(text)
                except ValueError:  # the last line of a process that was killed
                    continue
                found[line["request_id"]] = line
        return found


def configuration(store_port: int, provider_port: int, folder: Path, number: int) -> dict[str, Any]:
    """One gateway's file."""
    return {
        "minute": f"{MINUTE_S}s",
        "listen": f"127.0.0.1:{free_port()}",
        "state": {
            "url": f"redis://127.0.0.1:{store_port}",
            "dir": str(folder / f"state-{number}"),
        },
        "logging": {
            "access_log": True,
            "access_file": str(folder / f"access-{number}.jsonl"),
            "level": "warning",
        },
        "server": {"shutdown_grace": "5s"},
        "queue": {"max_wait": "20s", "ageing": "5s"},
        "providers": {
            "claude": {
                "dialect": "anthropic",
                "base_url": f"http://127.0.0.1:{provider_port}",
                "api_key": PROVIDER_KEY,
            }
        },
        "lanes": {
            "sonnet": {
                "provider": "claude",
                "models": [MODEL],
                "limits": {"rpm": 600, "itpm": 60_000, "otpm": 20_000, "concurrency": 20},
            }
        },
        "agents": {
            name: {"key": key, "budget": {"tpm": BUDGET_TPM, "mode": "hard"}}
            for name, key in KEYS.items()
        },
    }


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Everything, started."""
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="chaos-")))
        store_port, provider_port = free_port(), free_port()
        store = Store(folder, store_port)
        simulator = command(
            "simulate",
            "--json",
            *("--listen", f"127.0.0.1:{provider_port}", "--minute", f"{MINUTE_S}s"),
            *("--ttft", "50ms", "--tokens-per-s", "200", "--anthropic-limits", "none"),
            log=folder / "simulator.log",
        )
        ways = [await stack.enter_async_context(link(store_port)) for _ in range(REPLICAS)]
        provider_way = await stack.enter_async_context(link(provider_port))
        gateways, urls = [], []
        for number, way in enumerate(ways):
            file = folder / f"gateway-{number}.yaml"
            to = configuration(way.own_port, provider_way.own_port, folder, number)
            file.write_text(json.dumps(to))
            log = folder / f"gateway-{number}.log"
            gateways.append(command("serve", "--config", str(file), "--json", log=log))
            urls.append(f"http://{to['listen']}")
        for one in (store, simulator, *gateways):
            stack.push_async_callback(one.kill)
        await asyncio.gather(store.start(), simulator.start())
        await asyncio.gather(*(one.start() for one in gateways))
        yield World(
            folder,
            store,
            simulator,
            gateways,
            urls,
            ways,
            provider_way,
            f"http://127.0.0.1:{provider_port}",
        )


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
