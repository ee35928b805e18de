"""Every metric of the gateway: name, type, unit, labels and meaning, declared once.

`docs/metrics.md` is checked against this file by a test. Names are plain Prometheus names with base
units; labels carry OpenTelemetry's GenAI names where it has one. Label values come from enums, from
the configuration, or are capped (see `gateway.telemetry.labels`), so cardinality is bounded.
"""

from .metric import Kind, Metric, Unit

PROVIDER, MODEL, TOKEN_TYPE = "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"
_SPENDER = ("agent", "team", "lane", PROVIDER, MODEL)
_LANE_DIMENSION = ("lane", "dimension")
_BUDGET = ("scope", "name", "dimension")

_WAITS = (0.001, 0.005, 0.025, 0.1, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 90, 125, 180, 300)
"""The default patience of a call is 120 s: no bound may lie far above it."""
_AGENT_WAITS = (0.1, 1, 5, 20, 60, 125, 300)
_CALLS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 60, 120, 300, 600)
_PER_TOKEN = (0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1)
_OVERHEADS = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5)
_LAGS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1)
_STORE = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)
_ESTIMATES = (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 1.02, 1.05, 1.1, 1.2, 1.3, 1.5, 2.0)
_OUTPUTS = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0)
_SESSIONS = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800)
_TURNS = (1, 2, 5, 10, 20, 50, 100, 200, 500)
_GROWTH = (100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000)
_RETAINED = (0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 1.0)

# --- calls, tokens, money -----------------------------------------------------------------------

CALLS = Metric(
    "gateway_calls_total",
    Kind.COUNTER,
    Unit.CALLS,
    (*_SPENDER, "endpoint", "status", "error_type"),
    "Finished calls. `status` is the HTTP status sent (499: the client left); `error_type` is "
    "empty for a success, else whose fault it was and why.",
)
TOKENS = Metric(
    "gateway_tokens_total",
    Kind.COUNTER,
    Unit.TOKENS,
    (*_SPENDER, TOKEN_TYPE),
    "Tokens used, by type: input (uncached), cache_read, cache_write, output (reasoning "
    "included), and reasoning (the part of output that was thought).",
)
COST = Metric(
    "gateway_cost_usd_total", Kind.COUNTER, Unit.USD, _SPENDER, "Cost of calls at list price."
)
TAG_COST = Metric(
    "gateway_tag_cost_usd_total",
    Kind.COUNTER,
    Unit.USD,
    ("tag",),
    "Cost by `x-gateway-tag`, as KEY=VALUE; a call with several tags counts with each.",
)
TAG_TOKENS = Metric(
    "gateway_tag_tokens_total",
    Kind.COUNTER,
    Unit.TOKENS,
    ("tag",),
    "Tokens (prompt and output) by `x-gateway-tag`; a call with several tags counts with each.",
)
UNPRICED = Metric(
    "gateway_unpriced_calls_total",
    Kind.COUNTER,
    Unit.CALLS,
    (MODEL,),
    "Calls to models without a known price, charged at the stated default.",
)
UNPRICED_COST = Metric(
    "gateway_unpriced_cost_usd_total",
    Kind.COUNTER,
    Unit.USD,
    (MODEL,),
    "What the stated default made calls to models without a known price cost; part of "
    "`gateway_cost_usd_total`.",
)

# --- admission ----------------------------------------------------------------------------------

