"""The schema of the file: every setting with its kind, its default and its meaning.

The reference page (docs/configuration.md), the JSON schema, the reader and `gateway check --show`
all follow from this module.
"""

from typing import Final

from gateway.domain.call import Dialect, Priority
from gateway.domain.limits import Budget, BudgetMode
from gateway.domain.topology import Agent, Lane, QueueSettings, Timeouts
from gateway.domain.translating import TranslatedApi, Translating

from . import caching, kinds, reliability, route_manual, texts, tracing
from .prices import PRICES, UNPRICED, USAGE
from .schema import Leaf, Section, Series, SeriesTable, Table
from .settings import (
    AdminSettings,
    ExplanationSettings,
    LogLevel,
    LogSettings,
    OnStoreLoss,
    ServerSettings,
    StateSettings,
)

_SERVER = ServerSettings()
_QUEUE = QueueSettings()
_TIMEOUTS = Timeouts()
_LANE = Lane("", "", ())

LISTEN: Final = Leaf(
    "listen", texts.address(), "Where the gateway listens: HOST:PORT. Port 0 takes a free one.",
    texts.Listen(texts.LOOPBACK_HOST, 8080), "`127.0.0.1:8080`",
)  # fmt: skip
MINUTE: Final = Leaf(
    "minute", kinds.duration(0.1, 60.0),
    'What "per minute" means in every limit; shortened only in simulations and tests.',
    60.0, "`60s`",
)  # fmt: skip

# state
STATE_URL: Final = Leaf(
    "url", kinds.optional(texts.store_url()),
    "A Redis or Valkey server (`redis://`, `rediss://`, `valkey://`, `unix:///`). "
    "`none` starts the embedded Valkey.",
    None, "`none`", secret=True,
)  # fmt: skip
STATE_DIR: Final = Leaf(
    "dir", texts.file_path(),
    "Files of the embedded store and generated secrets. Relative to the folder of the file.",
    str(StateSettings().dir), "`var`",
)  # fmt: skip
ON_STORE_LOSS: Final = Leaf(
    "on_store_loss", kinds.choice(OnStoreLoss),
    "While the store does not answer: local (each replica admits its share of every limit) or "
    "refuse (503 `store_lost`).",
    StateSettings().on_store_loss, "`local`",
)  # fmt: skip
STATE: Final = Section(
    "state", "Where state is kept, and what to do without it.",
    (STATE_URL, STATE_DIR, ON_STORE_LOSS),
)  # fmt: skip

# admin
ADMIN_TOKEN: Final = Leaf(
    "token", kinds.optional(texts.credential(texts.MIN_KEY_CHARS)),
    "Bearer token of the admin API, at least 8 characters. `none` generates one at the first "
    "start and keeps it in `state.dir`.",
    None, "`none`", secret=True,
)  # fmt: skip
ADMIN_ENABLED: Final = Leaf(
    "enabled", kinds.flag(), "Whether this replica serves the admin API.",
    AdminSettings().enabled, "`true`",
)  # fmt: skip
ADMIN_LISTEN: Final = Leaf(
    "listen", kinds.optional(texts.address()),
    "An address of its own for the admin API, HOST:PORT; it is then not served where calls are. "
    "`none`: on `listen`.",
    None, "`none`",
)  # fmt: skip
ADMIN_ORIGINS: Final = Series(
    "origins", texts.origin(),
    "Origins of web pages that may use the admin API from a browser (CORS), such as "
    "`https://ops.example.com`.",
    AdminSettings().origins, "no page",
)  # fmt: skip
AUDIT_KEEP: Final = Leaf(
    "audit_keep", kinds.optional(kinds.duration(60, 36_600 * 86_400)),
    "How long entries of the audit are kept. `none`: for good.",
    None, "`none`",
)  # fmt: skip
ADMIN: Final = Section(
    "admin", "Access to the admin API.",
    (ADMIN_TOKEN, ADMIN_ENABLED, ADMIN_LISTEN, ADMIN_ORIGINS, AUDIT_KEEP),
)  # fmt: skip

