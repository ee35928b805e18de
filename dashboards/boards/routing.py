"""What the prompt cache and routing save."""

from dashboards.panels import Board, Levels, Look, Panel, Query, Row, Unit
from dashboards.promql import rate, total
from gateway.telemetry import declared as m

_MODEL = f"{{{{{m.MODEL}}}}}"


def _kind(kind: str) -> str:
    return f'{m.TOKEN_TYPE}="{kind}"'


_PROMPT = f'{m.TOKEN_TYPE}=~"input|cache_read|cache_write"'

CACHE = Row(
    "Prompt cache",
    (
        Panel(
            "Hit ratio by model",
            "Share of prompt tokens that came out of the provider's cache.",
            Unit.SHARE,
            (
                Query(
                    f"{rate(m.TOKENS, m.MODEL, extra=_kind('cache_read'))} / "
                    f"{rate(m.TOKENS, m.MODEL, extra=_PROMPT)}",
                    _MODEL,
                ),
            ),
            levels=Levels(0.5, 0.2, low=True),
        ),
        Panel(
            "Hit ratio by agent",
            "An agent far below the others changes the start of its prompts.",
            Unit.SHARE,
            (
                Query(
                    f"{rate(m.TOKENS, 'agent', extra=_kind('cache_read'))} / "
                    f"{rate(m.TOKENS, 'agent', extra=_PROMPT)}",
                    "{{agent}}",
                ),
            ),
            levels=Levels(0.5, 0.2, low=True),
        ),
        Panel(
            "Prompt tokens by kind",
            "Read from the cache (a tenth of the price), written to it (a quarter more), or "
            "neither.",
            Unit.PER_MINUTE,
            (
                Query(
                    f"{rate(m.TOKENS, m.TOKEN_TYPE, extra=_PROMPT)} * 60",
                    f"{{{{{m.TOKEN_TYPE}}}}}",
                ),
            ),
            Look.STACK,
        ),
    ),
)
ROUTES = Row(
    "Routes",
    (
        Panel(
            "Decisions",
            "Calls a minute that a route was about. In shadow mode nothing is changed.",
            Unit.PER_MINUTE,
            (
                Query(
                    f"{rate(m.ROUTES, 'mode, decision')} * 60",
                    "{{mode}} {{decision}}",
                ),
            ),
            Look.STACK,
            quiet=True,
        ),
        Panel(
            "Reasons",
            "Why calls were moved or stayed.",
            Unit.PER_MINUTE,
            (Query(f"{rate(m.ROUTES, 'decision, reason')} * 60", "{{decision}}: {{reason}}"),),
            Look.STACK,
            quiet=True,
        ),
        Panel(
            "Saved in the time shown",
            "Against staying with the model asked for, its warm cache included; in shadow mode: "
            "what would have been saved.",
            Unit.DOLLARS,
            (
                Query(total(m.ROUTE_SAVINGS, "mode"), "saved ({{mode}})"),
                Query(f"({total(m.ROUTE_LOSSES, '')}) or vector(0)", "lost"),
            ),
            Look.NUMBER,
            quiet=True,
        ),
        Panel(
            "From model to model",
            "What was asked for and what answered.",
            Unit.PER_MINUTE,
            (
                Query(
                    f"{rate(m.ROUTES, f'{m.MODEL}, gen_ai_response_model')} * 60",
                    f"{_MODEL} to {{{{gen_ai_response_model}}}}",
                ),
            ),
            Look.TABLE,
            quiet=True,
            width=12,
        ),
        Panel(
            "Retries and failovers",
            "Tries beyond the first, in the same lane and in another one. A share of more than a "
            "tenth of all calls means that a provider is in trouble.",
            Unit.PER_MINUTE,
            (
                Query(f"{rate(m.RETRIES, 'lane, verdict')} * 60", "{{lane}} again: {{verdict}}"),
                Query(f"{rate(m.FAILOVERS, 'lane, to_lane')} * 60", "{{lane}} to {{to_lane}}"),
            ),
            levels=Levels(1, 10),
            quiet=True,
            width=12,
        ),
    ),
)
ROUTING = Board(
    "routing",
    "Agent gateway: routing and cache",
    "What the prompt cache and cheaper models save, and what moving costs.",
    (),
    (CACHE, ROUTES),
)
