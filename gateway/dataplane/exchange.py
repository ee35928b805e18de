"""One attempt at the provider, for calls with a codec: send, relay, read what was used."""

from collections.abc import Callable
from dataclasses import replace

from gateway.core import charging
from gateway.core.retrying import Ended, Step
from gateway.core.tracing import attempt_span, traceparent
from gateway.dialects.codec import Tap
from gateway.domain.call import CallFacts
from gateway.domain.facts import HeadroomSeen
from gateway.domain.outcome import (
    FailurePhase,
    Fault,
    ProviderVerdict,
    Reason,
    Refusal,
    UpstreamAnswer,
    UpstreamFailure,
)
from gateway.ports import UpstreamRequest, UpstreamResponse

from .call import Call, Plan
from .convoy import Leading
from .failing import refuse
from .gates import Trial
from .growth import Growth
from .headers import downstream_headers, in_plain, in_trace, value_of
from .keepalive import KeepAlive
from .masking import masked
from .parts import Parts
from .presence import Presence
from .relay import InflatingMeter, Meter, inflated, meter_for, read_bounded, relay, seen_usage
from .reservation import Reservation
from .translating import Interpreter, TranslatingMeter

MAX_PAUSE_S = 30.0
"""The longest block of a lane whose provider refused without saying for how long."""
NO_RETRY = (b"x-should-retry", b"false")
"""Added to a billing refusal: SDKs try any 429 again, and each try counts (provider-facts B4)."""
_EVENT_TYPES = frozenset({"", "text/event-stream", "text/plain"})
_ARRAY_TYPES = frozenset({"", "application/json"})
"""What a stream may call itself; some compatible servers do not, or not rightly."""
_REQUEST_ID_FIELDS = (b"request-id", b"x-request-id")
_FAULTS = {
    ProviderVerdict.CALLER_ERROR: Fault.CALLER,
    ProviderVerdict.BILLING: Fault.PROVIDER,
    ProviderVerdict.OVERLOADED: Fault.PROVIDER,
    ProviderVerdict.PROVIDER_ERROR: Fault.PROVIDER,
    ProviderVerdict.AUTH: Fault.GATEWAY,
}


