"""Turns finished calls into Prometheus metrics; the only module that knows the client library.

Children are resolved once for each combination of labels and kept, since resolving costs more
than counting. With several workers the library's multi-process mode joins them: each worker
writes to files in a common directory and `/metrics` of any of them answers for all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.exposition import generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from gateway.domain.facts import CallRecord
from gateway.domain.usage import Usage

from . import declared
from .declared import Metric
from .labels import CappedNames

MAX_AGENTS = 200
MAX_MODELS = 200
MAX_LANES = 200
_MICRO = 1e-6
disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the series, for nothing we show
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class _Spender:
    """Counters of one (agent, team, lane, model)."""

    input_tokens: Counter
    cache_read: Counter
    cache_write: Counter
    output: Counter
    reasoning: Counter
    cost: Counter

    def add(self, usage: Usage, cost_microusd: int) -> None:
        self.input_tokens.inc(usage.input_tokens)
        self.output.inc(usage.output_tokens)
        if usage.cache_read_tokens:
            self.cache_read.inc(usage.cache_read_tokens)
        if usage.cache_write_tokens:
            self.cache_write.inc(usage.cache_write_tokens)
        if usage.reasoning_tokens:
            self.reasoning.inc(usage.reasoning_tokens)
        self.cost.inc(cost_microusd * _MICRO)


@dataclass(frozen=True, slots=True)
class _LaneTimes:
    """Histograms of one lane."""

    duration: Histogram
    first_byte: Histogram
    estimate: Histogram


class Metrics:
    """The metrics of one worker. An `Observer`.

    Args:
        multiprocess_dir: Where workers put their values; `None` for a single worker.
    """

    def __init__(self, multiprocess_dir: str | None = None) -> None:
        self._directory = multiprocess_dir
        self._registry = CollectorRegistry()
        self._calls = self._counter(declared.CALLS)
        self._tokens = self._counter(declared.TOKENS)
        self._cost = self._counter(declared.COST)
        self._unpriced = self._counter(declared.UNPRICED)
        self._refusals = self._counter(declared.REFUSALS)
        self._retries = self._counter(declared.RETRIES)
        self._cut = self._counter(declared.CUT)
        self._wait = self._histogram(declared.WAIT)
        self._duration = self._histogram(declared.DURATION)
        self._first_byte = self._histogram(declared.FIRST_BYTE)
        self._estimate = self._histogram(declared.ESTIMATE_ERROR)
        self._overhead = self._histogram(declared.OVERHEAD)
        self._unexplained = self._counter(declared.UNEXPLAINED)
        self._in_flight = self._gauge(declared.IN_FLIGHT, "livesum")
        self._store_up = self._gauge(declared.STORE_UP, "livemin")
        self._agents = CappedNames(MAX_AGENTS)
        self._models = CappedNames(MAX_MODELS)
        self._lanes = CappedNames(MAX_LANES)
        self._call_children: dict[tuple[str, ...], Counter] = {}
        self._spenders: dict[tuple[str, str, str, str], _Spender] = {}
        self._lane_times: dict[str, _LaneTimes] = {}
        self._waits: dict[tuple[str, str], Histogram] = {}

    def call_finished(self, record: CallRecord) -> None:
        """Count one call."""
        agent, lane = self._agents(record.agent), self._lanes(record.lane)
        model, team = self._models(record.model), record.team or ""
        key = (
            agent,
            team,
            lane,
            model,
            record.endpoint.value,
            str(record.status),
            error_type(record),
        )
        child = self._call_children.get(key)
        if child is None:
            child = self._call_children[key] = self._calls.labels(*key)
        child.inc()
        self._overhead.observe(record.overhead_s)
        if record.reason is not None:
            self._refusals.labels(record.reason.value).inc()
        if not record.lane:
            return
        self._observe_wait(lane, record)
        if record.attempts:
            self._observe_attempt(agent, team, lane, model, record)

    def explanations_dropped(self, count: int) -> None:
        """So many calls are not explained."""
        self._unexplained.inc(count)

    def watch(self, in_flight: Callable[[], int], store_up: Callable[[], bool]) -> None:
        """Ask these whenever metrics are read.

        In multi-process mode another worker may be the one that is asked, so each worker also
        calls `refresh` once a second.
        """
        self._sources = (in_flight, store_up)

    _sources: tuple[Callable[[], int], Callable[[], bool]] | None = None

    def refresh(self) -> None:
        """Set the gauges to what their sources say now."""
        if self._sources is not None:
            in_flight, store_up = self._sources
            self._in_flight.set(in_flight())
            self._store_up.set(1 if store_up() else 0)

    def render(self) -> bytes:
        """The exposition text, for all workers together."""
        self.refresh()
        if self._directory is None:
            return generate_latest(self._registry)
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=self._directory)  # type: ignore[no-untyped-call]
        return generate_latest(registry)

    def _observe_wait(self, lane: str, record: CallRecord) -> None:
        key = (lane, record.priority.value)
        child = self._waits.get(key)
        if child is None:
            child = self._waits[key] = self._wait.labels(*key)
        child.observe(record.wait_s)

    def _observe_attempt(
        self, agent: str, team: str, lane: str, model: str, record: CallRecord
    ) -> None:
        times = self._lane_times.get(lane) or self._new_lane(lane)
        times.duration.observe(record.upstream_s)
        if record.first_byte_s is not None:
            times.first_byte.observe(record.first_byte_s)
        if record.usage.exact and record.usage.prompt_tokens and record.estimated_input_tokens:
            times.estimate.observe(record.estimated_input_tokens / record.usage.prompt_tokens)
        if record.usage.total_tokens:
            spender = self._spenders.get((agent, team, lane, model))
            if spender is None:
                spender = self._new_spender(agent, team, lane, model)
            spender.add(record.usage, record.cost_microusd)
        if record.attempts > 1:
            self._retries.labels(lane).inc(record.attempts - 1)
        if record.cut:
            self._cut.labels(lane).inc()
        if not record.priced:
            self._unpriced.labels(model).inc()

    def _new_lane(self, lane: str) -> _LaneTimes:
        times = _LaneTimes(
            self._duration.labels(lane), self._first_byte.labels(lane), self._estimate.labels(lane)
        )
        self._lane_times[lane] = times
        return times

    def _new_spender(self, agent: str, team: str, lane: str, model: str) -> _Spender:
        labels = (agent, team, lane, model)
        spender = _Spender(
            input_tokens=self._tokens.labels(*labels, "input"),
            cache_read=self._tokens.labels(*labels, "cache_read"),
            cache_write=self._tokens.labels(*labels, "cache_write"),
            output=self._tokens.labels(*labels, "output"),
            reasoning=self._tokens.labels(*labels, "reasoning"),
            cost=self._cost.labels(*labels),
        )
        self._spenders[labels] = spender
        return spender

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self._registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(
            metric.name,
            metric.meaning,
            metric.labels,
            buckets=metric.buckets,
            registry=self._registry,
        )

    def _gauge(self, metric: Metric, mode: Literal["livesum", "livemin"]) -> Gauge:
        return Gauge(
            metric.name,
            metric.meaning,
            metric.labels,
            registry=self._registry,
            multiprocess_mode=mode,
        )


def error_type(record: CallRecord) -> str:
    """A closed word for what went wrong, prefixed by whose fault it was; empty for a success."""
    if record.fault is None:
        return ""
    what = record.reason.value if record.reason is not None else f"http_{record.status}"
    return f"{record.fault.value}_{what}"