# server
WORKERS: Final = Leaf(
    "workers", kinds.whole(1, 256), "Processes that share the port and the state.",
    _SERVER.workers, "`1`",
)  # fmt: skip
MAX_CONNECTIONS: Final = Leaf(
    "max_connections", kinds.whole(1, 1_000_000),
    "Client connections of one worker; further ones are answered 503.",
    _SERVER.max_connections, "`4096`",
)  # fmt: skip
MAX_CALLS: Final = Leaf(
    "max_calls", kinds.whole(1, 1_000_000),
    "Calls in progress in one worker, waiting ones included. Background calls are answered 503 "
    "from 80 % of it, normal ones from 95 %, urgent ones when it is full.",
    _SERVER.max_calls, "`4096`",
)  # fmt: skip
MAX_HELD: Final = Leaf(
    "max_held", kinds.size(1024),
    "Bytes of request bodies that one worker holds at once; beyond them calls are answered 503, "
    "in the same order.",
    _SERVER.max_held_bytes, "`512MiB`",
)  # fmt: skip
MAX_BODY: Final = Leaf(
    "max_body", kinds.size(1024),
    "The largest request body that is read, as sent and decoded; larger ones are answered 413.",
    _SERVER.max_body_bytes, "`64MiB`",
)  # fmt: skip
MAX_UPLOAD: Final = Leaf(
    "max_upload", kinds.size(1024),
    "The largest body on a path that the gateway does not read (files, batches); it is streamed.",
    _SERVER.max_upload_bytes, "`1GiB`",
)  # fmt: skip
SHUTDOWN_GRACE: Final = Leaf(
    "shutdown_grace", kinds.duration(0, 3600),
    "How long calls in flight may go on after SIGTERM before they are cut.",
    _SERVER.shutdown_grace_s, "`30s`",
)  # fmt: skip
HEADER_TIMEOUT: Final = Leaf(
    "header_timeout", kinds.duration(0.1, 3600),
    "How long a client may take to send the head of a request.",
    _SERVER.header_timeout_s, "`30s`",
)  # fmt: skip
BODY_TIMEOUT: Final = Leaf(
    "body_timeout", kinds.duration(0.1, 3600),
    "How long a client may pause while it sends a body.",
    _SERVER.body_timeout_s, "`60s`",
)  # fmt: skip
IDLE_TIMEOUT: Final = Leaf(
    "idle_timeout", kinds.duration(0.1, 3600),
    "How long an idle client connection stays open.",
    _SERVER.idle_timeout_s, "`75s`",
)  # fmt: skip
WRITE_TIMEOUT: Final = Leaf(
    "write_timeout", kinds.duration(0.1, 3600),
    "How long a client may take nothing of an answer that waits for it, before its connection is "
    "closed.",
    _SERVER.write_timeout_s, "`2m`",
)  # fmt: skip
HOLD_HEAD: Final = Leaf(
    "hold_head", kinds.duration(0, 600),
    "How long the head of a waiting stream is held back. Until then a refusal can still carry "
    "its own status; after that the stream opens and gets keep-alives.",
    _SERVER.hold_head_s, "`15s`",
)  # fmt: skip
HOLD_WHOLE: Final = Leaf(
    "hold_whole", kinds.duration(0, 3600),
    "How long the client of an answer that is not streamed waits in silence before it gets "
    "`102 Processing`, one after another. Gemini CLI, which hangs up after a minute, gets the "
    "first after `server.hold_head`.",
    _SERVER.hold_whole_s, "`240s`",
)  # fmt: skip
KEEPALIVE: Final = Leaf(
    "keepalive", kinds.duration(0.1, 600), "Pause between keep-alives of a waiting call.",
    _SERVER.keepalive_s, "`15s`",
)  # fmt: skip
PASSTHROUGH_TOKENS: Final = Leaf(
    "passthrough_tokens", kinds.whole(0),
    "What a changing call on a path that the gateway does not read is charged, in tokens, and in "
    "money as so much input of an unpriced model.",
    _SERVER.passthrough_tokens, "`1000`",
)  # fmt: skip
MAX_OWN_LANES: Final = Leaf(
    "max_own_lanes", kinds.whole(1, 100_000),
    "Lanes that a provider may get for models in no configured lane; the rest share one.",
    _SERVER.max_own_lanes, "`200`",
)  # fmt: skip
MODELS_TTL: Final = Leaf(
    "models_ttl", kinds.duration(0, 86400), "How long a provider's model list is kept.",
    _SERVER.models_ttl_s, "`5m`",
)  # fmt: skip
SERVER: Final = Section(
    "server", "Bounds of the HTTP server.",
    (WORKERS, MAX_CONNECTIONS, MAX_CALLS, MAX_HELD, MAX_BODY, MAX_UPLOAD, SHUTDOWN_GRACE,
     HEADER_TIMEOUT, BODY_TIMEOUT, IDLE_TIMEOUT, WRITE_TIMEOUT, HOLD_HEAD, HOLD_WHOLE, KEEPALIVE, PASSTHROUGH_TOKENS, MAX_OWN_LANES,
     MODELS_TTL),
)  # fmt: skip