class Exchange:
    """The attempts of one call at one option, under one reservation.

    Args:
        judge: Says what comes after an answer that is none for the client.
        leading: What other calls wait for, if they do.
    """

    __slots__ = ("_call", "_facts", "_judge", "_leading", "_parts", "_plan", "_reservation")

    def __init__(
        self,
        call: Call,
        plan: Plan,
        facts: CallFacts,
        reservation: Reservation,
        parts: Parts,
        judge: Callable[[Ended], Step],
        leading: Leading | None = None,
    ) -> None:
        self._call = call
        self._plan = plan
        self._facts = facts
        self._reservation = reservation
        self._parts = parts
        self._judge = judge
        self._leading = leading

    async def attempt(self, trial: Trial, presence: Presence, keepalive: KeepAlive) -> Step:
        """Send once, and say what comes next; `DONE` when the client has its answer.

        Raises:
            UpstreamFailure: The provider did not answer, or not to the end.
        """
        if keepalive.begun:
            limit_s = self._plan.target.provider.timeouts.first_byte_s
            return await keepalive.watch(self._attempt(trial, presence, keepalive), limit_s)
        return await self._attempt(trial, presence, keepalive)

    async def _attempt(self, trial: Trial, presence: Presence, keepalive: KeepAlive) -> Step:
        call = self._call
        plan = self._plan
        request = plan.request if not keepalive.begun else in_plain(plan.request)
        response = await dispatch(call, plan, request, self._reservation, self._parts)
        try:
            seen = self._plan.codec.headroom(response.headers)
            lane = self._plan.target.lane.name
            self._parts.admission.head(plan.ticket.ticket, lane, seen)
            if seen:
                self._parts.headroom.headroom_seen(HeadroomSeen(lane, seen))
            if response.status >= 400:
                return await self._refused(response, trial, presence, keepalive)
            await self._answered(response, trial, presence, keepalive)
        finally:
            response.close()
            call.upstream_s += self._parts.clock.monotonic() - call.sent_at
        return Step.DONE

    async def _answered(
        self, response: UpstreamResponse, trial: Trial, presence: Presence, keepalive: KeepAlive
    ) -> None:
        call = self._call
        content_type = value_of(response.headers, b"content-type").decode("latin-1")
        interpreter = self._plan.interpreter
        tap = self._plan.codec.tap(self._plan.matched, self._facts, content_type)
        if interpreter is not None and not self._facts.stream:
            await self._whole(response, tap, interpreter, trial, presence, keepalive)
            return
        await self._head(response, content_type, keepalive)
        events = content_type.startswith("text/event-stream")
        meter: Meter
        if interpreter is None:
            bound = self._parts.settings.max_body_bytes
            meter = meter_for(tap, response.headers, bound, stream=events)
        else:
            meter = interpreter.meter(tap)
        try:
            first = await response.read()
            if keepalive.begun:
                await keepalive.stop()
            call.first_byte_s = self._parts.clock.monotonic() - call.sent_at
            # An error event can only be put between two events, and not into a compressed stream.
            call.tellable = False
            call.answering, call.reading = True, None
            trial.answered(ProviderVerdict.OK, call.first_byte_s)
            await relay(first, response, call.responder, meter, presence.leave, self._watch(tap))
            if tap.failed:
                trial.broke_off()
        except UpstreamFailure:
            call.tellable = call.tellable or self._is_tellable(tap, meter, events=events)
            raise
        finally:
            call.cut = not call.responder.ended
            self._settle(tap, response)

    def _is_tellable(self, tap: Tap, meter: Meter, *, events: bool) -> bool:
        """Whether an error event may follow what was relayed."""
        if isinstance(meter, TranslatingMeter):  # it relays whole events only
            return not self._call.matched.in_array
        return events and tap.at_boundary and not isinstance(meter, InflatingMeter)

    async def _whole(
        self,
        response: UpstreamResponse,
        tap: Tap,
        interpreter: Interpreter,
        trial: Trial,
        presence: Presence,
        keepalive: KeepAlive,
    ) -> None:
        """A whole answer of another dialect: read to its end before the client gets a byte."""
        call, bound = self._call, self._parts.settings.max_body_bytes
        try:
            body, _ = await read_bounded(response, bound)
            plain = inflated(response.headers, body, bound)
            tap.feed(plain)
            tap.finish()
            answer = interpreter.answer(plain)
            if keepalive.begun:
                await keepalive.stop()
            call.first_byte_s = self._parts.clock.monotonic() - call.sent_at
            call.answering, call.reading = True, None
            trial.answered(ProviderVerdict.OK, call.first_byte_s)
            presence.leave()
            head = interpreter.head(call.upstream_request_id, stream=False)
            length = (b"content-length", b"%d" % len(answer))
            await call.responder.start(200, [*head, length, *call.own_headers()])
            await call.responder.end(answer)
        finally:
            call.cut = call.responder.started and not call.responder.ended
            self._settle(tap, response)

    def _watch(self, tap: Tap) -> Callable[[], None] | None:
        """What to look at after each chunk of an answer."""
        growth, leading = self._growth(tap), self._leading
        if leading is None:
            return growth

        def look() -> None:
            leading.look(tap)
            if growth is not None:
                growth()

        return look

    def _growth(self, tap: Tap) -> Callable[[], None] | None:
        """What a stream outgrows."""
        plan = self._plan
        if not self._facts.stream or not plan.target.model:
            return None
        agent, model = plan.agent.name, plan.target.model
        return Growth(tap, self._reservation, self._parts.book, agent, model).look

    async def _head(
        self, response: UpstreamResponse, content_type: str, keepalive: KeepAlive
    ) -> None:
        """Pass the provider's head on, or see that what follows fits the one that is out."""
        call = self._call
        if keepalive.begun and not call.responder.started:
            await keepalive.stop()
        interpreter = self._plan.interpreter
        in_array = call.matched.in_array and interpreter is None
        if (call.responder.started or interpreter is not None) and not _fits(
            response, content_type, in_array=in_array
        ):
            message = "the provider's answer is not the stream that was asked for"
            raise UpstreamFailure(Reason.UPSTREAM_PROTOCOL, FailurePhase.HEAD, message, sent=True)
        if not call.responder.started:
            call.answering, call.reading = True, None
            if interpreter is None:
                headers = downstream_headers(response.headers, resized=call.body_changed)
            else:
                headers = interpreter.head(call.upstream_request_id, stream=True)
            await call.responder.start(response.status, headers + call.own_headers())

    async def _refused(
        self, response: UpstreamResponse, trial: Trial, presence: Presence, keepalive: KeepAlive
    ) -> Step:
        """Wait again on a rate limit; pass on as it is what is not tried again."""
        call = self._call
        bound = self._parts.settings.max_error_bytes
        body, whole = await read_bounded(response, bound)
        plain = inflated(response.headers, body, bound)
        fields, body, plain = masked(
            response.headers, body, plain, self._plan.target.provider.api_key
        )
        answer = self._plan.codec.classify(
            response.status, response.headers, plain, self._parts.clock.wall()
        )
        call.verdict, call.code = answer.verdict.value, answer.code
        trial.answered(answer.verdict, again_s=answer.retry_after_s)
        if answer.verdict is ProviderVerdict.RATE_LIMITED:
            self._block(answer)
        else:
            self._reservation.used(charging.refused_upstream(self._reservation.ticket.charge))
        if answer.verdict is ProviderVerdict.CALLER_ERROR and self._parts.assistance.marker.refused(
            call, plain
        ):
            return Step.REPEAT
        unfit = call.routing is not None and call.routing.unfit(
            self._plan.target, response.status, answer.verdict, plain
        )
        step = self._judge(Ended(answer.verdict, retry_after_s=answer.retry_after_s, unfit=unfit))
        if step is not Step.FAIL:
            if step is not Step.WAIT:
                call.last_word = _as_refusal(answer, response.status)
            return step
        call.fault = _FAULTS.get(answer.verdict)
        if keepalive.begun:
            await keepalive.stop()
        if call.responder.started or self._plan.interpreter is not None:
            presence.leave()
            await self._tell(answer, response.status, plain if whole else b"")
            return Step.DONE
        headers = downstream_headers(fields, resized=False) + call.own_headers()
        if answer.verdict is ProviderVerdict.BILLING and not value_of(headers, NO_RETRY[0]):
            headers.append(NO_RETRY)
        await call.responder.start(response.status, headers)
        if body:
            await call.responder.chunk(body)
        while not whole and (chunk := await response.read()):
            await call.responder.chunk(chunk)
        presence.leave()
        await call.responder.end()
        return Step.DONE

    async def _tell(self, answer: UpstreamAnswer, status: int, body: bytes) -> None:
        """A provider's error in its own words, if it has any, where it cannot go as it is.

        The head was committed, or the caller speaks another dialect.
        """
        call, interpreter = self._call, self._plan.interpreter
        if interpreter is None:
            event = self._plan.codec.error_event(call.matched, status, body, call.request_id)
        elif call.responder.started:
            event = interpreter.failure_event(status, body)
        else:
            own = call.own_headers()
            if answer.verdict is ProviderVerdict.BILLING:
                own.append(NO_RETRY)
            reply = interpreter.failure(status, body, answer.retry_after_s)
            await call.responder.whole(reply, own)
            return
        if event is None:
            await refuse(call, _as_refusal(answer, status))
            call.fault = _FAULTS.get(answer.verdict)
        else:
            await call.responder.end(event)

    def _block(self, answer: UpstreamAnswer) -> None:
        """The provider's own limit was met: the lane waits as long as the provider asks."""
        for_s = answer.retry_after_s
        if for_s is None:
            for_s = min(2.0**self._call.attempts, MAX_PAUSE_S)
        self._parts.admission.block(self._plan.target.lane.name, answer.dimensions, for_s)

    def _settle(self, tap: Tap, response: UpstreamResponse) -> None:
        call, plan, parts = self._call, self._plan, self._parts
        agent, model = plan.agent.name, plan.target.model
        streamed = parts.book.tokens_of_bytes(agent, model, tap.output_bytes)
        usage = seen_usage(tap, call.guess.input_tokens, streamed)
        if not usage.service_tier and (tier := plan.codec.served_tier(response.headers)):
            usage = replace(usage, service_tier=tier)
        call.usage, call.answered_model = usage, tap.model
        # What answered is what is billed; a name that only a proxy knows leads back to ours.
        names = (tap.model, model) if tap.model and tap.model != model else (model,)
        call.cost = parts.price(plan.target.provider, names, usage, parts.clock.wall())
        self._reservation.used(
            charging.actual(
                self._plan.target.lane, self._reservation.ticket.charge, usage, call.cost.microusd
            )
        )
        if model:
            answer_bytes = tap.output_bytes if self._facts.stream and tap.complete else 0
            now = parts.clock.monotonic()
            parts.book.learn(agent, model, self._facts, usage, now, answer_bytes)
        if self._leading is not None:
            self._leading.look(tap)


