"""What routing is worth: figures of public data, costs over sessions, and the time of a decision.

    python -m tests.bench.routing [--data FOLDER]

Exits with 1 if a cell of the grid is more than 1 % dearer than staying, or if a decision takes
longer than it may.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from gateway.cli.scorer_report import told
from gateway.core.routing.costs import ESCALATION_PRIOR
from gateway.core.routing.decide import Question, decide
from gateway.core.routing.judging import judged
from gateway.core.routing.score import Score, structural
from gateway.core.routing.scorer import TrainedScorer
from gateway.dialects.registry import CODECS
from gateway.domain.call import CallFacts, Dialect
from gateway.domain.routes import Preference, Route, RouteMatch, RouteMode
from gateway.domain.signals import Signals

from . import routing_data, routing_steps
from .routing_grid import PAIRS, PAUSES_S, PREFIXES, TURNS, Cell, Grid, Result

MOST_DEARER = 0.01
MOST_DECISION_S = 0.001
ASK_BYTES = 16_384
_DECISIONS = 3_000


def main() -> int:
    """Print everything; 1 if a promise does not hold."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, default=None)
    given = parser.parse_args()
    kept = _costs()
    scorer = _public_data(given.data)
    return 0 if _speed(scorer) and kept else 1


def _public_data(named: Path | None) -> TrainedScorer | None:
    print("\n== Public data ==")
    try:
        place = routing_data.folder(named)
    except routing_data.NoData as why:
        print(f"skipped: {why}")
        return None
    rows = routing_data.outcomes(place)
    scorer, found = judged(rows)
    for line in told(found, len(rows)):
        print(line)
    print()
    for line in routing_steps.table(routing_data.steps(place)):
        print(line)
    return scorer


def _costs() -> bool:
    print("== Cost of enforce against staying ==")
    grid = Grid()
    results = list(grid.results())
    cells = f"{len(PREFIXES)} prefixes, warm and cold, {TURNS} turns, pauses of {PAUSES_S} s"
    print(
        f"{len(results)} cells: {len(PAIRS)} pairs, {cells}; {ESCALATION_PRIOR:.0%} of moved "
        "sessions taken back half-way"
    )
    print(f"{'':<38}{'moved':>7}{'best':>8}{'mean':>8}{'worst':>8}{'worst if moved blindly':>25}")
    for stay, move in PAIRS:
        mine = [one for one in results if (one.cell.stay, one.cell.move) == (stay, move)]
        _print_pair(f"{stay} -> {move}", mine)
    print(
        "\nBy prefix, sessions of 10 turns without long pauses, claude-sonnet-5 -> claude-haiku-4-5:"
    )
    for warm in (True, False):
        shown = [
            grid.result(Cell("claude-sonnet-5", "claude-haiku-4-5", prefix, warm, 10, PAUSES_S[0]))
            for prefix in PREFIXES
        ]
        print(f"  {'warm' if warm else 'cold'}: " + ", ".join(_told(one) for one in shown))
    worst = max(results, key=lambda one: one.ratio)
    kept = worst.ratio <= 1 + MOST_DEARER
    print(f"\nworst cell: {worst.ratio - 1:+.2%} ({worst.cell}) - {'kept' if kept else 'BROKEN'}")
    return kept


def _print_pair(name: str, mine: list[Result]) -> None:
    ratios = [one.ratio for one in mine]
    moved = sum(one.moved for one in mine) / len(mine)
    blind = max(one.blind for one in mine)
    print(
        f"{name:<38}{moved:>7.0%}{min(ratios):>8.2f}{sum(ratios) / len(ratios):>8.2f}"
        f"{max(ratios):>8.2f}{blind:>25.2f}"
    )


def _told(one: Result) -> str:
    return f"{one.cell.prefix // 1000}k {one.ratio:.2f} ({'moves' if one.moved else 'stays'})"


def _speed(scorer: TrainedScorer | None) -> bool:
    print(f"\n== Time of a decision, {ASK_BYTES // 1024} kB ask ==")
    kept = _timed("structural score", structural)
    if scorer is not None:
        kept = _timed("trained scorer", scorer) and kept
    return kept


def _timed(name: str, score: Callable[[Signals, CallFacts], Score]) -> bool:
    """Reading the signals and deciding, as the route stage does for each call that matches."""
    codec = CODECS[Dialect.ANTHROPIC]
    matched = codec.match("POST", "/v1/messages")
    if matched is None:
        raise AssertionError("messages are a path of Anthropic's")
    words = "please look at the report and tell which of the tests failed on tuesday, then why; "
    ask = (words * (ASK_BYTES // len(words) + 1))[:ASK_BYTES]
    message = {"role": "user", "content": ask}
    body = json.dumps({"model": "claude-sonnet-5", "max_tokens": 9, "messages": [message]}).encode()
    facts = codec.read(matched, body)
    grid = Grid()
    route = Route(RouteMatch(), "claude-haiku-4-5", RouteMode.ENFORCE, name="bench")
    costs = grid.compare(Cell("claude-sonnet-5", "claude-haiku-4-5", 6_000, False, 1, PAUSES_S[0]))
    taken, worked = [], []
    for number in range(_DECISIONS):
        began, began_work = time.perf_counter(), time.thread_time()
        signals = codec.signals(matched, body)
        asked = Question(
            route=route,
            mode=RouteMode.ENFORCE,
            facts=facts,
            signals=signals,
            preference=Preference.AUTO,
            retry=False,
            conversation=f"call-{number}",
            pin=None,
            unmet="",
            above_ceiling=False,
            below_floor=False,
            warm=0,
            compare=costs,
            score=lambda signals=signals: score(signals, facts),  # type: ignore[misc]
        )
        decide(asked)
        worked.append(time.thread_time() - began_work)
        taken.append(time.perf_counter() - began)
    kept = _quantile(worked, 0.99) < MOST_DECISION_S
    print(
        f"{name:<18}p50 {_quantile(worked, 0.5) * 1e3:.3f} ms, "
        f"p99 {_quantile(worked, 0.99) * 1e3:.3f} ms of CPU - "
        f"{'kept' if kept else 'MISSED'} (< {MOST_DECISION_S * 1e3:g} ms); by the clock, with "
        f"whatever else runs here: p99 {_quantile(taken, 0.99) * 1e3:.3f} ms"
    )
    return kept


def _quantile(figures: list[float], part: float) -> float:
    return sorted(figures)[int(len(figures) * part)]


if __name__ == "__main__":
    sys.exit(main())
