"""Counting in plain numbers; what was counted goes into the metrics library twice a second.

A value of the library's multi-process mode costs microseconds to move (a lock, a check of the
process, bytes in a mapped file), and a call moves some thirty of them. So whoever counts keeps the
cells of its labels, and adds to plain numbers there. What a worker has not handed over when it is
killed is lost, at most the last half second.
"""

from bisect import bisect_left

from prometheus_client import CollectorRegistry, Counter, Histogram

from .metric import Metric

Labels = tuple[str, ...]


class Cell:
    """What was counted for one set of labels since it was handed over; add to it."""

    __slots__ = ("amount",)

    def __init__(self) -> None:
        self.amount: float = 0


class Bins:
    """What was observed for one set of labels since it was handed over."""

    __slots__ = ("_bounds", "counts", "total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, amount: float) -> None:
        """Count one."""
        self.counts[bisect_left(self._bounds, amount)] += 1
        self.total += amount


class Tally:
    """A counter.

    Args:
        metric: Its declaration.
        registry: Where it is shown.
        unit: What one of the numbers counted is in the metric's own unit (micro-dollars: 1e-6).
    """

    __slots__ = ("_cells", "_children", "_counter", "_unit")

    def __init__(self, metric: Metric, registry: CollectorRegistry, unit: float = 1) -> None:
        self._counter = Counter(metric.name, metric.meaning, metric.labels, registry=registry)
        self._unit = unit
        self._cells: dict[Labels, Cell] = {}
        self._children: dict[Labels, Counter] = {}

    def cell(self, *labels: str) -> Cell:
        """Where to count; the same for the same labels, so it can be kept."""
        cell = self._cells.get(labels)
        if cell is None:
            cell = self._cells[labels] = Cell()
        return cell

    def show(self, *labels: str) -> None:
        """Show it from now on, be it nothing: an increase from nothing to one is then seen."""
        self._child(labels)

    def hand_over(self) -> None:
        """Give the library what is new."""
        for labels, cell in self._cells.items():
            if cell.amount:
                self._child(labels).inc(cell.amount * self._unit)
                cell.amount = 0

    def _child(self, labels: Labels) -> Counter:
        child = self._children.get(labels)
        if child is None:
            child = self._counter.labels(*labels) if labels else self._counter
            self._children[labels] = child
        return child


class Spread:
    """A histogram, see `Tally`."""

    __slots__ = ("_bins", "_bounds", "_children", "_histogram")

    def __init__(self, metric: Metric, registry: CollectorRegistry) -> None:
        self._bounds = metric.buckets
        self._histogram = Histogram(
            metric.name,
            metric.meaning,
            metric.labels,
            buckets=metric.buckets,
            registry=registry,
        )
        self._bins: dict[Labels, Bins] = {}
        self._children: dict[Labels, Histogram] = {}

    def bins(self, *labels: str) -> Bins:
        """Where to observe; the same for the same labels, so it can be kept."""
        bins = self._bins.get(labels)
        if bins is None:
            bins = self._bins[labels] = Bins(self._bounds)
        return bins

    def hand_over(self) -> None:
        """Give the library what is new; it has no public way to take many at once."""
        for labels, bins in self._bins.items():
            counts = bins.counts
            if not any(counts):
                continue
            child = self._children.get(labels)
            if child is None:
                child = self._histogram.labels(*labels) if labels else self._histogram
                self._children[labels] = child
            child._sum.inc(bins.total)
            bins.total = 0.0
            for number, count in enumerate(counts):
                if count:
                    child._buckets[number].inc(count)
                    counts[number] = 0
