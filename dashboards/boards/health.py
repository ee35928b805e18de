"""Is the gateway itself well?"""

from dashboards.panels import Board, Levels, Look, Panel, Query, Row, Unit
from dashboards.promql import added, mean, quantile, rate
from gateway.telemetry import declared as m

CORE = Row(
    "The gateway",
    (
        Panel(
            "Overhead",
            "Time a call spends in the gateway itself, waiting and the provider excluded.",
            Unit.SECONDS,
            (
                Query(quantile(0.5, m.OVERHEAD, ""), "p50"),
                Query(quantile(0.99, m.OVERHEAD, ""), "p99"),
            ),
            levels=Levels(0.01, 0.1),
        ),
        Panel(
            "Event-loop lag",
            "How late timers come. High: the worker has too much to do; add workers.",
            Unit.SECONDS,
            (Query(quantile(0.99, m.LOOP_LAG, ""), "p99"),),
            levels=Levels(0.05, 0.25),
        ),
        Panel(
            "Calls in flight",
            "Waiting ones included.",
            Unit.COUNT,
            (Query(added(m.IN_FLIGHT), "calls"),),
        ),
        Panel(
            "Processor",
            "Cores in use by all workers.",
            Unit.COUNT,
            (Query(rate(m.CPU, ""), "cores"),),
        ),
        Panel(
            "Memory",
            "Resident memory of all workers.",
            Unit.BYTES,
            (Query(added(m.RESIDENT), "bytes"),),
            levels=Levels(2e9, 4e9),
        ),
        Panel(
            "Workers",
            "Worker processes that run; fewer than configured: one keeps dying, see the log.",
            Unit.COUNT,
            (Query(added(m.WORKERS), "workers"),),
            Look.NUMBER,
            Levels(1, 1, low=True),
        ),
    ),
)
STORE = Row(
    "The store",
    (
        Panel(
            "Store",
            "1 while Redis or Valkey answers.",
            Unit.STATE,
            (Query(f"min({m.STORE_UP.name})", "up"),),
            Look.STATES,
            Levels(1, 1, low=True),
        ),
        Panel(
            "Round trip of a batch",
            "The script's run included. The queue cannot be faster than this.",
            Unit.SECONDS,
            (
                Query(quantile(0.5, m.STORE_LATENCY, ""), "p50"),
                Query(quantile(0.99, m.STORE_LATENCY, ""), "p99"),
            ),
            levels=Levels(0.01, 0.1),
        ),
        Panel(
            "Workers on their own",
            "Workers that admit calls by their own share of the limits, since the store is away.",
            Unit.COUNT,
            (Query(added(m.FALLBACK), "workers"),),
            Look.NUMBER,
            Levels(1, 1),
        ),
    ),
)
FAULTS = Row(
    "Faults",
    (
        Panel(
            "Breakers",
            "0 closed, 1 half open, 2 open.",
            Unit.STATE,
            (Query(f"max by (scope, name) ({m.BREAKER_STATE.name})", "{{scope}} {{name}}"),),
            Look.STATES,
            Levels(1, 2),
            quiet=True,
        ),
        Panel(
            "Moves of breakers",
            "How often each moved, and why.",
            Unit.COUNT,
            (
                Query(
                    f"sum by (scope, name, to, cause) (increase({m.BREAKER_MOVES.name}[$__range]))",
                    "{{scope}} {{name}} {{to}}: {{cause}}",
                ),
            ),
            Look.TABLE,
            quiet=True,
        ),
        Panel(
            "Refusals of the gateway",
            "Calls that the gateway itself answered with an error.",
            Unit.PER_MINUTE,
            (Query(f"{rate(m.REFUSALS, 'reason')} * 60", "{{reason}}"),),
            Look.STACK,
            Levels(10, 60),
            quiet=True,
        ),
        Panel(
            "Cut answers",
            "Answers that did not reach their end, by either side.",
            Unit.PER_MINUTE,
            (Query(f"{rate(m.CUT, 'lane')} * 60", "{{lane}}"),),
            levels=Levels(1, 10),
            quiet=True,
        ),
        Panel(
            "Input estimates",
            "Estimated divided by actual input tokens: 1 is exact.",
            Unit.COUNT,
            (Query(mean(m.ESTIMATE_ERROR, "lane"), "{{lane}}"),),
            levels=Levels(1.1, 1.3),
        ),
        Panel(
            "Not kept",
            "Explanations and traces that were dropped, a minute.",
            Unit.PER_MINUTE,
            (
                Query(f"{rate(m.UNEXPLAINED, '')} * 60", "explanations"),
                Query(f"{rate(m.SPANS_DROPPED, '')} * 60", "traces"),
            ),
            levels=Levels(1, 60),
        ),
    ),
)
HEALTH = Board(
    "health",
    "Agent gateway: gateway health",
    "Overhead, workers, store, breakers and faults of the gateway itself.",
    (),
    (CORE, STORE, FAULTS),
)
