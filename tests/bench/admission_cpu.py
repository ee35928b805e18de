"""What one admitted and settled call costs in CPU: in the gateway process, and in the store.

    python -m tests.bench.admission_cpu

Both are given beside a bare call of a script that does nothing, measured in the same run, since
absolute figures depend on the machine: once as redis-py's client makes it, and once on the line that
admission uses. The last rows are the time that an admission adds to a call on an idle lane.
"""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import uvloop

from gateway.domain.admission import Admitted, Charge, Settlement, TicketRequest
from gateway.domain.call import Priority
from gateway.domain.limits import Budget, LaneLimits
from gateway.domain.topology import Agent, Lane, Team, Topology
from gateway.store.admission import RedisAdmission
from gateway.store.connection import ROOT, Client, connect
from gateway.store.line import ScriptLine
from gateway.store.scripts import Script
from gateway.wiring.clock import SystemClock
from tests.fixtures.valkey import on_socket, running, short_directory

_AGENTS = 20
_PLENTY = 1_000_000_000
_CHARGE = Charge(1, 8000, 500, 8500, 8000, 500, 30_000)
_USED = Charge(1, 7900, 450, 8350, 7900, 450, 29_000)
_BATCHES = (1, 16, 64)


@dataclass(frozen=True)
class Cost:
    """Microseconds of CPU per unit."""

    gateway_us: float
    server_us: float
    wall_us: float


async def measure(client: Client, units: int, work: Callable[[], Awaitable[None]]) -> Cost:
    """Run some work and divide what it took by the number of units it did."""
    server_s, cpu_s, wall_s = await _server_cpu_s(client), time.process_time(), time.perf_counter()
    await work()
    cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
    server_s = await _server_cpu_s(client) - server_s
    return Cost(*(1e6 * seconds / units for seconds in (cpu_s, server_s, wall_s)))


async def _server_cpu_s(client: Client) -> float:
    info = await client.info("cpu")
    return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])


async def bare(client: Client, rounds: int) -> Cost:
    """One EVALSHA at a time of a script that does nothing, with arguments of a usual size."""
    script = Script("return ARGV[1]")
    await script.call(client, (ROOT,), (b"x" * 200,))

    async def work() -> None:
        for _ in range(rounds):
            await script.call(client, (ROOT,), (b"x" * 200,))

    return await measure(client, rounds, work)


async def bare_line(client: Client, rounds: int) -> Cost:
    """The same on a line of its own."""
    line = ScriptLine(client, Script("return ARGV[1]"), ROOT)
    await line.call(b"x" * 200)

    async def work() -> None:
        for _ in range(rounds):
            await line.call(b"x" * 200)

    cost = await measure(client, rounds, work)
    await line.close()
    return cost


async def waits(
    client: Client, admission: RedisAdmission, calls: int
) -> tuple[list[float], list[float]]:
    """How long bare calls take, and how long calls wait for a lane that is idle, in turns."""
    line = ScriptLine(client, Script("return ARGV[1]"), ROOT)
    bare_s: list[float] = []
    admitted_s: list[float] = []
    for number in range(calls):
        began_s = time.perf_counter()
        await line.call(b"x" * 200)
        bare_s.append(time.perf_counter() - began_s)
        request = TicketRequest(
            f"idle-{number}", "lane", "agent-0", "team", Priority.NORMAL, 1.0, _CHARGE, 30.0
        )
        began_s = time.perf_counter()
        await admission.admit(request)
        admitted_s.append(time.perf_counter() - began_s)
        admission.settle(Settlement(request.ticket, "lane", _USED))
        await admission.inspect_lane("lane")  # it has been settled
    await line.close()
    return bare_s, admitted_s


def _quantiles(times: list[float]) -> tuple[float, float]:
    ranked = sorted(times)
    return 1e6 * ranked[len(ranked) // 2], 1e6 * ranked[int(len(ranked) * 0.99)]


async def admissions(client: Client, admission: RedisAdmission, batch: int, calls: int) -> Cost:
    """Calls that find room, `batch` of them in each turn of the event loop."""
    rounds = calls // batch

    async def one(ticket: str, agent: int) -> None:
        request = TicketRequest(
            ticket, "lane", f"agent-{agent}", "team", Priority.NORMAL, 1.0, _CHARGE, 30.0
        )
        verdict = await admission.admit(request)
        assert isinstance(verdict, Admitted), verdict
        admission.head(ticket, "lane", ())
        admission.settle(Settlement(ticket, "lane", _USED))

    async def work() -> None:
        for turn in range(rounds):
            async with asyncio.TaskGroup() as group:
                for i in range(batch):
                    group.create_task(one(f"{batch}-{turn}-{i}", i % _AGENTS))

    return await measure(client, rounds * batch, work)


def _topology() -> Topology:
    limits = LaneLimits(rpm=_PLENTY, itpm=_PLENTY, otpm=_PLENTY, concurrency=_PLENTY)
    budget = Budget(rpm=_PLENTY, tpm=_PLENTY, concurrency=_PLENTY)
    agents = {f"agent-{i}": Agent(f"agent-{i}", "team", budget=budget) for i in range(_AGENTS)}
    lane = Lane("lane", "provider", ("*",), limits)
    return Topology({}, {"lane": lane}, {"team": Team("team", budget)}, agents)


async def run(url: str, calls: int) -> None:
    """Measure and print."""
    client = await connect(url)
    floor = await bare(client, calls)
    line = await bare_line(client, calls)
    print(f"{'':24}{'gateway µs':>12}{'server µs':>12}{'wall µs':>12}{'ratio':>8}")
    print(
        f"{'bare EVALSHA':24}{floor.gateway_us:12.1f}{floor.server_us:12.1f}{floor.wall_us:12.1f}"
    )
    print(
        f"{'bare call, own line':24}{line.gateway_us:12.1f}{line.server_us:12.1f}"
        f"{line.wall_us:12.1f}{line.gateway_us / floor.gateway_us:8.2f}"
    )
    admission = RedisAdmission(client, ROOT, "bench", SystemClock())
    await admission.start()
    await admission.configure(_topology())
    for batch in _BATCHES:
        cost = await admissions(client, admission, batch, calls)
        print(
            f"{f'call, {batch} in a turn':24}{cost.gateway_us:12.1f}{cost.server_us:12.1f}"
            f"{cost.wall_us:12.1f}{cost.gateway_us / floor.gateway_us:8.2f}"
        )
    bare_s, admitted_s = await waits(client, admission, min(calls, 3000))
    trip, added = _quantiles(bare_s), _quantiles(admitted_s)
    print(f"{'':24}{'p50 µs':>12}{'p99 µs':>12}")
    print(f"{'a bare round trip':24}{trip[0]:12.0f}{trip[1]:12.0f}")
    print(f"{'admitted, idle lane':24}{added[0]:12.0f}{added[1]:12.0f}")
    print(f"{'ratio':24}{added[0] / trip[0]:12.1f}{added[1] / trip[1]:12.1f}")
    await admission.stop()
    await client.aclose()


def main() -> None:
    """Run against a Valkey of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=6400)
    calls = parser.parse_args().calls
    with short_directory() as directory, running(on_socket(directory)) as server:
        uvloop.run(run(server.url, calls))


if __name__ == "__main__":
    main()
