"""The settings of routes, as `gateway.config.manual` has those of everything else."""

from typing import Final

from gateway.domain.call import Priority
from gateway.domain.routes import Preference, Route, RouteMatch, RouteMode

from . import kinds, texts
from .schema import Leaf, Listing, Section, Series

_DEFAULT = Route(RouteMatch(), "")

MATCH_MODEL: Final = Leaf("model", texts.glob(), "Pattern of the model asked for.", "*", "`*`")
MATCH_AGENTS: Final = Series("agents", texts.name_of("agent"), "Only these agents.", (), "all")
MATCH_TEAMS: Final = Series("teams", texts.name_of("team"), "Only these teams.", (), "all")
MATCH_PRIORITIES: Final = Series(
    "priorities", kinds.choice(Priority), "Only these priorities.", (), "all"
)
MATCH_TAGS: Final = Series(
    "tags", texts.tag(), "Only calls with one of these in `x-gateway-tag`.", (), "all"
)
MATCH_PATH: Final = Leaf(
    "path", texts.glob(), "Pattern of the path, such as `/v1/messages`.", "*", "`*`"
)
MATCH: Final = Section(
    "match", "Which calls; every condition must hold.",
    (MATCH_MODEL, MATCH_AGENTS, MATCH_TEAMS, MATCH_PRIORITIES, MATCH_TAGS, MATCH_PATH),
)  # fmt: skip
NAME: Final = Leaf(
    "name", kinds.optional(texts.name_of("route")),
    "In headers, metrics and `auto:NAME`. `none`: `route-1`, `route-2`, ... by its place.",
    None, "`none`",
)  # fmt: skip
SIMPLE: Final = Leaf(
    "simple", texts.model(), "The model that answers simple calls.", "", required=True
)
COMPLEX: Final = Leaf(
    "complex", kinds.optional(texts.model()),
    "The model that answers the others when `auto` or `auto:NAME` is asked for; `none`: the route "
    "does not answer to `auto`.",
    None, "`none`",
)  # fmt: skip
MODE: Final = Leaf(
    "mode", kinds.choice(RouteMode),
    "shadow decides and records, but calls what was asked for; enforce acts.",
    _DEFAULT.mode, "`shadow`",
)  # fmt: skip
THRESHOLD: Final = Leaf(
    "threshold", kinds.number(0, 1), "How simple a call must look to be moved, from 0 to 1.",
    _DEFAULT.threshold, "`0.6`",
)  # fmt: skip
HEADERS: Final = Series(
    "headers", kinds.choice(Preference),
    "What callers may ask for in `x-gateway-route`; anything else is ignored.",
    _DEFAULT.headers, "all",
)  # fmt: skip
HOLDOUT: Final = Leaf(
    "holdout", kinds.share(),
    "Share of the conversations that would be moved and stay, for comparison.",
    _DEFAULT.holdout, "`0.05`",
)  # fmt: skip
MARGIN: Final = Leaf(
    "margin", kinds.share(),
    "The route returns to shadow when the share of routed conversations with trouble exceeds the "
    "holdout's by more than this.",
    _DEFAULT.margin, "`0.1`",
)  # fmt: skip
MIN_VOLUME: Final = Leaf(
    "min_volume", kinds.whole(1, 1_000_000),
    "Conversations in each of the two before they are compared.",
    _DEFAULT.min_volume, "`30`",
)  # fmt: skip
SCORER: Final = Leaf(
    "scorer", kinds.optional(texts.file_path()),
    "A scorer made by `gateway routes train`, in place of the structural score.",
    None, "`none`",
)  # fmt: skip
CAN: Final = Series(
    "can", texts.ability(),
    "What the simple model can do beyond the built-in table: `parallel_tools`, `vision`, ..., "
    "`beta:NAME`, `field:NAME`.",
    (), "none",
)  # fmt: skip
CONTEXT: Final = Leaf(
    "context", kinds.optional(kinds.whole(1)),
    "The simple model's context in tokens; `none`: as in the built-in table.",
    None, "`none`",
)  # fmt: skip
ROUTE: Final = Section(
    "route", "One policy; the first that matches decides.",
    (NAME, MATCH, SIMPLE, COMPLEX, MODE, THRESHOLD, HEADERS, HOLDOUT, MARGIN, MIN_VOLUME, SCORER,
     CAN, CONTEXT),
)  # fmt: skip
ROUTES: Final = Listing("routes", "Which calls a cheaper model may answer.", ROUTE)

FLOOR: Final = Leaf(
    "floor", kinds.optional(texts.model()),
    "No route gives this agent a model that is cheaper than this one.", None, "`none`",
)  # fmt: skip
CEILING: Final = Leaf(
    "ceiling", kinds.optional(texts.model()),
    "Where an enforced route matches, a call for a model that is dearer than this one is moved "
    "wherever the simple model can answer it, whatever the caller asks for.",
    None, "`none`",
)  # fmt: skip
BOUNDS: Final = Section("route", "Bounds that no header passes.", (FLOOR, CEILING))