# logging
ACCESS_LOG: Final = Leaf(
    "access_log", kinds.flag(), "One JSON line per call, without content and credentials.",
    LogSettings().access_log, "`true`",
)  # fmt: skip
ACCESS_FILE: Final = Leaf(
    "access_file", kinds.optional(texts.file_path()),
    "The file for these lines, relative to the folder of the configuration. `none` is standard "
    "output.",
    None, "`none`",
)  # fmt: skip
LEVEL: Final = Leaf(
    "level", kinds.choice(LogLevel),
    "The least severe of the gateway's own messages that is written to standard error.",
    LogSettings().level, "`info`",
)  # fmt: skip
LOGGING: Final = Section("logging", "What is logged.", (ACCESS_LOG, ACCESS_FILE, LEVEL))

# explanations
EXPLANATIONS_KEEP: Final = Leaf(
    "keep", kinds.duration(0, 86400),
    "How long it is remembered why a call went as it did (`gateway why`). 0 remembers nothing.",
    ExplanationSettings().keep_s, "`1h`",
)  # fmt: skip
EXPLANATIONS_PER_SECOND: Final = Leaf(
    "per_second", kinds.whole(1, 100_000),
    "Of how many calls of one worker in a second; half of them may be calls that were simply "
    "answered. Each takes about 1 KiB of the store's memory.",
    ExplanationSettings().per_second, "`100`",
)  # fmt: skip
EXPLANATIONS: Final = Section(
    "explanations", "What is remembered of finished calls.",
    (EXPLANATIONS_KEEP, EXPLANATIONS_PER_SECOND),
)  # fmt: skip

