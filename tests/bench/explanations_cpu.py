"""What it costs to keep the explanation of a call: CPU of the gateway process and of the store.

python -m tests.bench.explanations_cpu
"""

import argparse
import asyncio
import time
from dataclasses import replace

import uvloop

from gateway.domain.explanation import Attempt, Wait
from gateway.domain.facts import CallRecord
from gateway.domain.limits import Dimension, ScopeKind
from gateway.store.connection import ROOT, Client, connect
from gateway.store.explanations import FLUSH_S, StoredExplanations
from gateway.wiring.clock import SystemClock
from tests.fixtures.valkey import on_socket, running, short_directory
from tests.telemetry.test_metrics import RECORD

_PLAIN = replace(RECORD, last=Attempt(200, 1.5, "req_up"))
_WAITED = replace(
    _PLAIN,
    waits=(
        Wait(ScopeKind.LANE, "sonnet", Dimension.ITPM, 0.01, 2.5, 7, 2.2, ("bob", "carol")),
        Wait(ScopeKind.AGENT, "alice", Dimension.RPM, 2.51, 1.5, 1, 1.4),
    ),
    earlier=(Attempt(429, 0.2, "req_0", "rate_limited", "rate_limit_error"),),
)


async def _server_cpu_s(client: Client) -> float:
    info = await client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


async def measure(client: Client, record: CallRecord, batch: int, batches: int) -> str:
    """Note `batch` calls in each tenth of a second, and see what that took."""
    await client.flushall()
    kept = StoredExplanations(
        client, ROOT, SystemClock(), keep_s=3600, per_second=1_000_000, dropped=print
    )
    records = [replace(record, request_id=f"req_{n:016x}") for n in range(batch * batches)]
    memory = (await client.info("memory"))["used_memory"]
    server_s, cpu_s = await _server_cpu_s(client), time.process_time()
    for start in range(0, len(records), batch):
        for one in records[start : start + batch]:
            kept.call_finished(one)
        await asyncio.sleep(1.5 * FLUSH_S)
    await kept.stop()
    cpu_s, server_s = time.process_time() - cpu_s, await _server_cpu_s(client) - server_s
    memory = (await client.info("memory"))["used_memory"] - memory
    calls = len(records)
    return f"{1e6 * cpu_s / calls:12.1f}{1e6 * server_s / calls:12.1f}{memory / calls:12.0f}"


async def run(url: str, batches: int) -> None:
    """Measure and print."""
    client = await connect(url)
    print(f"{'':28}{'gateway µs':>12}{'server µs':>12}{'bytes kept':>12}")
    for name, record in (("answered", _PLAIN), ("waited twice, repeated", _WAITED)):
        for batch in (10, 100, 500):
            print(
                f"{f'{name}, {batch} at once':28.28}", await measure(client, record, batch, batches)
            )
    await client.aclose()


def main() -> None:
    """Run against a Valkey of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batches", type=int, default=20)
    batches = parser.parse_args().batches
    with short_directory() as directory, running(on_socket(directory)) as server:
        uvloop.run(run(server.url, batches))


if __name__ == "__main__":
    main()