TICKETS = Metric(
    "gateway_tickets_total",
    Kind.COUNTER,
    Unit.CALLS,
    ("lane", "priority", "outcome", "reason"),
    "Calls that asked for admission, by `outcome`: settled, refused (with the reason) or "
    "cancelled (the client left the queue).",
)
WAIT = Metric(
    "gateway_queue_wait_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    ("lane", "priority"),
    "Time a call waited for admission.",
    _WAITS,
)
AGENT_WAIT = Metric(
    "gateway_agent_queue_wait_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    ("agent",),
    "Time an agent's calls waited for admission.",
    _AGENT_WAITS,
)
CACHE_HELD = Metric(
    "gateway_cache_held_seconds_total",
    Kind.COUNTER,
    Unit.SECONDS,
    ("agent",),
    "Time an agent's calls waited for another one to put what they begin with into the provider's "
    "cache (docs/caching.md); part of the wait for admission.",
)
QUEUE_DEPTH = Metric(
    "gateway_queue_depth",
    Kind.GAUGE,
    Unit.CALLS,
    ("lane", "priority"),
    "Calls of all replicas that wait for admission now.",
)
QUEUE_AGENTS = Metric(
    "gateway_queue_agents",
    Kind.GAUGE,
    Unit.COUNT,
    ("lane", "priority"),
    "Agents with calls that wait for admission now.",
)
REFUSALS = Metric(
    "gateway_refusals_total",
    Kind.COUNTER,
    Unit.CALLS,
    ("reason",),
    "Calls that the gateway itself answered with an error, by reason.",
)
ESTIMATE_ERROR = Metric(
    "gateway_input_estimate_ratio",
    Kind.HISTOGRAM,
    Unit.RATIO,
    ("lane",),
    "Estimated input tokens divided by actual input tokens.",
    _ESTIMATES,
)
OUTPUT_ESTIMATE = Metric(
    "gateway_output_estimate_ratio",
    Kind.HISTOGRAM,
    Unit.RATIO,
    ("lane",),
    "Output tokens held for a call divided by output tokens used.",
    _OUTPUTS,
)

# --- lanes and budgets, as the store has them (the same from every replica: take the max) -------

LANE_LIMIT = Metric(
    "gateway_lane_limit",
    Kind.GAUGE,
    Unit.OF_DIMENSION,
    _LANE_DIMENSION,
    "The limit in force, per minute (`concurrency`: calls at once): the smaller of configured "
    "and learned.",
)
LANE_LEVEL = Metric(
    "gateway_lane_level",
    Kind.GAUGE,
    Unit.OF_DIMENSION,
    _LANE_DIMENSION,
    "What can be spent at once; it refills at the limit's rate, and is below zero after a "
    "correction.",
)
LANE_SATURATION = Metric(
    "gateway_lane_saturation_ratio",
    Kind.GAUGE,
    Unit.RATIO,
    _LANE_DIMENSION,
    "Used share of the limit, 0 to 1: how far the bucket is from full, or calls in flight of "
    "those allowed.",
)
LANE_HELD = Metric(
    "gateway_lane_held",
    Kind.GAUGE,
    Unit.OF_DIMENSION,
    _LANE_DIMENSION,
    "Reserved by calls in flight; not yet spent.",
)
LANE_LEDGER = Metric(
    "gateway_lane_ledger_total",
    Kind.COUNTER,
    Unit.OF_DIMENSION,
    (*_LANE_DIMENSION, "entry"),
    "The ledger of reservations, by `entry`: reserved, settled (what was spent), released, "
    "expired. Reserved is the sum of the others and of what is held.",
)
LANE_HEADROOM = Metric(
    "gateway_lane_headroom",
    Kind.GAUGE,
    Unit.OF_DIMENSION,
    _LANE_DIMENSION,
    "What the provider's last response headers said is left.",
)
LANE_DRIFT = Metric(
    "gateway_lane_drift",
    Kind.GAUGE,
    Unit.OF_DIMENSION,
    _LANE_DIMENSION,
    "Our count of what is left minus the provider's, at its last answer, as far as calls in "
    "flight do not explain it.",
)
LANE_BLOCKED = Metric(
    "gateway_lane_blocked",
    Kind.GAUGE,
    Unit.STATE,
    _LANE_DIMENSION,
    "1 while a provider's rate limit blocks the dimension; `all` is the whole lane.",
)
LANE_PAUSED = Metric(
    "gateway_lane_paused", Kind.GAUGE, Unit.STATE, ("lane",), "1 while an operator paused the lane."
)
LANE_SHUT = Metric(
    "gateway_lane_band_shut",
    Kind.GAUGE,
    Unit.STATE,
    ("lane", "priority"),
    "1 while the lane is too near its limit for a band: saturation above the band's threshold.",
)
BUDGET_LIMIT = Metric(
    "gateway_budget_limit",
    Kind.GAUGE,
    Unit.OF_DIMENSION,
    _BUDGET,
    "The limit of an agent's or a team's budget (`scope`); none is not shown.",
)
BUDGET_USED = Metric(
    "gateway_budget_used",
    Kind.GAUGE,
    Unit.OF_DIMENSION,
    _BUDGET,
    "What is used of a budget in the sliding minute, at once, today or this month (UTC).",
)

