"""One call while it runs: what was decided for it, what has happened to it, what is recorded."""

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from gateway.core.estimate import Estimate
from gateway.core.pricing import Cost
from gateway.dialects.codec import Codec
from gateway.dialects.translation.translation import Reading
from gateway.domain.admission import Expectation, TicketRequest
from gateway.domain.call import CallFacts, Endpoint, Matched, Priority
from gateway.domain.explanation import Attempt, Move
from gateway.domain.facts import CallRecord, Routed, Trace
from gateway.domain.outcome import Fault, ProviderVerdict, Reason, Refusal
from gateway.domain.topology import Agent
from gateway.domain.usage import Usage
from gateway.domain.value import value
from gateway.ports import Clock, Headers, UpstreamRequest

from .asgi import Arrival
from .respond import Responder
from .routed import Routing
from .session import session_of
from .target import Target
from .waits import Waits

if TYPE_CHECKING:
    from .translating import Interpreter

NO_USAGE = Usage()
NO_COST = Cost(0, priced=True)
_FAILED = frozenset(
    {
        ProviderVerdict.OVERLOADED.value,
        ProviderVerdict.PROVIDER_ERROR.value,
        Reason.UPSTREAM_CONNECT.value,
        Reason.UPSTREAM_TIMEOUT.value,
        Reason.UPSTREAM_PROTOCOL.value,
        Reason.UPSTREAM_CUT.value,
    }
)
"""Verdicts of attempts at which something went wrong on the other side."""


@value
class Plan:
    """What the stages before admission have decided; nothing of it changes afterwards.

    Attributes:
        codec: Of the target's dialect, like `matched` and `facts`.
        facts: `None` on a path without a codec.
        request: What goes to the provider.
        interpreter: Tells the client what a provider of another dialect says.
    """

    codec: Codec
    matched: Matched
    agent: Agent
    target: Target
    facts: CallFacts | None
    ticket: TicketRequest
    request: UpstreamRequest
    interpreter: "Interpreter | None" = None