async def dispatch(
    call: Call, plan: Plan, request: UpstreamRequest, reservation: Reservation, parts: Parts
) -> UpstreamResponse:
    """Send a request; afterwards the reservation counts as used until more is known.

    Raises:
        UpstreamFailure: No answer came; nothing is charged if nothing was sent.
    """
    call.next_attempt()
    if call.trace is not None:
        span_id = attempt_span(call.trace, call.attempts)
        request = in_trace(request, traceparent(call.trace, span_id))
    call.sent_at = parts.clock.monotonic()
    reservation.sent()
    try:
        response = await parts.upstream.send(plan.target.provider, request)
    except BaseException as fault:
        call.upstream_s += parts.clock.monotonic() - call.sent_at
        if isinstance(fault, UpstreamFailure) and not fault.sent:
            reservation.used(charging.NOTHING)
        else:
            call.unheard(reservation.ticket.charge.cost_microusd)
        raise
    call.upstream_status = response.status
    for name in _REQUEST_ID_FIELDS:
        if value := value_of(response.headers, name):
            call.upstream_request_id = value.decode("latin-1")
            break
    return response


def _fits(response: UpstreamResponse, content_type: str, *, in_array: bool) -> bool:
    """Whether an answer can follow the head that the gateway has committed for it."""
    kind = content_type.partition(";")[0].strip().lower()
    coding = value_of(response.headers, b"content-encoding").strip().lower()
    return (
        response.status == 200
        and kind in (_ARRAY_TYPES if in_array else _EVENT_TYPES)
        and coding in {b"", b"identity"}
    )


def _as_refusal(answer: UpstreamAnswer, status: int) -> Refusal:
    """A provider's refusal that comes after the head was committed, for an error event."""
    code = answer.code or "an error"
    return Refusal(
        Reason.UPSTREAM_ERROR,
        f"The provider answered {status} ({code}).",
        answer.retry_after_s,
    )
