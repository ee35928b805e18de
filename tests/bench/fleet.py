"""Fleets of agents at one provider account: straight, through one gateway, through three.

    python -m tests.bench.fleet [--fleets 5,10,20,50] [--ways straight,one,three]
                                [--neighbour no,yes] [--factor 30] [--minutes N] [--seed 1]

The provider is the simulator with 80,000 input tokens, 16,000 output tokens and 50 requests a
minute. Its minute is shortened by `--factor`, and everything with it: time to first token, output
speed, retry pauses, ageing. All times that are reported are provider seconds. Each cell runs for
so many provider minutes that every normal agent makes about a dozen calls; the first two are not
measured. With a neighbour, an unannounced client takes 20 % of every limit.

The table is printed, and the figures of all cells are kept in docs/fleet.json, where a run of some
cells replaces only these. If matplotlib is there, docs/fleet.png shows them.
"""

import argparse
import asyncio
import json
import signal
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.fleet_agents import fleet, working
from tests.bench.fleet_figures import Span, figures
from tests.bench.fleet_plot import plot
from tests.bench.fleet_world import neighbour, world

OUT = Path("docs/fleet.json")
WAYS = {"straight": 0, "one": 1, "three": 3}
WARM_MINUTES = 2.0
_SETTLE_S = 0.3


@dataclass(frozen=True)
class Cell:
    """One run."""

    agents: int
    way: str
    neighbour: bool

    @property
    def name(self) -> str:
        """Its key in the results."""
        return f"{self.agents}/{self.way}/{'neighbour' if self.neighbour else 'alone'}"


async def run(cell: Cell, factor: float, minutes: float, seed: int) -> dict[str, Any]:
    """Run a cell."""
    scale = 1 / factor
    agents = fleet(cell.agents)
    async with world(agents, WAYS[cell.way], 60 * scale) as ground:
        before = ground.cpu_s()
        own_before = time.process_time()
        async with AsyncExitStack() as stack:
            begin = time.monotonic()
            if cell.neighbour:
                await stack.enter_async_context(neighbour(ground, scale, seed))
            work = await stack.enter_async_context(working(agents, ground.targets, scale, seed))
            await asyncio.sleep(minutes * 60 * scale)
            end = time.monotonic()
            busy = {name: (s - before[name]) / (end - begin) for name, s in ground.cpu_s().items()}
            busy["fleet"] = (time.process_time() - own_before) / (end - begin)
        await asyncio.sleep(_SETTLE_S)
        log, stats = await ground.log(), await ground.stats()
    span = Span(begin, begin + WARM_MINUTES * 60 * scale, end, scale)
    found = figures(agents, work.calls, log, stats["neighbour"], span)
    return {
        "agents": cell.agents,
        "way": cell.way,
        "neighbour": cell.neighbour,
        "factor": factor,
        "minutes": minutes,
        "seed": seed,
        **found,
        "cpu": {name: round(value, 3) for name, value in busy.items()},
    }


def default_minutes(agents: int) -> float:
    """Long enough for a dozen calls of every normal agent."""
    return max(12.0, 0.8 * agents)


_HEADINGS = (
    "agents", "way", "neighb.", "429s", ">1s", ">1min", "seen", "met", "failed", "wasted",
    "limit", "useful", "urgent p50/p95/p99", "normal p50/p95", "backgr. p50/p95", "Jain", "weights",
    "budget", "CPU",
)  # fmt: skip
_WIDTHS = (6, 8, 7, 5, 5, 5, 5, 6, 6, 6, 5, 6, 19, 14, 15, 6, 7, 6, 4)


def _row(one: dict[str, Any]) -> tuple[str, ...]:
    def waits(band: str, *names: str) -> str:
        some = one["wait_s"].get(band)
        return (
            "/".join(
                f"{some[name]:.2f}" if some[name] < 10 else f"{some[name]:.0f}" for name in names
            )
            if some
            else "-"
        )

    return (
        str(one["agents"]),
        one["way"],
        "20 %" if one["neighbour"] else "no",
        str(one["provider_429s"]),
        str(one["provider_429s_after_1s"]),
        str(one["provider_429s_after_1min"]),
        str(one["agents_saw_429s"]),
        f"{one['calls_that_met_429']:.1%}",
        str(one["failed"]),
        str(one["wasted_requests"]),
        one["binding"],
        f"{one['limit_shares'][one['binding']]:.1%}",
        waits("urgent", "p50", "p95", "p99"),
        waits("normal", "p50", "p95"),
        waits("background", "p50", "p95"),
        "-" if one["jain"] is None else f"{one['jain']:.3f}",
        "-" if one["weight_error"] is None else f"{one['weight_error']:.1%}",
        "-" if one["budget_peak"] is None else f"{one['budget_peak']:.1%}",
        f"{max(one['cpu'].values()):.2f}",
    )


def _line(cells: tuple[str, ...]) -> str:
    return " ".join(cell.rjust(width) for cell, width in zip(cells, _WIDTHS, strict=True))


def _cells(options: argparse.Namespace) -> Iterator[Cell]:
    for agents in options.fleets.split(","):
        for way in options.ways.split(","):
            for word in options.neighbour.split(","):
                yield Cell(int(agents), way, word == "yes")


def main() -> None:
    """Run the cells that were asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--fleets", default="5,10,20,50")
    parser.add_argument("--ways", default="straight,one,three")
    parser.add_argument("--neighbour", default="no,yes")
    parser.add_argument("--factor", type=float, default=30.0)
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, default=OUT)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that no process is left behind
    results: dict[str, Any] = json.loads(options.out.read_text()) if options.out.exists() else {}
    print(_line(_HEADINGS), flush=True)
    for cell in _cells(options):
        minutes = options.minutes or default_minutes(cell.agents)
        results[cell.name] = uvloop.run(run(cell, options.factor, minutes, options.seed))
        print(_line(_row(results[cell.name])), flush=True)
        options.out.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    plot(results, options.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
