"""Limits and settings of lanes and budgets, as replicas tell them."""

from collections.abc import Mapping, Sequence
from typing import Any

from . import budget as budgets
from . import lane as lanes
from . import ramp
from .queue import budget_of, lane_of, touch_budget
from .state import Books


def configure(books: Books, scope: str, to: Mapping[str, Any], stamp: Sequence[int]) -> None:
    """Put settings in force. Those of an older configuration than the one in force change nothing."""
    kind, name = scope.split(":", 1)
    if kind == "lane":
        _configure_lane(books, name, to, stamp)
        return
    budget = budget_of(books, scope)
    if tuple(stamp) < tuple(budget.stamp):
        return
    budget.stamp = list(stamp)
    soft = to["soft"] == 1
    budgets.configure(budget, to["limits"], to["minute_us"], books.now_us, soft=soft)
    if books.cautious and scope in books.made:
        budget.blind_until_us = books.now_us + books.blind_us
    touch_budget(books, budget)


def _configure_lane(books: Books, name: str, to: Mapping[str, Any], stamp: Sequence[int]) -> None:
    lane = lane_of(books, name)
    if tuple(stamp) < tuple(lane.stamp):
        return
    lane.stamp = list(stamp)

    def change() -> None:
        lane.limits, lane.concurrency = to["limits"], to["concurrency"]
        lane.margin, lane.floors = to["margin"], to["floors"]
        lane.minute_us, lane.max_depth = to["minute_us"], to["max_depth"]
        lane.ageing_us = to["ageing_us"]
        ramp.configure(lane, *to.get("ramp", (0, 1, 0)))

    lost = books.cautious and name in books.made
    lanes.reshape(lane, change, lanes.FILLED_AGAIN if lost else 1)
    ramp.advance(lane, books.now_us)
    books.touch_lane(name)
