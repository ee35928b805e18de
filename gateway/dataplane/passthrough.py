"""Calls on paths without a codec: admitted, counted, streamed both ways, never tried twice."""

from dataclasses import replace

from gateway.core.pricing import Cost
from gateway.domain.outcome import ProviderVerdict, Reason, Refusal, UpstreamFailure
from gateway.domain.usage import Usage
from gateway.ports import UpstreamRequest

from .asgi import Receive
from .body import announced_length, stream_body
from .call import Call, Plan
from .exchange import dispatch
from .gates import Trial
from .headers import downstream_headers
from .masking import masked
from .parts import Parts
from .refused import Refused
from .relay import inflated, read_bounded
from .reservation import Reservation
from .turn import take_turn

UNREAD = Usage(exact=False)
"""What such a call used: tokens that nobody here can read."""
_SHUT = Refusal(Reason.BREAKER_OPEN, "The provider has failed a moment ago.", 1.0)


async def pass_through(
    call: Call, plan: Plan, reservation: Reservation, receive: Receive, parts: Parts
) -> None:
    """Forward a call of which nothing is understood.

    Raises:
        Refused: Admission says no, or the body is too large.
        UpstreamFailure: The provider did not answer, or not to the end.
    """
    bound = parts.settings.max_upload_bytes
    length = announced_length(call.request, bound)
    if (shut := parts.gates.before(plan.target)) is not None:
        raise Refused(shut)
    await take_turn(call, reservation, parts)
    has_body = length not in {None, 0} or b"transfer-encoding" in call.request.fields
    call.body_unread = has_body
    request = replace(
        plan.request,
        body=stream_body(receive, bound, parts.settings.body_pause_s) if has_body else b"",
        content_length=length,
    )
    trial = parts.gates.enter(plan.target)
    if trial is None:
        raise Refused(parts.gates.before(plan.target) or _SHUT)
    try:
        await _forward(call, plan, request, reservation, parts, trial)
    except UpstreamFailure as failure:
        trial.failed(failure)
        raise
    finally:
        trial.end()


async def _forward(
    call: Call,
    plan: Plan,
    request: UpstreamRequest,
    reservation: Reservation,
    parts: Parts,
    trial: Trial,
) -> None:
    response = await dispatch(call, plan, request, reservation, parts)
    if plan.ticket.charge.cost_microusd:  # settled as it was reserved, and told as a guess
        call.cost, call.usage = Cost(plan.ticket.charge.cost_microusd, priced=True), UNREAD
    if response.status < 500:  # what an error means here is not known
        trial.answered(ProviderVerdict.OK)
    try:
        fields, first = response.headers, b""
        if response.status >= 400:
            bound = parts.settings.max_error_bytes
            body, _ = await read_bounded(response, bound)
            plain = inflated(response.headers, body, bound)
            fields, first, _ = masked(fields, body, plain, plan.target.provider.api_key)
        headers = downstream_headers(fields, resized=False)
        await call.responder.start(response.status, headers + call.own_headers())
        if first:
            await call.responder.chunk(first)
        while chunk := await response.read():
            await call.responder.chunk(chunk)
        await call.responder.end()
    finally:
        call.cut = not call.responder.ended
        response.close()
        call.upstream_s += parts.clock.monotonic() - call.sent_at
