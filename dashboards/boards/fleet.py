"""Is the fleet well served? The first look, and where to look next."""

from dashboards.panels import Board, Levels, Look, Panel, Query, Row, Unit
from dashboards.promql import added, mean, quantile, rate, shared, total
from gateway.telemetry import declared as m

_PROMPT = f'{m.TOKEN_TYPE}=~"input|cache_read|cache_write"'
_READ = f'{m.TOKEN_TYPE}="cache_read"'
_USEFUL = f'{m.TOKEN_TYPE}!="reasoning"'
_LIMITED = 'verdict="rate_limited"'
_FAILED = 'error_type!=""'

NOW = Row(
    "Now",
    (
        Panel(
            "Provider 429s",
            "Rate-limit answers of providers. Agents never see them, but each wastes a request: "
            "the lane's limit or margin may be wrong, or somebody else uses the account.",
            Unit.PER_MINUTE,
            (
                Query(
                    f"({rate(m.ATTEMPTS, '', extra=_LIMITED)} or vector(0)) * 60", "429s a minute"
                ),
            ),
            Look.NUMBER,
            Levels(0.5, 3),
            width=4,
            height=5,
        ),
        Panel(
            "Saturation, highest lane",
            "The fullest dimension of any lane. Near 100 % the queue works; that is what it is "
            "for. Look at the waits before buying a higher limit.",
            Unit.SHARE,
            (Query(f"max({m.LANE_SATURATION.name})", "used share"),),
            Look.NUMBER,
            Levels(0.8, 0.98),
            width=4,
            height=5,
        ),
        Panel(
            "Waiting",
            "Calls of all agents in the queue.",
            Unit.COUNT,
            (Query(f"sum({shared(m.QUEUE_DEPTH, 'lane, priority')})", "calls"),),
            Look.NUMBER,
            Levels(50, 500),
            width=4,
            height=5,
        ),
        Panel(
            "In flight",
            "Calls that the gateway is serving, waiting ones included.",
            Unit.COUNT,
            (Query(added(m.IN_FLIGHT), "calls"),),
            Look.NUMBER,
            width=4,
            height=5,
        ),
        Panel(
            "Spent in the time shown",
            "List price of all calls in the time range above.",
            Unit.DOLLARS,
            (Query(total(m.COST, ""), "US dollars"),),
            Look.NUMBER,
            width=4,
            height=5,
        ),
        Panel(
            "Prompt tokens out of the cache",
            "The most important figure of an agent fleet: a cached prompt token costs a tenth and, "
            "at Anthropic, no input limit. Falling: something changes the start of prompts, or "
            "sessions move between accounts.",
            Unit.SHARE,
            (
                Query(
                    f"{rate(m.TOKENS, '', extra=_READ)} / {rate(m.TOKENS, '', extra=_PROMPT)}",
                    "hit ratio",
                ),
            ),
            Look.NUMBER,
            Levels(0.5, 0.2, low=True),
            width=4,
            height=5,
        ),
    ),
)
WORK = Row(
    "Work",
    (
        Panel(
            "Tokens by lane",
            "Prompt and output tokens a minute. Flat at the limit means nothing is wasted.",
            Unit.PER_MINUTE,
            (Query(f"{rate(m.TOKENS, 'lane', extra=_USEFUL)} * 60", "{{lane}}"),),
            Look.STACK,
            width=12,
        ),
        Panel(
            "Calls by agent",
            "Finished calls a minute, whatever their end.",
            Unit.PER_MINUTE,
            (Query(f"{rate(m.CALLS, 'agent')} * 60", "{{agent}}"),),
            Look.STACK,
            width=12,
        ),
    ),
)
SERVICE = Row(
    "Service",
    (
        Panel(
            "Wait by priority, 95th percentile",
            "Time in the queue. Urgent calls should stay below a second even under full load.",
            Unit.SECONDS,
            (Query(quantile(0.95, m.WAIT, "priority"), "{{priority}}"),),
            levels=Levels(30, 90),
        ),
        Panel(
            "Time to first token",
            "From accepting a streamed call to its first byte, waiting included.",
            Unit.SECONDS,
            (
                Query(quantile(0.5, m.TTFT, "priority"), "{{priority}} p50"),
                Query(quantile(0.95, m.TTFT, "priority"), "{{priority}} p95"),
            ),
            levels=Levels(30, 120),
        ),
        Panel(
            "Failures by whose fault",
            "Calls a minute that ended in an error. The prefix says whose fault it was: caller_, "
            "policy_ (a budget or the queue), gateway_, provider_.",
            Unit.PER_MINUTE,
            (Query(f"{rate(m.CALLS, 'error_type', extra=_FAILED)} * 60", "{{error_type}}"),),
            Look.STACK,
            Levels(1, 10),
            quiet=True,
        ),
    ),
)
SESSIONS = Row(
    "Sessions",
    (
        Panel(
            "Open sessions",
            "Conversations with a call in the last half hour.",
            Unit.COUNT,
            (Query(shared(m.SESSIONS_OPEN, ""), "sessions"),),
        ),
        Panel(
            "Context growth per turn",
            "Prompt tokens that each turn adds. Growing without end: a tool returns too much, or "
            "an agent loops.",
            Unit.TOKENS,
            (
                Query(quantile(0.5, m.CONTEXT_GROWTH, ""), "p50"),
                Query(quantile(0.95, m.CONTEXT_GROWTH, ""), "p95"),
            ),
            levels=Levels(20_000, 50_000),
            quiet=True,
        ),
        Panel(
            "Context kept between turns",
            "Share of a turn's context that the next one can still hold; low where an agent "
            "compacts or starts over, which loses its prompt cache as well.",
            Unit.SHARE,
            (Query(mean(m.CONTEXT_RETAINED, ""), "mean"),),
            levels=Levels(0.8, 0.5, low=True),
            quiet=True,
        ),
    ),
)
FLEET = Board(
    "fleet",
    "Agent gateway: fleet",
    "Is the fleet well served, and what does it cost?",
    (),
    (NOW, WORK, SERVICE, SESSIONS),
)