# providers
DIALECT: Final = Leaf(
    "dialect", kinds.choice(Dialect), "The wire format: anthropic, openai or gemini.",
    Dialect.OPENAI, required=True,
)  # fmt: skip
BASE_URL: Final = Leaf(
    "base_url", texts.base_url(),
    "As that provider's own SDK wants it; OpenAI's and compatible ones end in `/v1`.",
    "", "the official address of the dialect",
)  # fmt: skip
API_KEY: Final[Leaf[str | texts.Special | None]] = Leaf(
    "api_key", texts.provider_credential(),
    "The provider's credential. `none` sends none; `passthrough` forwards the caller's own "
    "(subscription logins), whose gateway key then travels in `x-gateway-key`.",
    None, "at the official address: the variable of the dialect's SDK; elsewhere required",
    secret=True,
)  # fmt: skip
CONNECT: Final = Leaf(
    "connect", kinds.duration(0.01, 600), "Until the connection stands, TLS included.",
    _TIMEOUTS.connect_s, "`10s`",
)  # fmt: skip
FIRST_BYTE: Final = Leaf(
    "first_byte", kinds.duration(0.01, 86400), "From the request to the head of the answer.",
    _TIMEOUTS.first_byte_s, "`15m`",
)  # fmt: skip
BETWEEN_CHUNKS: Final = Leaf(
    "between_chunks", kinds.duration(0.01, 86400), "Silence within an answer.",
    _TIMEOUTS.between_chunks_s, "`10m`",
)  # fmt: skip
TOTAL: Final = Leaf(
    "total", kinds.duration(0.01, 86400), "One attempt as a whole.",
    _TIMEOUTS.total_s, "`1h`",
)  # fmt: skip
TIMEOUTS: Final = Section(
    "timeouts", "How long one attempt at the provider may take.",
    (CONNECT, FIRST_BYTE, BETWEEN_CHUNKS, TOTAL),
)  # fmt: skip
PROVIDER_CONNECTIONS: Final = Leaf(
    "max_connections", kinds.whole(1, 100_000), "Connections of one worker to this provider.",
    1000, "`1000`",
)  # fmt: skip
TLS_CA_FILE: Final = Leaf(
    "tls_ca_file", kinds.optional(texts.file_path()),
    "Certificates to trust instead of the system's, as PEM. Relative to the folder of the file.",
    None, "`none`",
)  # fmt: skip
TRANSLATED_API: Final = Leaf(
    "translated_api", kinds.choice(TranslatedApi),
    "OpenAI's dialect only: which API takes calls that are translated for this provider. Every "
    "server knows Chat Completions; Responses shows reasoning, and takes no stop sequences.",
    TranslatedApi.CHAT, "`chat`",
)  # fmt: skip
REPLICAS: Final = Series(
    "replicas", texts.base_url(),
    "Further addresses of the same server, each with a prompt cache of its own: a conversation "
    "stays at one, and goes to another when that fails.",
    shown="none",
)  # fmt: skip
PROVIDER: Final = Section(
    "provider", "One account: dialect, address, credential.",
    (
        *(DIALECT, BASE_URL, REPLICAS, API_KEY, TIMEOUTS, PROVIDER_CONNECTIONS, TLS_CA_FILE),
        TRANSLATED_API,
    ),
)  # fmt: skip
PROVIDERS: Final = Table(
    "providers", "Accounts by name. Left out: made from the environment.", PROVIDER, "PROVIDER"
)

# lanes


def _limit(name: str, meaning: str) -> Leaf[int | None]:
    return Leaf(name, kinds.optional(kinds.whole(1)), meaning, None, "`none`")


LANE_PROVIDER: Final = Leaf(
    "provider", texts.name_of("provider"), "Whose models these are.", "", required=True
)
LANE_MODELS: Final = Series(
    "models", texts.glob(),
    "Models that share the limit; `*`, `?` and `[...]` match. The first lane that matches counts.",
    required=True,
)  # fmt: skip
LANE_RPM: Final = _limit("rpm", "Requests per minute. `none`: learned from response headers.")
LANE_ITPM: Final = _limit("itpm", "Input tokens per minute, as the provider counts them.")
LANE_OTPM: Final = _limit("otpm", "Output tokens per minute.")
LANE_TPM: Final = _limit("tpm", "Input and output tokens per minute together.")
LANE_CONCURRENCY: Final = _limit("concurrency", "Calls in flight at once.")
LIMITS: Final = Section(
    "limits", "The provider's limits.",
    (LANE_RPM, LANE_ITPM, LANE_OTPM, LANE_TPM, LANE_CONCURRENCY),
)  # fmt: skip
MARGIN: Final = Leaf(
    "margin", kinds.share(0.5), "The share of each per-minute limit that is never used.",
    _LANE.margin, "`0.01`",
)  # fmt: skip
COUNTS_CACHED: Final = Leaf(
    "counts_cached_input", kinds.optional(kinds.flag()),
    "Whether prompt-cache reads count against the input limit. `none`: as the dialect does.",
    None, "anthropic `false`, openai and gemini `true`",
)  # fmt: skip
CHARGES_MAX: Final = Leaf(
    "charges_max_output", kinds.optional(kinds.flag()),
    "Whether the requested maximum of output is charged on arrival. `none`: as the dialect does.",
    None, "openai `true`, anthropic and gemini `false`",
)  # fmt: skip


