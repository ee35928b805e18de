"""A few seeds of `make simulate`, and whether the simulation itself can be trusted."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.admission import budget as budgets
from gateway.core.admission import lane as lanes
from gateway.core.admission.operations import Engine
from gateway.core.admission.state import BudgetState, LaneState

from .scenario import Fault, Scenario, draw
from .world import run, run_scenario

CALM = 5
"""A seed in which nothing goes wrong."""


def _short(seed: int, *faults: Fault) -> Scenario:
    """A seed's people and limits, with these faults only, in little time."""
    return replace(
        draw(seed),
        faults=faults,
        neighbour=0.0,
        faults_end_s=faults[-1].at_s + 20.0 if faults else 20.0,
        settle_s=30.0,
        measure_s=30.0,
    )


@pytest.mark.parametrize("seed", [2, 6, 13])
def test_nothing_is_lost_and_nobody_starves_whatever_goes_wrong(seed: int) -> None:
    report = run(seed)
    assert report.findings == []
    assert report.faults.total() > 0


def test_without_faults_the_provider_never_refuses() -> None:
    report = run_scenario(_short(CALM))
    assert report.findings == []
    assert report.provider_429s == 0


def test_a_seed_means_the_same_in_every_process() -> None:
    """Also with another order of sets, which string hashes decide."""
    words = (sys.executable, "-m", "tests.simulation", str(CALM))
    hashes = {
        subprocess.run(
            words, env={"PYTHONHASHSEED": order}, capture_output=True, text=True, check=True
        )
        .stdout.splitlines()[0]
        .split()[-1]
        for order in ("1", "2")
    }
    assert len(hashes) == 1


# --- the checks see what is wrong -------------------------------------------------------------


def test_a_lane_that_charges_too_little_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def take(lane: LaneState, charge: Sequence[int]) -> None:
        old(lane, [n * 3 // 4 for n in charge])

    old: Callable[[LaneState, Sequence[int]], None] = lanes.take
    monkeypatch.setattr(lanes, "take", take)
    assert any("429" in finding for finding in run_scenario(_short(CALM)).findings)


def test_a_budget_that_forgets_too_early_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def advance(budget: BudgetState, now_us: int) -> None:
        old(budget, now_us + 20_000_000)

    old: Callable[[BudgetState, int], None] = budgets.advance
    monkeypatch.setattr(budgets, "advance", advance)
    findings = run_scenario(_short(1)).findings
    assert any("in the minute before" in finding for finding in findings)


def test_a_settlement_that_is_lost_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def call(self: Engine, replica: str, operations: Any, now_us: int) -> Any:
        kept = [op for op in operations if op[0] != "settle" or not str(op[1]).endswith("7.0")]
        return old(self, replica, kept or [["tick", "x"]], now_us)

    old = Engine.call
    monkeypatch.setattr(Engine, "call", call)
    findings = run_scenario(_short(CALM)).findings
    assert any("is still admitted" in finding for finding in findings)
