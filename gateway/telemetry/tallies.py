"""Counting in plain numbers; what was counted goes into the metrics library twice a second.

A value of the library's multi-process mode costs microseconds to move (a lock, a check of the
process, bytes in a mapped file), and a call moves some thirty of them; a number in a dictionary
costs a tenth of that. What a worker has not handed over when it is killed is lost, at most the
last half second.
"""

from bisect import bisect_left

from prometheus_client import CollectorRegistry, Counter, Histogram

from .declared import Metric

Labels = tuple[str, ...]


class Tally:
    """A counter. Label sets stay few, since their values are capped.

    Args:
        metric: Its declaration.
        registry: Where it is shown.
        unit: What one of the numbers counted is in the metric's own unit (micro-dollars: 1e-6).
    """

    __slots__ = ("_children", "_counter", "_new", "_unit")

    def __init__(self, metric: Metric, registry: CollectorRegistry, unit: float = 1) -> None:
        self._counter = Counter(metric.name, metric.meaning, metric.labels, registry=registry)
        self._unit = unit
        self._new: dict[Labels, float] = {}
        self._children: dict[Labels, Counter] = {}

    def add(self, labels: Labels, amount: float = 1) -> None:
        """Count."""
        new = self._new
        new[labels] = new.get(labels, 0) + amount

    def hand_over(self) -> None:
        """Give the library what is new."""
        new, self._new = self._new, {}
        for labels, amount in new.items():
            child = self._children.get(labels)
            if child is None:
                child = self._counter.labels(*labels) if labels else self._counter
                self._children[labels] = child
            child.inc(amount * self._unit)


class Spread:
    """A histogram, see `Tally`."""

    __slots__ = ("_bounds", "_children", "_histogram", "_new")

    def __init__(self, metric: Metric, registry: CollectorRegistry) -> None:
        self._bounds = metric.buckets
        self._histogram = Histogram(
            metric.name,
            metric.meaning,
            metric.labels,
            buckets=metric.buckets,
            registry=registry,
        )
        self._new: dict[Labels, list[float]] = {}
        self._children: dict[Labels, Histogram] = {}

    def observe(self, labels: Labels, amount: float) -> None:
        """Count one; the last number of a list is the sum of all."""
        counts = self._new.get(labels)
        if counts is None:
            counts = self._new[labels] = [0] * (len(self._bounds) + 2)
        counts[bisect_left(self._bounds, amount)] += 1
        counts[-1] += amount

    def hand_over(self) -> None:
        """Give the library what is new; it has no public way to take many at once."""
        new, self._new = self._new, {}
        for labels, counts in new.items():
            child = self._children.get(labels)
            if child is None:
                child = self._histogram.labels(*labels) if labels else self._histogram
                self._children[labels] = child
            child._sum.inc(counts[-1])
            for bucket, count in zip(child._buckets, counts, strict=False):
                if count:
                    bucket.inc(count)