def _floor(priority: Priority, shown: str) -> Leaf[float]:
    meaning = f"The share of each bucket that {priority.value} calls leave for the bands above."
    return Leaf(priority.value, kinds.share(), meaning, _LANE.floors[priority], shown)


FLOOR_URGENT: Final = _floor(Priority.URGENT, "`0`")
FLOOR_NORMAL: Final = _floor(Priority.NORMAL, "`0.05`")
FLOOR_BACKGROUND: Final = _floor(Priority.BACKGROUND, "`0.2`")
FLOORS: Final = Section(
    "floors", "Headroom kept in the bucket for higher priorities.",
    (FLOOR_URGENT, FLOOR_NORMAL, FLOOR_BACKGROUND),
)  # fmt: skip
RAMP_AFTER: Final = Leaf(
    "after", kinds.duration(), "Unused for so long, a lane begins again slowly. `0`: it does not.",
    _LANE.ramp.after_s, "`15m`",
)  # fmt: skip
RAMP_START: Final = Leaf(
    "start", kinds.share(), "The share of its limits with which it begins.",
    _LANE.ramp.start, "`0.5`",
)  # fmt: skip
RAMP_OVER: Final = Leaf(
    "over", kinds.duration(),
    "How long it then takes to reach them. `0`: no ramps, not even after a 429 that names no limit.",
    _LANE.ramp.over_s, "`1m`",
)  # fmt: skip
RAMP: Final = Section(
    "ramp", "How a lane begins again after a rest.", (RAMP_AFTER, RAMP_START, RAMP_OVER)
)
LANE: Final = Section(
    "lane", "Models of one provider that share one limit.",
    (LANE_PROVIDER, LANE_MODELS, LIMITS, MARGIN, COUNTS_CACHED, CHARGES_MAX, FLOORS, RAMP),
)  # fmt: skip
LANES: Final = Table(
    "lanes",
    "Limits by lane. A model in no lane gets one of its own, its limits learned from headers.",
    LANE, "LANE",
)  # fmt: skip

# budgets, teams, agents


def _dollars(name: str, period: str) -> Leaf[int | None]:
    meaning = f"US dollars in a calendar {period}, UTC."
    return Leaf(name, kinds.optional(kinds.dollars()), meaning, None, "`none`")


BUDGET_RPM: Final = _limit("rpm", "Requests in any sliding minute.")
BUDGET_TPM: Final = _limit("tpm", "Input and output tokens in any sliding minute.")
BUDGET_CONCURRENCY: Final = _limit("concurrency", "Calls in flight at once.")
USD_PER_DAY: Final = _dollars("usd_per_day", "day")
USD_PER_MONTH: Final = _dollars("usd_per_month", "month")
BUDGET_MODE: Final = Leaf(
    "mode", kinds.choice(BudgetMode),
    "A hard budget is never exceeded; a soft one may be while its lane has spare capacity.",
    Budget().mode, "`hard`",
)  # fmt: skip
BUDGET: Final = Section(
    "budget", "Own limits; what is not given is not limited.",
    (BUDGET_RPM, BUDGET_TPM, BUDGET_CONCURRENCY, USD_PER_DAY, USD_PER_MONTH, BUDGET_MODE),
)  # fmt: skip
TEAM: Final = Section("team", "A group of agents with a common budget.", (BUDGET,))
TEAMS: Final = Table("teams", "Teams by name.", TEAM, "TEAM")

