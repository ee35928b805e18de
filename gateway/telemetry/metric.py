"""What is said of a metric where it is declared."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Prometheus types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Unit(StrEnum):
    """What a value counts."""

    CALLS = "calls"
    TOKENS = "tokens"
    USD = "US dollars"
    SECONDS = "seconds"
    BYTES = "bytes"
    RATIO = "ratio"
    STATE = "state"
    OF_DIMENSION = "of the dimension"
    """Requests, tokens, calls in flight or dollars, as the label `dimension` says."""
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Metric:
    """One declaration.

    Attributes:
        name: Full name; counters end in `_total`.
        meaning: One sentence or two.
        buckets: Upper bounds, for histograms.
    """

    name: str
    kind: Kind
    unit: Unit
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()