@dataclass(slots=True)
class Call:
    """One call on its way. Stages fill it in from top to bottom; none takes anything back.

    Times are monotonic seconds.
    """

    request_id: str
    request: Arrival
    responder: Responder
    clock: Clock
    accepted_at: float
    trace: Trace | None = None
    codec: Codec | None = None
    matched: Matched = Matched(Endpoint.PASSTHROUGH)  # noqa: RUF009 - frozen
    path: str = ""
    """The path in its dialect, without `/p/PROVIDER`."""
    raw_path: bytes = b""
    provider_name: str | None = None
    priority: Priority = Priority.NORMAL
    tags: tuple[str, ...] = ()
    """`KEY=VALUE`, as the caller gave them."""
    max_wait_s: float = 0.0
    body: bytes = b""
    body_unread: bool = True
    """Bytes of the request may still be on their way, so the connection cannot be kept."""
    body_changed: bool = False
    """What goes upstream is not what the client sent, and not in its content encoding."""
    assisted: bytes | None = None
    """The body with what makes its provider cache the prompt; `body` stays without."""
    held_s: float = 0.0
    """Of `wait_s`, the time for which it waited for the answer to another call to begin."""
    held_behind: str = ""
    """The id of that call, or of the last of them."""
    guess: Estimate = Estimate(0, 0, 0)  # noqa: RUF009 - frozen
    agent: Agent | None = None
    facts: CallFacts | None = None
    target: Target | None = None
    fingerprint: str = ""
    """Equal for equal calls of one agent."""
    retried: bool = False
    """The client's SDK sends it again."""
    queued: bool = False
    tickets: int = 0
    options: int = 1
    """How many targets the call may go to."""
    moved: bool = False
    """Another option than the first is tried, or has answered."""
    answering: bool = False
    """The head or a byte of a provider's answer has gone to the client: no second thoughts."""
    reading: Reading | None = None
    """The body as the translation understands it, once one was needed."""
    dropped: tuple[str, ...] = ()
    """Fields of the body that the present option's dialect does not have."""
    routing: Routing | None = None
    """What a policy decided, if one matches."""
    wait_s: float = 0.0
    waiting_since: float = 0.0
    waits: Waits | None = None
    """Made when the call first has to wait."""
    sent_at: float = 0.0
    upstream_s: float = 0.0
    first_byte_s: float | None = None
    upstream_request_id: str = ""
    attempts: int = 0
    earlier: tuple[Attempt, ...] = ()
    """Attempts that were repeated."""
    upstream_status: int = 0
    """Of the present attempt, like the next three; 0 until the provider has answered."""
    upstream_at: float = 0.0
    """`upstream_s` when it began."""
    verdict: str = ""
    code: str = ""
    tellable: bool = False
    """The head is out, and an error can still be told as the next thing in the stream."""
    usage: Usage = NO_USAGE
    answered_model: str = ""
    cost: Cost = NO_COST
    earlier_microusd: int = 0
    """What attempts before the present one cost."""
    cut: bool = False
    reason: Reason | None = None
    message: str = ""
    retry_after_s: float | None = None
    fault: Fault | None = None
    moves: tuple[Move, ...] = ()
    """Decisions about going to another lane."""
    last_word: Refusal | None = None
    """What the last failed attempt comes to, should nothing be left to try."""
    gone: bool = False

    def expect(self, expectation: Expectation) -> None:
        """Admission says how the wait stands."""
        if self.waits is None:
            self.waits = Waits()
        began_s = self.waiting_since - self.accepted_at
        self.waits.tell(expectation, began_s, self.clock.monotonic() - self.accepted_at)

    def next_attempt(self) -> None:
        """An attempt begins; the one before it, if any, was not the last."""
        self.attempt_over()
        self.attempts += 1
        self.upstream_at = self.upstream_s
        self.earlier_microusd += self.cost.microusd
        self.usage, self.cost = NO_USAGE, NO_COST

    def unheard(self, cost_microusd: int) -> None:
        """No answer came to what was sent: it counts as it was reserved, which is a guess."""
        guess = self.guess
        self.usage = Usage(
            input_tokens=guess.input_tokens - guess.cached_tokens,
            cache_read_tokens=guess.cached_tokens,
            output_tokens=guess.output_tokens,
            exact=False,
        )
        self.cost = Cost(cost_microusd, priced=True)

    def attempt_over(self) -> None:
        """The present attempt, if any, was not the last. Said before the target changes."""
        if len(self.earlier) == self.attempts:
            return
        self.earlier += (self._attempt(),)
        self.upstream_status, self.verdict, self.code = 0, "", ""
        self.upstream_request_id = ""

    def _attempt(self) -> Attempt:
        return Attempt(
            self.upstream_status,
            self.upstream_s - self.upstream_at,
            self.upstream_request_id,
            self.verdict,
            self.code,
            "" if self.target is None else self.target.lane.name,
            "" if self.target is None else self.target.model,
            "" if self.target is None else self.target.provider.name,
            max(0.0, self.sent_at - self.accepted_at),
            None if self.target is None else self.target.provider.dialect,
        )

    def _is_turn(self) -> bool:
        """An agent's own step, and no counting or probing (provider-facts A9): those are alike."""
        most = None if self.facts is None else self.facts.max_output_tokens
        return self.facts is not None and (most is None or most > 1)

    def own_headers(self, *, settled: bool = True) -> Headers:
        """The `x-gateway-*` fields of a response.

        Args:
            settled: It is certain by now which option answers.
        """
        out: Headers = [(b"x-gateway-request-id", self.request_id.encode())]
        if self.target is not None and (settled or self.options == 1):
            out.append((b"x-gateway-lane", _as_field(self.target.lane.name)))
            if self.target.model:
                out.append((b"x-gateway-model", _as_field(self.target.model)))
        if self.queued:
            out.append((b"x-gateway-queue-ms", b"%d" % round(self.wait_s * 1000)))
            out += self._route_headers()
        if self.dropped and settled:
            out.append((b"x-gateway-dropped", _as_field(", ".join(self.dropped))))
        if self.reason is not None:
            out.append((b"x-gateway-reason", self.reason.value.encode()))
        return out

    def _route_headers(self) -> Headers:
        if self.routing is not None:
            return self.routing.headers(self.target)
        return [(b"x-gateway-route", b"fallback" if self.moved else b"off")]

    def eta(self) -> Headers:
        """How long the client will still have to wait, in whole seconds, if that is known."""
        left_s = self.retry_after_s
        if left_s is None and self.waits is not None and self.waits.expected is not None:
            expectation, at_s = self.waits.expected
            left_s = expectation.wait_s - (self.clock.monotonic() - self.accepted_at - at_s)
        return [] if left_s is None else [(b"x-gateway-eta", b"%d" % max(0, ceil(left_s)))]

    def record(self, now: float) -> CallRecord:
        """What observers are told."""
        target = self.target
        total_s = now - self.accepted_at
        return CallRecord(
            request_id=self.request_id,
            agent="" if self.agent is None else self.agent.name,
            team=None if self.agent is None else self.agent.team,
            dialect=None if self.codec is None else self.codec.dialect,
            endpoint=self.matched.endpoint,
            provider="" if target is None else target.provider.name,
            lane="" if target is None else target.lane.name,
            model="" if target is None else target.model,
            priority=self.priority,
            stream=self.facts is not None and self.facts.stream,
            status=499 if self.gone and not self.responder.ended else self.responder.status,
            reason=self.reason,
            fault=Fault.CALLER if self.gone else self.fault,
            upstream_request_id=self.upstream_request_id,
            usage=self.usage,
            estimated_input_tokens=self.guess.input_tokens,
            estimated_output_tokens=self.guess.output_tokens,
            wait_s=self.wait_s,
            upstream_s=self.upstream_s,
            first_byte_s=self.first_byte_s,
            total_s=total_s,
            overhead_s=max(0.0, total_s - self.wait_s - self.upstream_s),
            cost_microusd=self._microusd,
            priced=self.cost.priced,
            others_microusd=self.cost.others,
            tags=self.tags,
            attempts=self.attempts,
            cut=self.cut,
            path=self.path,
            waits=() if self.waits is None else self.waits.all(),
            earlier=self.earlier,
            moves=self.moves,
            fingerprint=self.fingerprint if self._is_turn() else "",
            retried=self.retried,
            last=self._attempt() if len(self.earlier) < self.attempts else None,
            message=self.message,
            retry_after_s=self.retry_after_s,
            max_wait_s=self.max_wait_s,
            answered_model=self.answered_model,
            session=session_of(self.request.fields, self.facts),
            routed=self._routed(),
            trace=self.trace,
            held_s=self.held_s,
            held_behind=self.held_behind,
            provider_dialect=None if target is None else target.provider.dialect,
        )

    def _routed(self) -> Routed | None:
        if self.routing is None:
            return None
        fault = Fault.CALLER if self.gone else self.fault
        if fault is None and any(one.verdict in _FAILED for one in self.earlier):
            fault = Fault.PROVIDER  # answered in the end, but not at the first try
        answered = self.target if self.attempts else None
        return self.routing.finish(self.request_id, answered, self.usage, self._microusd, fault)

    @property
    def _microusd(self) -> int:
        """What all attempts cost."""
        return self.earlier_microusd + self.cost.microusd


def _as_field(name: str) -> bytes:
    """A name that a caller may have made up, as a header value that cannot end the field."""
    value = name.encode("latin-1", "replace")
    return value if name.isprintable() else value.translate(_PRINTABLE)


_PRINTABLE = bytes(byte if 0x20 <= byte != 0x7F else ord("?") for byte in range(256))
