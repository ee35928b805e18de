"""What the store knows of lanes, queues and budgets, read from it when metrics are asked for.

The store has the state of all replicas, so each replica shows the same: take the largest, not the
sum. Lanes and budgets are asked in one batch, at most once a second whoever asks for metrics.

Failure policy: while the store does not answer, these metrics are left out, and
`gateway_store_up` is 0.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.core import Metric as Family
from prometheus_client.registry import Collector

from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.domain.call import Priority
from gateway.domain.limits import Dimension
from gateway.domain.topology import Topology
from gateway.ports import Books, Clock, StoreSilent

from . import declared
from .labels import MAX_AGENTS, MAX_LANES, MAX_TEAMS
from .metric import Kind, Metric

T = TypeVar("T")

FRESH_S = 1.0
DIMENSIONS = (Dimension.RPM, Dimension.ITPM, Dimension.OTPM, Dimension.TPM)
BUDGET_DIMENSIONS = (
    Dimension.RPM,
    Dimension.TPM,
    Dimension.CONCURRENCY,
    Dimension.USD_PER_DAY,
    Dimension.USD_PER_MONTH,
)
"""In the order of snapshots."""
ENTRIES = ("reserved", "settled", "released", "expired")
BANDS = tuple(Priority)
_MICRO = 1e-6


class StoredFigures:
    """Reads them.

    Args:
        books: Where they are kept.
        topology: The snapshot in force.
        clock: For their age and for blocks.
        store_up: Whether it is worth asking.
    """

    def __init__(
        self,
        books: Books,
        topology: Callable[[], Topology],
        clock: Clock,
        store_up: Callable[[], bool],
    ) -> None:
        self._books = books
        self._topology = topology
        self._clock = clock
        self._store_up = store_up
        self._read: asyncio.Task[Collector | None] | None = None
        self._read_at_s = 0.0

    async def read(self) -> Collector | None:
        """All of them, as metrics; `None` while the store does not answer."""
        if not self._store_up():
            return None
        now_s = self._clock.monotonic()
        if self._read is None or (self._read.done() and now_s - self._read_at_s >= FRESH_S):
            self._read_at_s = now_s
            self._read = asyncio.get_running_loop().create_task(self._all())
        return await asyncio.shield(self._read)

    async def _all(self) -> Collector | None:
        topology = self._topology()
        books = self._books
        try:
            names = sorted({*topology.lanes, *await books.lanes()})[:MAX_LANES]
            agents = [one.name for one in topology.agents.values()][:MAX_AGENTS]
            teams = [one.name for one in topology.teams.values()][:MAX_TEAMS]
            lanes, of_agents, of_teams = await asyncio.gather(
                _each(books.lane, names), _each(books.agent, agents), _each(books.team, teams)
            )
        except StoreSilent:
            return None
        now_us = self._clock.wall() / _MICRO
        figures = Figures()
        for name, lane in zip(names, lanes, strict=True):
            if lane.known:
                _show_lane(figures, name, lane, now_us)
        for scope, group, budgets in (("agent", agents, of_agents), ("team", teams, of_teams)):
            for name, budget in zip(group, budgets, strict=True):
                _show_budget(figures, scope, name, budget)
        return figures


class Figures(Collector):
    """Values by metric, as the metrics library wants them."""

    def __init__(self) -> None:
        self._families: dict[str, GaugeMetricFamily | CounterMetricFamily] = {}

    def put(self, metric: Metric, labels: Iterable[str], value: float) -> None:
        """One value."""
        family = self._families.get(metric.name)
        if family is None:
            make = CounterMetricFamily if metric.kind is Kind.COUNTER else GaugeMetricFamily
            family = make(metric.name, metric.meaning, labels=metric.labels)
            self._families[metric.name] = family
        family.add_metric(tuple(labels), value)

    def collect(self) -> Iterable[Family]:
        """All of them."""
        return self._families.values()


async def _each(ask: Callable[[str], Awaitable[T]], names: list[str]) -> list[T]:
    return await asyncio.gather(*(ask(name) for name in names))


def _show_lane(figures: Figures, name: str, lane: LaneSnapshot, now_us: float) -> None:
    for d, dimension in enumerate(DIMENSIONS):
        labels = (name, dimension.value)
        for entry, row in zip(ENTRIES, lane.ledger, strict=True):
            if row[d]:
                figures.put(declared.LANE_LEDGER, (*labels, entry), row[d])
        if lane.limits[d] < 0:
            continue
        figures.put(declared.LANE_LIMIT, labels, lane.limits[d])
        figures.put(declared.LANE_LEVEL, labels, lane.level[d])
        figures.put(declared.LANE_HELD, labels, lane.held[d])
        figures.put(declared.LANE_DRIFT, labels, lane.drift[d])
        figures.put(declared.LANE_BLOCKED, labels, lane.blocked_until_us[d] > now_us)
        if lane.capacity[d] > 0:
            used = 1 - lane.level[d] / lane.capacity[d]
            figures.put(declared.LANE_SATURATION, labels, min(1.0, max(0.0, used)))
    figures.put(declared.LANE_BLOCKED, (name, "all"), lane.blocked_until_us[-1] > now_us)
    figures.put(declared.LANE_PAUSED, (name,), lane.paused)
    labels = (name, Dimension.CONCURRENCY.value)
    figures.put(declared.LANE_HELD, labels, lane.in_flight)
    if lane.concurrency > 0:
        figures.put(declared.LANE_LIMIT, labels, lane.concurrency)
        figures.put(declared.LANE_LEVEL, labels, lane.concurrency - lane.in_flight)
        figures.put(declared.LANE_SATURATION, labels, min(1.0, lane.in_flight / lane.concurrency))
    for band, waiting, flows, shut in zip(
        BANDS, lane.waiting, lane.flows, lane.saturated, strict=True
    ):
        figures.put(declared.QUEUE_DEPTH, (name, band.value), waiting)
        figures.put(declared.QUEUE_AGENTS, (name, band.value), flows)
        figures.put(declared.LANE_SHUT, (name, band.value), shut != "")


def _show_budget(figures: Figures, scope: str, name: str, budget: BudgetSnapshot) -> None:
    used = (
        budget.requests,
        budget.tokens + budget.held_output,
        budget.in_flight,
        budget.spent_day * _MICRO,
        budget.spent_month * _MICRO,
    )
    for dimension, limit, amount in zip(BUDGET_DIMENSIONS, budget.limits, used, strict=True):
        if limit < 0:
            continue
        money = dimension in {Dimension.USD_PER_DAY, Dimension.USD_PER_MONTH}
        labels = (scope, name, dimension.value)
        figures.put(declared.BUDGET_LIMIT, labels, limit * _MICRO if money else limit)
        figures.put(declared.BUDGET_USED, labels, amount)
