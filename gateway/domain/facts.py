"""What is told to observers (metrics, access log, traces): frozen facts, one record per call."""

from dataclasses import dataclass
from enum import StrEnum

from .call import Dialect, Endpoint, Priority
from .explanation import Attempt, Move, Wait
from .limits import Headroom
from .outcome import Fault, Reason
from .routes import Arm, Choice, RouteMode, Trouble, Why
from .usage import Usage
from .value import value


@dataclass(frozen=True, slots=True)
class Session:
    """Which conversation a call belongs to, as far as its client says.

    Attributes:
        id: The client's own name for it.
        thread: Distinguishes the sub-agents that share a session; empty for the main one.
    """

    id: str
    thread: str = ""


@dataclass(frozen=True, slots=True)
class Trace:
    """A call's place in a distributed trace (W3C Trace Context). Ids are lower-case hex.

    Attributes:
        trace_id: 32 digits; the caller's, if it sent one.
        span_id: 16 digits: the span of the call here.
        parent_id: 16 digits: the caller's span; empty if it sent none.
        sampled: Whether the spans are recorded.
    """

    trace_id: str
    span_id: str
    parent_id: str
    sampled: bool


@value
class Routed:
    """What a route decided about a call, and what came of it. No content.

    Attributes:
        mode: The one in force. In `SHADOW`, the decision is what would have been done.
        decision: Which of the route's two models was decided on.
        reason: Why.
        asked: The model that was asked for.
        chosen: The model that was decided on.
        saved_microusd: Against staying with the model asked for and its cache, escalations
            included; below zero for a loss. In shadow: what would have been saved.
        policy: The route's name.
        detail: What exactly, in a few words.
        moved: The simple model has answered.
        arm: Where the conversation is counted.
        score: How simple the call looked, 0 to 1; `None` where nothing was scored.
        conversation: A digest that names the conversation; empty if it is this call alone.
        troubles: What went wrong.
        stay_microusd: The cost on the model asked for, with its cache: what was paid where it
            answered a conversation that was never moved, else modelled.
        other_microusd: The cost on the simple model: paid where it answered, else modelled.
    """

    mode: RouteMode
    decision: Choice
    reason: Why
    asked: str
    chosen: str
    saved_microusd: int = 0
    policy: str = ""
    detail: str = ""
    moved: bool = False
    arm: Arm = Arm.STAYED
    score: float | None = None
    conversation: str = ""
    troubles: tuple[Trouble, ...] = ()
    stay_microusd: int = 0
    other_microusd: int = 0


class BreakerState(StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    HALF_OPEN = "half_open"
    OPEN = "open"


class BreakerScope(StrEnum):
    """What a breaker is on."""

    PROVIDER = "provider"
    LANE = "lane"
    AGENT = "agent"


@value
class BreakerMove:
    """A breaker has moved.

    Attributes:
        name: The provider, lane or agent.
        cause: A closed word for why.
        here: This replica moved it; the others hear of it. A move is counted where it was made.
    """

    scope: BreakerScope
    name: str
    to: BreakerState
    cause: str
    here: bool = True


@value
class AgentTrip:
    """An agent was found to run away.

    Attributes:
        cause: A closed word for the evidence.
        enforced: False when it is only said.
    """

    agent: str
    cause: str
    enforced: bool


@value
class TurnFollowed:
    """A turn of a session, beside the one before it in the same context."""

    prompt_tokens: int
    prompt_tokens_before: int
    output_tokens_before: int


@value
class SessionOver:
    """A session had no call for a while.

    Attributes:
        wall_s: From the beginning of its first call to the end of its last.
    """

    wall_s: float
    calls: int


@dataclass(frozen=True, slots=True)
class HeadroomSeen:
    """What a provider's response headers said of a lane."""

    lane: str
    seen: tuple[Headroom, ...]


@value
class CallRecord:
    """One finished call. No content, no credentials.

    Attributes:
        status: The HTTP status the client got; 499 if it left before one could be sent.
        reason: Set when the gateway refused or failed the call.
        fault: Whose fault an unsuccessful call was; `None` for a success.
        upstream_request_id: The provider's own id of the call, for support requests.
        wait_s: Time in admission.
        upstream_s: From dispatch to the last byte.
        first_byte_s: From dispatch to the first byte of the answer's body; `None` without one.
        total_s: From accept to the last byte.
        overhead_s: Time spent in the gateway itself, waits and provider excluded.
        cost_microusd: Cost at list price.
        priced: False when the model has no known price and the stated default was used.
        others_microusd: What each of `usage.others` cost; part of `cost_microusd`.
        attempts: Attempts made upstream.
        waits: What it waited for, by cause.
        earlier: Attempts before the last one, which were repeated.
        moves: Decisions about going to another lane.
        fingerprint: Equal for equal calls of one agent; empty if it cannot be recognised, or only
            counts or probes.
        retried: Sent again by the client's SDK (`x-stainless-retry-count` above 0).
        last: The last attempt; `None` if nothing was sent.
        message: What the client was told with `reason`.
        retry_after_s: When it was told to come back, if it was.
        max_wait_s: How long it was ready to wait.
        cut: The answer did not reach its end (by either side).
        answered_model: The model that answered, in the provider's own words; empty if not told.
        session: Which conversation it belongs to, if its client says.
        tags: `KEY=VALUE` of each `x-gateway-tag`.
        routed: What a route decided about it, if one was about it.
        trace: Its place in a distributed trace, if calls are traced.
        held_s: Of `wait_s`, for how long it waited for the answer to another call to begin, which
            put what both begin with into the provider's cache.
        held_behind: That call, the last of them.
        provider_dialect: The dialect of the provider that was called; `dialect` is the caller's.
    """

    request_id: str
    agent: str
    team: str | None
    dialect: Dialect | None
    endpoint: Endpoint
    provider: str
    lane: str
    model: str
    priority: Priority
    stream: bool
    status: int
    reason: Reason | None
    fault: Fault | None
    upstream_request_id: str
    usage: Usage
    estimated_input_tokens: int
    estimated_output_tokens: int
    wait_s: float
    upstream_s: float
    first_byte_s: float | None
    total_s: float
    overhead_s: float
    cost_microusd: int
    priced: bool
    attempts: int
    cut: bool
    path: str
    waits: tuple[Wait, ...] = ()
    earlier: tuple[Attempt, ...] = ()
    moves: tuple[Move, ...] = ()
    fingerprint: str = ""
    retried: bool = False
    last: Attempt | None = None
    message: str = ""
    retry_after_s: float | None = None
    max_wait_s: float = 0.0
    answered_model: str = ""
    session: Session | None = None
    tags: tuple[str, ...] = ()
    routed: Routed | None = None
    trace: Trace | None = None
    held_s: float = 0.0
    held_behind: str = ""
    provider_dialect: Dialect | None = None
    others_microusd: tuple[int, ...] = ()
