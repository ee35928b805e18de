"""How well each way of telling hard steps of agents from easy ones does: the area under ROC."""

from collections.abc import Callable, Iterable

import numpy as np

from gateway.core.routing.evaluation import Interval
from gateway.core.routing.score import structural

from .routing_data import Step

_DRAWS = 400
_SEED = 7


def table(steps: list[Step]) -> Iterable[str]:
    """Lines to print."""
    hard = np.array([step.hard for step in steps])
    runs = sorted({step.run for step in steps})
    members = {run: [n for n, step in enumerate(steps) if step.run == run] for run in runs}
    yield (
        f"{len(steps)} steps of {len(runs)} agent runs, {hard.mean():.0%} of them beyond the "
        "cheapest tier; area under ROC [95 %, by run]"
    )
    for name, need in (
        ("prompt length", np.array([float(step.size) for step in steps])),
        ("structural score", np.array([1 - _simple(step) for step in steps])),
        ("kind of run, seen", _by_kind(steps, lambda mine, other: mine.run != other.run)),
        ("kind of run, unseen", np.zeros(len(steps))),
    ):
        yield f"  {name:<20}{_interval(need, hard, list(members.values()))}"


def _simple(step: Step) -> float:
    return structural(step.signals, step.facts).simplicity


def _by_kind(
    steps: list[Step], counts: Callable[[Step, Step], bool]
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """How often other runs of the same kind were hard."""
    found = np.zeros(len(steps))
    for n, mine in enumerate(steps):
        others = [one.hard for one in steps if one.kind == mine.kind and counts(mine, one)]
        found[n] = sum(others) / len(others) if others else 0.5
    return found


def _interval(need: np.ndarray, hard: np.ndarray, groups: list[list[int]]) -> Interval:
    random = np.random.default_rng(_SEED)
    draws = []
    for _ in range(_DRAWS):
        picked = random.integers(len(groups), size=len(groups))
        rows = [row for one in picked for row in groups[one]]
        if 0 < hard[rows].sum() < len(rows):
            draws.append(auc(need[rows], hard[rows]))
    low, high = np.quantile(draws, (0.025, 0.975))
    return Interval(auc(need, hard), float(low), float(high))


def auc(need: np.ndarray, hard: np.ndarray) -> float:
    """How often a hard step is ranked above an easy one; ties count half."""
    high, low = need[hard], need[~hard]
    above = (high[:, None] > low[None, :]).mean()
    return float(above + (high[:, None] == low[None, :]).mean() / 2)
