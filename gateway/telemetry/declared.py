"""Every metric of the gateway: name, type, unit, labels and meaning, declared once.

`docs/metrics.md` is checked against this file by a test. Label values come from enums, from the
configuration, or are capped (see `gateway.telemetry.labels`), so cardinality is bounded.
"""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """Prometheus types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One declaration.

    Attributes:
        name: Full name; counters end in `_total`.
        meaning: One sentence with the unit.
        buckets: Upper bounds, for histograms.
    """

    name: str
    kind: Kind
    labels: tuple[str, ...]
    meaning: str
    buckets: tuple[float, ...] = ()


_WAITS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300)
_CALLS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
_OVERHEADS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)

CALLS = Metric(
    "gateway_calls_total",
    Kind.COUNTER,
    ("agent", "team", "lane", "model", "endpoint", "status", "error_type"),
    "Finished calls. `status` is the HTTP status sent (499: the client left); `error_type` is "
    "empty for a success, else whose fault it was and why.",
)
TOKENS = Metric(
    "gateway_tokens_total",
    Kind.COUNTER,
    ("agent", "team", "lane", "model", "kind"),
    "Tokens used, by `kind`: input, cache_read, cache_write, output (reasoning included), and "
    "reasoning (the part of output that was thought).",
)
COST = Metric(
    "gateway_cost_usd_total",
    Kind.COUNTER,
    ("agent", "team", "lane", "model"),
    "Cost at list price, in US dollars.",
)
UNPRICED = Metric(
    "gateway_unpriced_calls_total",
    Kind.COUNTER,
    ("model",),
    "Calls to models without a known price, charged at the stated default.",
)
WAIT = Metric(
    "gateway_queue_wait_seconds",
    Kind.HISTOGRAM,
    ("lane", "priority"),
    "Time a call waited for admission.",
    _WAITS,
)
DURATION = Metric(
    "gateway_upstream_seconds",
    Kind.HISTOGRAM,
    ("lane",),
    "Time from sending a call to the provider to the last byte of its answer.",
    _CALLS,
)
FIRST_BYTE = Metric(
    "gateway_first_byte_seconds",
    Kind.HISTOGRAM,
    ("lane",),
    "Time from sending a call to the provider to the first byte of its answer's body.",
    _CALLS,
)
OVERHEAD = Metric(
    "gateway_overhead_seconds",
    Kind.HISTOGRAM,
    (),
    "Time a call spent in the gateway itself: its whole time less waiting and the provider.",
    _OVERHEADS,
)
RETRIES = Metric(
    "gateway_upstream_repeats_total",
    Kind.COUNTER,
    ("lane",),
    "Attempts beyond a call's first, after a provider's rate limit was met.",
)
REFUSALS = Metric(
    "gateway_refusals_total",
    Kind.COUNTER,
    ("reason",),
    "Calls that the gateway itself answered with an error, by reason.",
)
CUT = Metric(
    "gateway_cut_answers_total",
    Kind.COUNTER,
    ("lane",),
    "Answers that did not reach their end, by either side.",
)
ESTIMATE_ERROR = Metric(
    "gateway_input_estimate_ratio",
    Kind.HISTOGRAM,
    ("lane",),
    "Estimated input tokens divided by actual input tokens.",
    (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0),
)
UNEXPLAINED = Metric(
    "gateway_explanations_dropped_total",
    Kind.COUNTER,
    (),
    "Finished calls whose explanation was not kept: more than `explanations.per_second`, or the "
    "store was slow.",
)
IN_FLIGHT = Metric(
    "gateway_calls_in_flight", Kind.GAUGE, (), "Calls being served now, waiting ones included."
)
STORE_UP = Metric(
    "gateway_store_up", Kind.GAUGE, (), "1 while the store answers, 0 while it does not."
)

DECLARED: tuple[Metric, ...] = (
    CALLS,
    TOKENS,
    COST,
    UNPRICED,
    WAIT,
    DURATION,
    FIRST_BYTE,
    OVERHEAD,
    RETRIES,
    REFUSALS,
    CUT,
    ESTIMATE_ERROR,
    UNEXPLAINED,
    IN_FLIGHT,
    STORE_UP,
)
