"""Who spends what, who waits, and who runs away?"""

from dashboards.panels import Board, Levels, Look, Panel, Query, Row, Unit
from dashboards.promql import quantile, rate, shared, total
from gateway.telemetry import declared as m

_USEFUL = f'{m.TOKEN_TYPE}!="reasoning"'
_FAILED = 'error_type!=""'

MONEY = Row(
    "Money",
    (
        Panel(
            "Spend by agent",
            "US dollars an hour at list price.",
            Unit.DOLLARS,
            (Query(f"{rate(m.COST, 'agent', 'agent', 'team')} * 3600", "{{agent}}"),),
            Look.STACK,
            width=12,
        ),
        Panel(
            "Spent in the time shown, by agent",
            "List price of the calls in the time range above.",
            Unit.DOLLARS,
            (Query(f"sort_desc({total(m.COST, 'agent', 'agent', 'team')})", "{{agent}}"),),
            Look.BARS,
            width=6,
        ),
        Panel(
            "Spent in the time shown, by team",
            "Agents without a team stand under an empty name.",
            Unit.DOLLARS,
            (Query(f"sort_desc({total(m.COST, 'team', 'agent', 'team')})", "{{team}}"),),
            Look.BARS,
            width=6,
        ),
        Panel(
            "Spend by model",
            "US dollars an hour at list price.",
            Unit.DOLLARS,
            (Query(f"{rate(m.COST, m.MODEL, 'agent', 'team')} * 3600", f"{{{{{m.MODEL}}}}}"),),
            Look.STACK,
            width=12,
        ),
        Panel(
            "Spend by tag",
            "US dollars an hour, by `x-gateway-tag`; a call with several tags counts with each.",
            Unit.DOLLARS,
            (Query(f"{rate(m.TAG_COST, 'tag')} * 3600", "{{tag}}"),),
            Look.STACK,
            quiet=True,
            width=12,
        ),
        Panel(
            "Cost of unknown models",
            "US dollars an hour that rest on the stated default price. Add a price: docs/cost.md.",
            Unit.DOLLARS,
            (Query(f"{rate(m.UNPRICED_COST, m.MODEL)} * 3600", f"{{{{{m.MODEL}}}}}"),),
            levels=Levels(0.01, 1),
            quiet=True,
        ),
        Panel(
            "Tokens per dollar",
            "Prompt and output tokens for each dollar: caching and cheaper models raise it.",
            Unit.TOKENS,
            (
                Query(
                    f"{rate(m.TOKENS, 'agent', 'agent', 'team', extra=_USEFUL)} / "
                    f"({rate(m.COST, 'agent', 'agent', 'team')} > 0)",
                    "{{agent}}",
                ),
            ),
            width=16,
        ),
    ),
)
WORK = Row(
    "Tokens and waits",
    (
        Panel(
            "Tokens by agent",
            "Prompt and output tokens a minute.",
            Unit.PER_MINUTE,
            (
                Query(
                    f"{rate(m.TOKENS, 'agent', 'agent', 'team', extra=_USEFUL)} * 60", "{{agent}}"
                ),
            ),
            Look.STACK,
        ),
        Panel(
            "Wait by agent, 95th percentile",
            "Time an agent's calls were in the queue.",
            Unit.SECONDS,
            (Query(quantile(0.95, m.AGENT_WAIT, "agent", "agent"), "{{agent}}"),),
            levels=Levels(30, 90),
        ),
        Panel(
            "Failures by agent",
            "Calls a minute that ended in an error, with whose fault it was.",
            Unit.PER_MINUTE,
            (
                Query(
                    f"{rate(m.CALLS, 'agent, error_type', 'agent', 'team', extra=_FAILED)} * 60",
                    "{{agent}} {{error_type}}",
                ),
            ),
            levels=Levels(1, 10),
            quiet=True,
        ),
    ),
)
BUDGETS = Row(
    "Budgets",
    (
        Panel(
            "Budgets used",
            "Used share of each limit of agents and teams: sliding minute, at once, day, month.",
            Unit.SHARE,
            (
                Query(
                    f"{shared(m.BUDGET_USED, 'scope, name, dimension')} / "
                    f"({shared(m.BUDGET_LIMIT, 'scope, name, dimension')} > 0)",
                    "{{scope}} {{name}} {{dimension}}",
                ),
            ),
            levels=Levels(0.8, 1),
            width=12,
        ),
        Panel(
            "Limits of budgets",
            "As they act now: from the file, or as they were changed at run time.",
            Unit.TOKENS,
            (
                Query(
                    shared(m.BUDGET_LIMIT, "scope, name, dimension"),
                    "{{scope}} {{name}} {{dimension}}",
                ),
            ),
            Look.TABLE,
            width=6,
        ),
        Panel(
            "Runaway agents",
            "How often an agent was found repeating itself, failing in a loop, or spending far "
            "above its norm.",
            Unit.COUNT,
            (
                Query(
                    f"sum by (agent, cause, mode) (increase({m.AGENT_TRIPS.name}"
                    '{agent=~"$agent"}[$__range]))',
                    "{{agent}} {{cause}} ({{mode}})",
                ),
            ),
            Look.TABLE,
            Levels(1, 1),
            quiet=True,
            width=6,
        ),
    ),
)
AGENTS = Board(
    "agents",
    "Agent gateway: agents and spend",
    "Who spends what, who waits for what, and who runs away.",
    ("agent", "team"),
    (MONEY, WORK, BUDGETS),
)
