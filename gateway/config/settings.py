"""The configuration as one frozen value."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from gateway.core.convoy import ConvoySettings
from gateway.core.price_table import Entry, Rates
from gateway.core.pricing import UNKNOWN_MODEL_RATES
from gateway.domain.routes import Route
from gateway.domain.topology import Topology

from .reading import Origin
from .reliability import ReliabilitySettings
from .texts import LOOPBACK_HOST, Listen
from .tracing import TracingSettings


class LogLevel(StrEnum):
    """The least severe message that is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class OnStoreLoss(StrEnum):
    """What becomes of calls while the store does not answer."""

    LOCAL = "local"
    """Each replica admits its share of every limit."""
    REFUSE = "refuse"
    """They are answered 503 `store_lost`."""


@dataclass(frozen=True, slots=True)
class StateSettings:
    """Where state is kept, and what to do without it.

    Attributes:
        url: A Redis or Valkey server; `None` starts the embedded Valkey. May hold a password.
        dir: The embedded store's files and generated secrets.
        on_store_loss: What becomes of calls while the store does not answer.
    """

    url: str | None = field(default=None, repr=False)
    dir: Path = Path("var")
    on_store_loss: OnStoreLoss = OnStoreLoss.LOCAL


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Bounds of the HTTP server and the data plane.

    Attributes:
        workers: Processes that share the port.
        max_connections: Client connections of one worker.
        max_calls: Calls in progress in one worker, waiting ones included.
        max_held_bytes: Bytes of request bodies that one worker holds.
        max_body_bytes: The largest request body that is read, as sent and decoded.
        max_upload_bytes: The largest body on a path without a codec, which is streamed.
        shutdown_grace_s: How long calls in flight may go on after SIGTERM.
        header_timeout_s: How long a client may take to send a request's head.
        body_timeout_s: How long a client may pause while it sends a body.
        idle_timeout_s: How long an idle client connection stays open.
        write_timeout_s: How long a client may take nothing of an answer that waits for it.
        hold_head_s: How long a waiting stream's head is held before the first keep-alive.
        hold_whole_s: How long the client of a whole answer waits in silence.
        keepalive_s: Pause between keep-alives after that.
        passthrough_tokens: What a changing call on a path without a codec is charged.
        max_own_lanes: Lanes a provider may get for models in no configured lane.
        models_ttl_s: How long a provider's model list is kept.
    """

    workers: int = 1
    max_connections: int = 4096
    max_calls: int = 4096
    max_held_bytes: int = 512 * 1024 * 1024
    max_body_bytes: int = 64 * 1024 * 1024
    max_upload_bytes: int = 1024 * 1024 * 1024
    shutdown_grace_s: float = 30.0
    header_timeout_s: float = 30.0
    body_timeout_s: float = 60.0
    idle_timeout_s: float = 75.0
    write_timeout_s: float = 120.0
    hold_head_s: float = 15.0
    hold_whole_s: float = 240.0
    keepalive_s: float = 15.0
    passthrough_tokens: int = 1000
    max_own_lanes: int = 200
    models_ttl_s: float = 300.0


@dataclass(frozen=True, slots=True)
class LogSettings:
    """What is logged, and where to.

    Attributes:
        access_log: One JSON line per call.
        access_file: Where these lines go; `None` is standard output.
        level: Of the gateway's own messages, on standard error.
    """

    access_log: bool = True
    access_file: Path | None = None
    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class AdminSettings:
    """Access to the admin API, its token apart.

    Attributes:
        enabled: Whether this replica serves it.
        listen: An address of its own; `None`: where calls are served.
        origins: Web pages that may ask it from a browser.
        audit_keep_s: How long the audit is kept; `None`: for good.
    """

    enabled: bool = True
    listen: Listen | None = None
    origins: tuple[str, ...] = ()
    audit_keep_s: float | None = None


@dataclass(frozen=True, slots=True)
class ExplanationSettings:
    """What is remembered of finished calls, for `gateway why`.

    Attributes:
        keep_s: How long; 0: nothing is.
        per_second: Of how many calls of one worker in a second. One takes about 1 KiB.
    """

    keep_s: float = 3600.0
    per_second: int = 100


@dataclass(frozen=True, slots=True)
class PriceSettings:
    """Prices of one's own.

    Attributes:
        entries: They come before all that the gateway knows.
        unknown: What a model without a known price costs.
    """

    entries: tuple[Entry, ...] = ()
    unknown: Rates = UNKNOWN_MODEL_RATES


@dataclass(frozen=True, slots=True)
class UsageSettings:
    """The accounts of tokens and cost.

    Attributes:
        keep_s: How long they are kept; 0: not at all.
        max_rows: Rows of one hour; what is beyond them counts as `other`.
    """

    keep_s: float = 90 * 86_400.0
    max_rows: int = 5_000


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that is configured.

    Attributes:
        topology: Providers, lanes, teams, agents, queue and minute.
        admin_token: `None`: generated at the first start and kept in `state.dir`.
        agent_keys: Gateway keys given in the file, agent name to secret; never shown.
        caching: How long calls of agents with cache assistance wait for each other.
        file: The file it came from, if any.
        origins: Where each value came from, by its path in the file; not named here: default.
        notes: What a person should know, such as settings that do not act yet.
    """

    topology: Topology
    listen: Listen = Listen(LOOPBACK_HOST, 8080)  # noqa: RUF009 - frozen
    state: StateSettings = StateSettings()
    admin_token: str | None = field(default=None, repr=False)
    admin: AdminSettings = AdminSettings()
    agent_keys: Mapping[str, str] = field(default_factory=dict, repr=False)
    server: ServerSettings = ServerSettings()
    logging: LogSettings = LogSettings()
    explanations: ExplanationSettings = ExplanationSettings()
    tracing: TracingSettings = TracingSettings()  # noqa: RUF009 - frozen
    reliability: ReliabilitySettings = ReliabilitySettings()  # noqa: RUF009 - frozen
    prices: PriceSettings = PriceSettings()
    usage: UsageSettings = UsageSettings()
    caching: ConvoySettings = ConvoySettings()  # noqa: RUF009 - frozen
    file: str | None = None
    origins: Mapping[str, Origin] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def routes(self) -> tuple[Route, ...]:
        """Policies, in their order."""
        return self.topology.routes

    @property
    def minute_s(self) -> float:
        """What "per minute" means in every limit, in seconds."""
        return self.topology.minute_s
