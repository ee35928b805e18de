"""Turns what happens into Prometheus metrics.

With several workers the library's multi-process mode joins them: each worker writes to files in a
common directory and `/metrics` of any of them answers for all. What the store knows (lanes, queues,
budgets) is read from it when metrics are asked for, see `gateway.telemetry.stored`.

Failure policy: nothing here fails a call. What cannot be read is left out of the answer.
"""

import os
from collections.abc import Callable
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import Literal

from prometheus_client import CollectorRegistry, Gauge, disable_created_metrics
from prometheus_client.multiprocess import mark_process_dead
from prometheus_client.registry import Collector

from gateway.domain.facts import AgentTrip, BreakerMove, BreakerState, CallRecord, HeadroomSeen

from . import declared
from .call_metrics import CallMetrics
from .exposition import Workers, text_of
from .labels import Names
from .metric import Metric
from .session_metrics import SessionMetrics
from .tallies import Spread, Tally

disable_created_metrics()  # type: ignore[no-untyped-call]  # twice the series, for nothing we show
CONTENT_TYPE = b"text/plain; version=0.0.4; charset=utf-8"
_STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

__all__ = ["CONTENT_TYPE", "Metrics"]


class Metrics:
    """The metrics of one worker. Implements all observers' ports.

    Attributes:
        sessions: Told of sessions.

    Args:
        multiprocess_dir: Where workers put their values; `None` for a single worker.
        version: Of the gateway.
    """

    def __init__(self, multiprocess_dir: str | None = None, version: str = "") -> None:
        self._directory = multiprocess_dir
        self._workers = None if multiprocess_dir is None else Workers(multiprocess_dir)
        self._registry = CollectorRegistry()
        self._names = Names()
        self._calls = CallMetrics(self._registry, self._names)
        self.sessions = SessionMetrics(self._registry)
        self._unexplained = self._tally(declared.UNEXPLAINED)
        self._untraced = self._tally(declared.SPANS_DROPPED)
        self._moves = self._tally(declared.BREAKER_MOVES)
        self._trips = self._tally(declared.AGENT_TRIPS)
        self._store = Spread(declared.STORE_LATENCY, self._registry)
        self._lag = Spread(declared.LOOP_LAG, self._registry)
        self._store_bins, self._lag_bins = self._store.bins(), self._lag.bins()
        self._cpu = self._tally(declared.CPU)
        self._cpu_s = 0.0
        self._tallies = (self._unexplained, self._untraced, self._moves, self._trips, self._cpu)
        self._breakers = self._gauge(declared.BREAKER_STATE, "mostrecent")
        self._headroom = self._gauge(declared.LANE_HEADROOM, "mostrecent")
        self._in_flight = self._gauge(declared.IN_FLIGHT, "livesum")
        self._store_up = self._gauge(declared.STORE_UP, "livemin")
        self._fallback = self._gauge(declared.FALLBACK, "livesum")
        self._resident = self._gauge(declared.RESIDENT, "livesum")
        self._gauge(declared.WORKERS, "livesum").set(1)
        self._gauge(declared.BUILD, "mostrecent").labels(version).set(1)
        self._sources: list[tuple[Gauge, Callable[[], float]]] = []
        self._seen: dict[str, HeadroomSeen] = {}

    # --- observing ----------------------------------------------------------------------------

    def call_finished(self, record: CallRecord) -> None:
        """Count one call."""
        self._calls.count(record)

    def headroom_seen(self, seen: HeadroomSeen) -> None:
        """Remember what a provider's headers said last."""
        self._seen[seen.lane] = seen

    def breaker_moved(self, move: BreakerMove) -> None:
        """Show a breaker's state; count its move if it was made here."""
        scope, name = move.scope.value, self._names.breaker(f"{move.scope.value} {move.name}")
        name = name.removeprefix(f"{scope} ")
        self._breakers.labels(scope, name).set(_STATES[move.to])
        if move.here:
            self._moves.cell(scope, name, move.to.value, move.cause).amount += 1

    def agent_tripped(self, trip: AgentTrip) -> None:
        """Count an agent that was found to run away."""
        mode = "enforce" if trip.enforced else "warn"
        self._trips.cell(self._names.agent(trip.agent), trip.cause, mode).amount += 1

    def explanations_dropped(self, count: int) -> None:
        """So many calls are not explained."""
        self._unexplained.cell().amount += count

    def traces_dropped(self, count: int) -> None:
        """So many sampled calls have no trace."""
        self._untraced.cell().amount += count

    def store_took(self, seconds: float) -> None:
        """A batch went to the store and back."""
        self._store_bins.observe(seconds)

    def loop_lagged(self, seconds: float) -> None:
        """A timer of the event loop came so late."""
        self._lag_bins.observe(seconds)

    def watch(
        self,
        in_flight: Callable[[], int],
        store_up: Callable[[], bool],
        fallback: Callable[[], bool] = bool,
    ) -> None:
        """Ask these whenever metrics are read.

        In multi-process mode another worker may be the one that is asked, so each worker also
        calls `refresh` twice a second.
        """
        self._sources = [
            (self._in_flight, in_flight),
            (self._store_up, store_up),
            (self._fallback, fallback),
            (self._resident, _resident_bytes),
        ]

    # --- showing ------------------------------------------------------------------------------

    def refresh(self) -> None:
        """Set the gauges to what their sources say now, and hand over what was counted."""
        for gauge, source in self._sources:
            gauge.set(source())
        seen, self._seen = self._seen, {}
        for one in seen.values():
            lane = self._names.lane(one.lane)
            for headroom in one.seen:
                if headroom.remaining is not None:
                    self._headroom.labels(lane, headroom.dimension.value).set(headroom.remaining)
        used = os.times()
        cpu_s = used.user + used.system
        self._cpu.cell().amount += cpu_s - self._cpu_s
        self._cpu_s = cpu_s
        self._calls.hand_over()
        self.sessions.hand_over()
        for tally in self._tallies:
            tally.hand_over()
        self._store.hand_over()
        self._lag.hand_over()

    def render(self, stored: Collector | None = None) -> bytes:
        """The exposition text, for all workers together.

        Args:
            stored: Adds what the store knows.
        """
        self.refresh()
        if self._workers is None:
            text = text_of(self._registry)
        else:
            self._bury_the_dead()
            text = self._workers.text()
        if stored is not None:
            text += text_of(stored)
        return text.encode()

    def _bury_the_dead(self) -> None:
        """Forget the present state of workers that are gone; what they have counted stays."""
        for path in glob(f"{self._directory}/gauge_live*.db"):
            pid = int(path.rsplit("_", 1)[1].removesuffix(".db"))
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                mark_process_dead(pid, self._directory)  # type: ignore[no-untyped-call]
            except PermissionError:
                continue

    def _tally(self, metric: Metric) -> Tally:
        return Tally(metric, self._registry)

    def _gauge(self, metric: Metric, mode: Literal["livesum", "livemin", "mostrecent"]) -> Gauge:
        return Gauge(
            metric.name,
            metric.meaning,
            metric.labels,
            registry=self._registry,
            multiprocess_mode=mode,
        )


def _resident_bytes() -> float:
    """Resident memory of this process; 0 where the system does not tell."""
    with suppress(OSError):
        return int(Path("/proc/self/statm").read_bytes().split()[1]) * _PAGE_BYTES
    return 0