# --- the provider's side ------------------------------------------------------------------------

ATTEMPTS = Metric(
    "gateway_attempts_total",
    Kind.COUNTER,
    Unit.COUNT,
    ("lane", "verdict"),
    "Tries at a provider by what its answer meant: ok, caller_error, rate_limited (a provider's "
    "429), billing, overloaded, provider_error, auth, or why there was none (upstream_connect, "
    "upstream_timeout, upstream_protocol, upstream_cut), or abandoned (the client left).",
)
RETRIES = Metric(
    "gateway_upstream_repeats_total",
    Kind.COUNTER,
    Unit.COUNT,
    ("lane", "verdict"),
    "Tries that were followed by another one in the same lane, by why.",
)
FAILOVERS = Metric(
    "gateway_failovers_total",
    Kind.COUNTER,
    Unit.CALLS,
    ("lane", "to_lane", "verdict"),
    "Tries that were followed by one in another lane, by why.",
)
DURATION = Metric(
    "gateway_upstream_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    ("lane",),
    "Time from sending a call to the provider to the last byte of its answer.",
    _CALLS,
)
FIRST_BYTE = Metric(
    "gateway_first_byte_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    ("lane",),
    "Time from sending a call to the provider to the first byte of its answer's body.",
    _CALLS,
)
TTFT = Metric(
    "gateway_time_to_first_token_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    ("lane", "priority"),
    "Time from accepting a streamed call, waiting included, to the first byte of its stream.",
    _CALLS,
)
PER_TOKEN = Metric(
    "gateway_time_per_output_token_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    ("lane",),
    "Time between two output tokens of a stream: from its first byte to its last, divided by "
    "the tokens after the first.",
    _PER_TOKEN,
)
CUT = Metric(
    "gateway_cut_answers_total",
    Kind.COUNTER,
    Unit.CALLS,
    ("lane",),
    "Answers that did not reach their end, by either side.",
)

# --- breakers and routes ------------------------------------------------------------------------

BREAKER_STATE = Metric(
    "gateway_breaker_state",
    Kind.GAUGE,
    Unit.STATE,
    ("scope", "name"),
    "0 closed, 1 half open, 2 open; `scope` is provider, lane or agent.",
)
BREAKER_MOVES = Metric(
    "gateway_breaker_moves_total",
    Kind.COUNTER,
    Unit.COUNT,
    ("scope", "name", "to", "cause"),
    "Moves of breakers to closed, half_open and open, by cause.",
)
AGENT_TRIPS = Metric(
    "gateway_agent_trips_total",
    Kind.COUNTER,
    Unit.COUNT,
    ("agent", "cause", "mode"),
    "Runaway agents found, by cause; `mode` is warn (only said) or enforce (stopped).",
)
ROUTES = Metric(
    "gateway_routes_total",
    Kind.COUNTER,
    Unit.CALLS,
    ("mode", "decision", "reason", MODEL, "gen_ai_response_model"),
    "Calls a route was about: the model asked for, the model chosen (in shadow mode: that would "
    "have been), and the reason.",
)
ROUTE_SAVINGS = Metric(
    "gateway_route_savings_usd_total",
    Kind.COUNTER,
    Unit.USD,
    ("mode", MODEL),
    "Saved by routing against staying with the model asked for (in shadow mode: that would have "
    "been).",
)
ROUTE_LOSSES = Metric(
    "gateway_route_losses_usd_total",
    Kind.COUNTER,
    Unit.USD,
    ("mode", MODEL),
    "Lost by routing, where a call came out dearer than staying.",
)