AGENT_TEAM: Final = Leaf(
    "team", kinds.optional(texts.name_of("team")), "The team whose budget it shares.", None,
    "`none`",
)  # fmt: skip
AGENT_KEY: Final = Leaf(
    "key", kinds.optional(texts.credential(texts.MIN_KEY_CHARS, name="key")),
    "Its gateway key, at least 8 characters. `none`: make keys with `gateway keys create AGENT`.",
    None, "`none`", secret=True,
)  # fmt: skip
AGENT_PRIORITY: Final = Leaf(
    "priority", kinds.choice(Priority), "The band of its calls that name none.",
    Priority.NORMAL, "`normal`",
)  # fmt: skip
AGENT_WEIGHT: Final = Leaf(
    "weight", kinds.number(0.001, 1000.0), "Its share of its band while the lane is saturated.",
    1.0, "`1`",
)  # fmt: skip
AGENT_MODELS: Final = Series(
    "models", texts.glob(), "Models it may use; `*`, `?` and `[...]` match.",
    Agent("").models, "`[\"*\"]`",
)  # fmt: skip
AGENT_CACHE_ASSIST: Final = Leaf(
    "cache_assist", kinds.flag(),
    "Marks its prompts for the provider's cache where nothing is marked, and lets its calls wait "
    "for one in flight that begins alike (docs/caching.md).", Agent("").cache_assist, "`false`",
)  # fmt: skip
AGENT: Final = Section(
    "agent", "Who is calling.",
    (AGENT_TEAM, AGENT_KEY, AGENT_PRIORITY, AGENT_WEIGHT, AGENT_MODELS, AGENT_CACHE_ASSIST,
     BUDGET, route_manual.BOUNDS),
)  # fmt: skip
AGENTS: Final = Table("agents", "Agents by name.", AGENT, "AGENT")

# queue
MAX_WAIT: Final = Leaf(
    "max_wait", kinds.duration(0, 86400),
    "How long a call may wait that does not say so itself (`x-gateway-max-wait`).",
    _QUEUE.max_wait_s, "`120s`",
)  # fmt: skip
MAX_DEPTH: Final = Leaf(
    "max_depth", kinds.whole(1, 1_000_000),
    "Waiting calls of one lane; further ones are refused. Calls of a lower priority are not "
    "counted.",
    _QUEUE.max_depth, "`1000`",
)  # fmt: skip
AGEING: Final = Leaf(
    "ageing", kinds.duration(0.1, 86400),
    "A band that waits and was not served for so long rises by one band.",
    _QUEUE.ageing_s, "`30s`",
)  # fmt: skip
QUEUE: Final = Section("queue", "Bounds of the queue.", (MAX_WAIT, MAX_DEPTH, AGEING))

# routes and fallbacks
FALLBACKS: Final = SeriesTable(
    "fallbacks",
    "What to try, in order, when the lane cannot answer: `MODEL`, or `PROVIDER/MODEL` for a model "
    "of a certain provider.", texts.model(), "LANE",
)  # fmt: skip

TRANSLATION: Final = Leaf(
    "translation", kinds.choice(Translating),
    "Which calls may be answered by a provider of another dialect: none (off), those that a route "
    "or a fallback moves (moved), or also those that name a model which belongs to one (all).",
    Translating.ALL, "`all`",
)  # fmt: skip

SCHEMA: Final = Section(
    "", "Configuration of agent-gateway.",
    (LISTEN, MINUTE, STATE, ADMIN, PROVIDERS, LANES, TEAMS, AGENTS, QUEUE, SERVER, LOGGING,
     EXPLANATIONS, tracing.TRACING, *reliability.SECTIONS, caching.CACHE, PRICES, UNPRICED, USAGE,
     route_manual.ROUTES, FALLBACKS,
     TRANSLATION),
)  # fmt: skip
