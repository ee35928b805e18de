"""A few seeds of `make simulate`, and whether the simulation itself can be trusted."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.core.admission import budget as budgets
from gateway.core.admission import lane as lanes
from gateway.core.admission.operations import Engine
from gateway.core.admission.state import BudgetState, LaneState

from .scenario import draw, shortened
from .world import run, run_scenario

CALM = 5
"""A seed in which nothing goes wrong."""


_TRACE = f"""
from tests.simulation.scenario import draw, shortened
from tests.simulation.world import run_scenario
print(run_scenario(shortened(draw({CALM}))).trace)
"""


@pytest.mark.parametrize("seed", [6, 52])
def test_nothing_is_lost_and_nobody_starves_whatever_goes_wrong(seed: int) -> None:
    report = run(seed)
    assert report.findings == []
    assert report.faults.total() > 0


def test_without_faults_the_provider_never_refuses() -> None:
    report = run_scenario(draw(CALM))
    assert report.findings == []
    assert report.provider_429s == 0


def test_a_seed_means_the_same_in_every_process() -> None:
    """Also with another order of sets, which string hashes decide."""
    there = subprocess.run(
        (sys.executable, "-c", _TRACE),
        env={"PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )
    here = run_scenario(shortened(draw(CALM)))
    assert there.stdout.strip() == here.trace


# --- the checks see what is wrong -------------------------------------------------------------


def test_a_lane_that_charges_too_little_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(lane: LaneState, charge: Sequence[int]) -> None:
        old(lane, [n * 3 // 4 for n in charge])

    old: Callable[[LaneState, Sequence[int]], None] = lanes.take
    monkeypatch.setattr(lanes, "take", take)
    assert any("429" in finding for finding in run_scenario(shortened(draw(CALM))).findings)


def test_a_budget_that_forgets_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def advance(budget: BudgetState, now_us: int) -> None:
        old(budget, now_us + 20_000_000)

    old: Callable[[BudgetState, int], None] = budgets.advance
    monkeypatch.setattr(budgets, "advance", advance)
    findings = run_scenario(shortened(draw(1))).findings
    assert any("in the minute before" in finding for finding in findings)


def test_a_settlement_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """With audits it would be made good, hence without."""

    def call(self: Engine, replica: str, operations: Any, now_us: int) -> Any:
        lost = [op for op in operations if op[0] == "settle" and str(op[1]).endswith("7.0")]
        kept = [op for op in operations if op not in lost and op[0] != "audit"]
        return old(self, replica, kept or [["tick", "x"]], now_us)

    old = Engine.call
    monkeypatch.setattr(Engine, "call", call)
    findings = run_scenario(shortened(draw(CALM))).findings
    assert any("is still admitted" in finding for finding in findings)
