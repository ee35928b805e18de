"""CPU of one proxied call: the gateway beside nginx and a bare uvicorn + httpx2 proxy.

Run: `make bench`. Everything is measured in one run, as CPU seconds of the proxy's processes
(with its store, for the gateway) divided by calls; wall time is not used, since machines are
noisy. The gateway runs as users run it: authentication, an admission decision with lane limits
and an agent budget in its own Valkey, metering, metrics and access log on.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from shutil import which

from . import load
from .canned import CHUNKS
from .processes import command, cpu_seconds, free_port, module

KEY = "gw-bench-key-of-the-only-agent"
SMALL = (
    b'{"model":"claude-sonnet-5","max_tokens":1024,"messages":[{"role":"user",'
    b'"content":"' + b"What does this function do? " * 16 + b'"}]}'
)
STREAMED = SMALL[:-1] + b',"stream":true}'
PATH = "/v1/messages"


@dataclass(frozen=True)
class Proxy:
    """One contestant."""

    name: str
    port: int
    pid: int


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=12_000)
    options.add_argument("--streams", type=int, default=300)
    options.add_argument("--connections", type=int, default=64)
    options.add_argument("--rounds", type=int, default=3)
    chosen = options.parse_args()
    with ExitStack() as stack:
        upstream = free_port()
        stack.enter_context(module("tests.bench.canned", str(upstream), port=upstream))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="gwb")))
        proxies = [
            *stack.enter_context(_nginx(folder, upstream)),
            stack.enter_context(_bare(upstream)),
            stack.enter_context(_gateway(folder, upstream)),
        ]
        _measure(proxies, chosen)


def _measure(proxies: list[Proxy], chosen: argparse.Namespace) -> None:
    calls = {proxy.name: [] for proxy in proxies}  # type: dict[str, list[float]]
    chunks = {proxy.name: [] for proxy in proxies}  # type: dict[str, list[float]]
    small, streamed = load.post(PATH, SMALL, KEY), load.post(PATH, STREAMED, KEY)
    for proxy in proxies:  # warm-up: imports, connections, learned lanes
        asyncio.run(load.run(proxy.port, small, 500, chosen.connections))
    for _ in range(chosen.rounds):
        for proxy in proxies:
            calls[proxy.name].append(_cost(proxy, small, chosen.calls, chosen.connections))
            per_stream = _cost(proxy, streamed, chosen.streams, chosen.connections)
            chunks[proxy.name].append((per_stream - calls[proxy.name][-1]) / CHUNKS)
    base = statistics.median(calls[proxies[0].name])
    print(f"{'proxy':<24}{'µs CPU per call':>18}{'ratio':>8}{'µs CPU per chunk':>20}")
    for proxy in proxies:
        call, chunk = statistics.median(calls[proxy.name]), statistics.median(chunks[proxy.name])
        print(f"{proxy.name:<24}{call:>18.0f}{call / base:>8.1f}{chunk:>20.1f}")


def _cost(proxy: Proxy, request: bytes, calls: int, connections: int) -> float:
    """µs of CPU per call."""
    before = cpu_seconds(proxy.pid)
    outcome = asyncio.run(load.run(proxy.port, request, calls, connections))
    spent = cpu_seconds(proxy.pid) - before
    if outcome.failures:
        raise RuntimeError(f"{proxy.name}: {outcome.failures} of {calls} calls failed")
    return spent / calls * 1e6


@contextmanager
def _nginx(folder: Path, upstream: int) -> Iterator[list[Proxy]]:
    binary = which("nginx") or which("nginx", path="/usr/sbin")
    if binary is None:
        print("nginx is not installed: left out")
        yield []
        return
    port = free_port()
    config = folder / "nginx.conf"
    config.write_text(
        f"""worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  keepalive_requests 1000000;
  upstream canned {{ server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 1000000; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://canned;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""
    )
    with command([binary, "-c", str(config)], port=port) as process:
        yield [Proxy("nginx", port, process.pid)]


@contextmanager
def _bare(upstream: int) -> Iterator[Proxy]:
    port = free_port()
    address = f"http://127.0.0.1:{upstream}"
    with module("tests.bench.bare_proxy", str(port), address, port=port) as process:
        yield Proxy("bare uvicorn + httpx2", port, process.pid)


@contextmanager
def _gateway(folder: Path, upstream: int) -> Iterator[Proxy]:
    port = free_port()
    config = folder / "gateway.yaml"
    config.write_text(
        f"""listen: 127.0.0.1:{port}
state: {{dir: {folder}/state}}
providers:
  claude: {{dialect: anthropic, base_url: "http://127.0.0.1:{upstream}", api_key: provider-key}}
lanes:
  sonnet:
    provider: claude
    models: ["claude-sonnet-*"]
    limits: {{rpm: 100000000, itpm: 10000000000, otpm: 10000000000}}
agents:
  bench: {{key: {KEY}, budget: {{rpm: 100000000, tpm: 10000000000}}}}
logging: {{access_file: {folder}/access.log}}
"""
    )
    program = str(Path(sys.executable).with_name("gateway"))
    with command([program, "serve", "--config", str(config)], port=port) as process:
        yield Proxy("gateway", port, process.pid)


if __name__ == "__main__":
    main()