# --- sessions -----------------------------------------------------------------------------------

SESSION_LENGTH = Metric(
    "gateway_session_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    (),
    "Wall clock of a session, first call to last; observed when it has been idle for half an hour.",
    _SESSIONS,
)
SESSION_CALLS = Metric(
    "gateway_session_calls",
    Kind.HISTOGRAM,
    Unit.CALLS,
    (),
    "Calls of a session, observed like its wall clock.",
    _TURNS,
)
SESSIONS_OPEN = Metric(
    "gateway_sessions_open",
    Kind.GAUGE,
    Unit.COUNT,
    (),
    "Sessions with a call in the last half hour, at all replicas.",
)
CONTEXT_GROWTH = Metric(
    "gateway_session_context_growth_tokens",
    Kind.HISTOGRAM,
    Unit.TOKENS,
    (),
    "Prompt tokens that a turn added to those of the turn before it, in the same session and model.",
    _GROWTH,
)
CONTEXT_SHRUNK = Metric(
    "gateway_session_context_shrunk_total",
    Kind.COUNTER,
    Unit.CALLS,
    (),
    "Turns with a smaller prompt than the turn before it: the context was compacted or cleared.",
)
CONTEXT_RETAINED = Metric(
    "gateway_session_context_retained_ratio",
    Kind.HISTOGRAM,
    Unit.RATIO,
    (),
    "Share of a turn's context (prompt and answer) that the next turn of the session can still "
    "hold, by its prompt tokens.",
    _RETAINED,
)

# --- the gateway itself -------------------------------------------------------------------------

OVERHEAD = Metric(
    "gateway_overhead_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    (),
    "Time a call spent in the gateway itself: its whole time less waiting and the provider.",
    _OVERHEADS,
)
STORE_LATENCY = Metric(
    "gateway_store_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    (),
    "Round trip of a batch of admission to the store, the script's run included.",
    _STORE,
)
STORE_UP = Metric(
    "gateway_store_up",
    Kind.GAUGE,
    Unit.STATE,
    (),
    "1 while the store answers, 0 while it does not (to any worker).",
)
FALLBACK = Metric(
    "gateway_fallback_active",
    Kind.GAUGE,
    Unit.COUNT,
    (),
    "Workers that admit calls by their own share of the limits, since the store is away.",
)
LOOP_LAG = Metric(
    "gateway_event_loop_lag_seconds",
    Kind.HISTOGRAM,
    Unit.SECONDS,
    (),
    "How late a timer of the event loop came, ten times a second in each worker.",
    _LAGS,
)
IN_FLIGHT = Metric(
    "gateway_calls_in_flight",
    Kind.GAUGE,
    Unit.CALLS,
    (),
    "Calls being served now, waiting ones included.",
)
UNEXPLAINED = Metric(
    "gateway_explanations_dropped_total",
    Kind.COUNTER,
    Unit.CALLS,
    (),
    "Finished calls whose explanation was not kept: more than `explanations.per_second`, or the "
    "store was slow.",
)
SPANS_DROPPED = Metric(
    "gateway_traces_dropped_total",
    Kind.COUNTER,
    Unit.CALLS,
    (),
    "Sampled calls whose trace was not exported: the receiver was slow or away.",
)
WORKERS = Metric("gateway_workers", Kind.GAUGE, Unit.COUNT, (), "Worker processes that run.")
RESIDENT = Metric(
    "gateway_resident_memory_bytes",
    Kind.GAUGE,
    Unit.BYTES,
    (),
    "Resident memory of all workers (pages that they share count in each).",
)
CPU = Metric(
    "gateway_cpu_seconds_total",
    Kind.COUNTER,
    Unit.SECONDS,
    (),
    "Processor time of all workers, user and system.",
)
BUILD = Metric("gateway_build_info", Kind.GAUGE, Unit.STATE, ("version",), "Always 1.")

DECLARED: tuple[Metric, ...] = tuple(
    one for one in dict(globals()).values() if isinstance(one, Metric)
)
"""All of them, in the order of this file."""
