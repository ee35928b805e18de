"""Every way a call can end, and the one table from a reason to an HTTP status.

A reason is a closed word that goes into `x-gateway-reason`, metrics and logs. Its prefix-free
value is part of the public contract (design.md, section 8).
"""

from dataclasses import dataclass
from enum import StrEnum


class Fault(StrEnum):
    """Whose fault an unsuccessful call is; the prefix of the `error_type` label."""

    CALLER = "caller"
    POLICY = "policy"
    GATEWAY = "gateway"
    PROVIDER = "provider"


class Reason(StrEnum):
    """Why the gateway itself answered, instead of the provider."""

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    BAD_REQUEST = "bad_request"
    UNKNOWN_MODEL = "unknown_model"
    UNKNOWN_PROVIDER = "unknown_provider"
    NOT_FOUND = "not_found"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    TOO_LARGE = "too_large"
    UPGRADE_REFUSED = "upgrade_refused"
    AGENT_BUDGET = "agent_budget"
    TEAM_BUDGET = "team_budget"
    SPEND = "spend"
    LARGER_THAN_LIMIT = "larger_than_limit"
    QUEUE_FULL = "queue_full"
    QUEUE_TIMEOUT = "queue_timeout"
    LANE_BLOCKED = "lane_blocked"
    BREAKER_OPEN = "breaker_open"
    AGENT_TRIPPED = "agent_tripped"
    CANCELLED = "cancelled"
    DRAINED = "drained"
    DRAINING = "draining"
    OVERLOADED = "overloaded"
    STORE_LOST = "store_lost"
    CLIENT_TIMEOUT = "client_timeout"
    UPSTREAM_CONNECT = "upstream_connect"
    UPSTREAM_TIMEOUT = "upstream_timeout"
    UPSTREAM_PROTOCOL = "upstream_protocol"
    UPSTREAM_CUT = "upstream_cut"
    UPSTREAM_ERROR = "upstream_error"
    INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Disposition:
    """How a reason is answered.

    Attributes:
        status: The HTTP status.
        fault: Whose fault it is.
        final: Retrying the same call cannot help; SDKs are told by `x-should-retry: false`.
    """

    status: int
    fault: Fault
    final: bool


DISPOSITIONS: dict[Reason, Disposition] = {
    Reason.UNAUTHORIZED: Disposition(401, Fault.CALLER, final=True),
    Reason.FORBIDDEN: Disposition(403, Fault.CALLER, final=True),
    Reason.BAD_REQUEST: Disposition(400, Fault.CALLER, final=True),
    Reason.UNKNOWN_MODEL: Disposition(404, Fault.CALLER, final=True),
    Reason.UNKNOWN_PROVIDER: Disposition(404, Fault.CALLER, final=True),
    Reason.NOT_FOUND: Disposition(404, Fault.CALLER, final=True),
    Reason.METHOD_NOT_ALLOWED: Disposition(405, Fault.CALLER, final=True),
    Reason.TOO_LARGE: Disposition(413, Fault.CALLER, final=True),
    Reason.UPGRADE_REFUSED: Disposition(426, Fault.CALLER, final=True),
    Reason.CLIENT_TIMEOUT: Disposition(408, Fault.CALLER, final=False),
    Reason.AGENT_BUDGET: Disposition(429, Fault.POLICY, final=False),
    Reason.TEAM_BUDGET: Disposition(429, Fault.POLICY, final=False),
    Reason.SPEND: Disposition(429, Fault.POLICY, final=True),
    Reason.LARGER_THAN_LIMIT: Disposition(413, Fault.POLICY, final=True),
    Reason.QUEUE_FULL: Disposition(429, Fault.POLICY, final=False),
    Reason.QUEUE_TIMEOUT: Disposition(429, Fault.POLICY, final=False),
    Reason.LANE_BLOCKED: Disposition(429, Fault.PROVIDER, final=False),
    Reason.BREAKER_OPEN: Disposition(503, Fault.PROVIDER, final=False),
    Reason.AGENT_TRIPPED: Disposition(403, Fault.POLICY, final=True),
    Reason.CANCELLED: Disposition(403, Fault.POLICY, final=True),
    Reason.DRAINED: Disposition(503, Fault.POLICY, final=False),
    Reason.DRAINING: Disposition(503, Fault.GATEWAY, final=False),
    Reason.OVERLOADED: Disposition(503, Fault.GATEWAY, final=False),
    Reason.STORE_LOST: Disposition(503, Fault.GATEWAY, final=False),
    Reason.UPSTREAM_CONNECT: Disposition(502, Fault.PROVIDER, final=False),
    Reason.UPSTREAM_TIMEOUT: Disposition(504, Fault.PROVIDER, final=False),
    Reason.UPSTREAM_PROTOCOL: Disposition(502, Fault.PROVIDER, final=False),
    Reason.UPSTREAM_CUT: Disposition(502, Fault.PROVIDER, final=False),
    Reason.UPSTREAM_ERROR: Disposition(502, Fault.PROVIDER, final=False),
    Reason.INTERNAL: Disposition(500, Fault.GATEWAY, final=False),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer of the gateway's own, before a dialect gives it its shape.

    Attributes:
        reason: The closed word.
        message: One or two sentences: what happened, which limit, what to do.
        retry_after_s: When trying again can help; `None` where it cannot be said.
        param: The field of the body at fault, if one is.
    """

    reason: Reason
    message: str
    retry_after_s: float | None = None
    param: str | None = None

    @property
    def disposition(self) -> Disposition:
        """The row of the table for this reason."""
        return DISPOSITIONS[self.reason]


class ProviderVerdict(StrEnum):
    """What an upstream answer means for the lane and for a retry (provider-facts A3, B4, B11)."""

    OK = "ok"
    CALLER_ERROR = "caller_error"
    """A 4xx that is the caller's own: passed on, never retried."""
    RATE_LIMITED = "rate_limited"
    """A rate limit: the lane is blocked, the ticket waits again."""
    BILLING = "billing"
    """A spend cap or billing refusal: passed on at once, never queued or retried."""
    OVERLOADED = "overloaded"
    """529 or 503: the provider's load, not our bucket."""
    PROVIDER_ERROR = "provider_error"
    """Any other 5xx."""
    AUTH = "auth"
    """The gateway's own credential was refused."""


@dataclass(frozen=True, slots=True)
class UpstreamAnswer:
    """A classified upstream answer.

    Attributes:
        verdict: What it means.
        retry_after_s: What the provider asked for, in seconds, if it did.
        dimensions: Names (`Dimension` values) of the limits it says are exhausted; empty if it
            does not say.
        code: The provider's own error code or type, for logs; empty if none.
    """

    verdict: ProviderVerdict
    retry_after_s: float | None = None
    dimensions: tuple[str, ...] = ()
    code: str = ""


class FailurePhase(StrEnum):
    """Where an attempt at a provider failed."""

    CONNECT = "connect"
    TLS = "tls"
    SEND = "send"
    HEAD = "head"
    BODY = "body"


class UpstreamFailure(Exception):  # noqa: N818 - a fact about the provider, not a fault of ours
    """An attempt ended without a whole, well-formed answer.

    Attributes:
        reason: One of the `UPSTREAM_*` reasons.
        phase: Where it happened.
        sent: True once any byte of the request may have reached the provider: repeating the call
            could be charged twice.
    """

    def __init__(self, reason: Reason, phase: FailurePhase, message: str, *, sent: bool) -> None:
        super().__init__(message)
        self.reason = reason
        self.phase = phase
        self.sent = sent
