"""How full are the lanes, who waits for them, and does our count agree with the provider's?"""

from dashboards.panels import Board, Levels, Look, Panel, Query, Row, Unit
from dashboards.promql import quantile, rate, shared
from gateway.telemetry import declared as m

_AXIS = "lane, dimension"
_NAMED = "{{lane}} {{dimension}}"
_TOKENS = 'dimension=~"itpm|otpm|tpm"'
_LIMITED = 'verdict="rate_limited"'

FULLNESS = Row(
    "How full",
    (
        Panel(
            "Saturation",
            "Used share of each limit: how far its bucket is from full. A lane at 100 % works at "
            "the provider's limit; what matters then are the waits.",
            Unit.SHARE,
            (Query(shared(m.LANE_SATURATION, _AXIS, "lane"), _NAMED),),
            levels=Levels(0.8, 0.98),
            width=12,
        ),
        Panel(
            "Limits in force",
            "Per minute; concurrency at once. Configured, or learned from response headers.",
            Unit.TOKENS,
            (Query(shared(m.LANE_LIMIT, _AXIS, "lane"), _NAMED),),
            Look.BARS,
            width=6,
        ),
        Panel(
            "Bands held back",
            "1 while a lane is too near its limit for a band: background stops first, so that "
            "normal and urgent calls find room. It costs no throughput.",
            Unit.STATE,
            (Query(shared(m.LANE_SHUT, "lane, priority", "lane"), "{{lane}} {{priority}}"),),
            Look.STATES,
            Levels(1, 2),
            width=6,
        ),
        Panel(
            "Tokens that can be spent at once",
            "The level of each bucket. Below zero after a correction by the provider's headers.",
            Unit.TOKENS,
            (Query(shared(m.LANE_LEVEL, _AXIS, "lane", extra=_TOKENS), _NAMED),),
            width=12,
        ),
        Panel(
            "Held by calls in flight",
            "Reserved and not yet spent. Growing without end: reservations leak.",
            Unit.TOKENS,
            (Query(shared(m.LANE_HELD, _AXIS, "lane", extra=_TOKENS), _NAMED),),
            width=12,
        ),
    ),
)
QUEUE = Row(
    "The queue",
    (
        Panel(
            "Waiting calls",
            "By lane and priority, over all replicas.",
            Unit.COUNT,
            (Query(shared(m.QUEUE_DEPTH, "lane, priority", "lane"), "{{lane}} {{priority}}"),),
            Look.STACK,
            Levels(100, 500),
        ),
        Panel(
            "Waiting agents",
            "How many different agents the waiting calls belong to.",
            Unit.COUNT,
            (Query(shared(m.QUEUE_AGENTS, "lane, priority", "lane"), "{{lane}} {{priority}}"),),
        ),
        Panel(
            "Wait",
            "Time in the queue.",
            Unit.SECONDS,
            (
                Query(quantile(0.5, m.WAIT, "lane, priority", "lane"), "{{lane}} {{priority}} p50"),
                Query(
                    quantile(0.95, m.WAIT, "lane, priority", "lane"), "{{lane}} {{priority}} p95"
                ),
            ),
            levels=Levels(30, 90),
        ),
        Panel(
            "How calls left the queue",
            "Settled, refused (with the reason) or cancelled by a client that left.",
            Unit.PER_MINUTE,
            (
                Query(
                    f"{rate(m.TICKETS, 'outcome, reason', 'lane')} * 60", "{{outcome}} {{reason}}"
                ),
            ),
            Look.STACK,
            width=12,
        ),
        Panel(
            "The ledger",
            "What is reserved a minute, and what becomes of it: settled (spent), released (it was "
            "less than thought) or expired (a replica died).",
            Unit.PER_MINUTE,
            (
                Query(
                    f"max by (lane, entry) (rate({m.LANE_LEDGER.name}"
                    f'{{lane=~"$lane", {_TOKENS}}}[$__rate_interval])) * 60',
                    "{{lane}} {{entry}}",
                ),
            ),
            width=12,
        ),
    ),
)
PROVIDERS = Row(
    "The provider's side",
    (
        Panel(
            "Headroom by the provider's headers",
            "What the last answer said is left. Gemini sends no such headers.",
            Unit.TOKENS,
            (Query(shared(m.LANE_HEADROOM, _AXIS, "lane"), _NAMED),),
            quiet=True,
        ),
        Panel(
            "Drift: our count minus the provider's",
            "Near zero when we are alone on the account. Steadily above: somebody else uses it.",
            Unit.TOKENS,
            (Query(shared(m.LANE_DRIFT, _AXIS, "lane", extra=_TOKENS), _NAMED),),
            quiet=True,
        ),
        Panel(
            "Blocked and paused",
            "1 while a provider's 429 blocks a dimension (`all`: the lane), or an operator paused "
            "the lane.",
            Unit.STATE,
            (
                Query(shared(m.LANE_BLOCKED, _AXIS, "lane"), _NAMED),
                Query(shared(m.LANE_PAUSED, "lane", "lane"), "{{lane}} paused"),
            ),
            Look.STATES,
            Levels(1, 2),
        ),
        Panel(
            "Tries by what the answer meant",
            "Every request that went to a provider.",
            Unit.PER_MINUTE,
            (Query(f"{rate(m.ATTEMPTS, 'lane, verdict', 'lane')} * 60", "{{lane}} {{verdict}}"),),
            Look.STACK,
        ),
        Panel(
            "Provider 429s",
            "Requests that were wasted on a limit. The goal is none.",
            Unit.PER_MINUTE,
            (
                Query(
                    f"({rate(m.ATTEMPTS, 'lane', 'lane', extra=_LIMITED)} "
                    f"or 0 * {rate(m.ATTEMPTS, 'lane', 'lane')}) * 60",
                    "{{lane}}",
                ),
            ),
            levels=Levels(0.5, 3),
        ),
        Panel(
            "Time to the first byte, and of a whole answer",
            "From sending to the provider; waiting is not in it.",
            Unit.SECONDS,
            (
                Query(quantile(0.95, m.FIRST_BYTE, "lane", "lane"), "{{lane}} first byte p95"),
                Query(quantile(0.95, m.DURATION, "lane", "lane"), "{{lane}} whole p95"),
            ),
            levels=Levels(60, 300),
        ),
    ),
)
LANES = Board(
    "lanes",
    "Agent gateway: lanes and saturation",
    "Limits, what is used of them, the queue before them, and the provider's own word.",
    ("lane",),
    (FULLNESS, QUEUE, PROVIDERS),
)
