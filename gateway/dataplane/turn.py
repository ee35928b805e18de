"""Waiting for a turn, with a stream kept alive meanwhile."""

from gateway.domain.admission import Admitted
from gateway.ports import Headers

from .call import Call, Plan
from .keepalive import KeepAlive
from .parts import Parts
from .refused import Refused
from .reservation import Reservation


async def take_turn(call: Call, plan: Plan, reservation: Reservation, parts: Parts) -> None:
    """Wait until the call is admitted.

    Raises:
        Refused: Waiting cannot help.
    """
    keepalive = _keepalive(call, plan, parts)
    began = call.waiting_since = parts.clock.monotonic()
    verdict = None
    try:
        verdict = await reservation.take(call.expect)
    finally:
        ended = parts.clock.monotonic()
        call.wait_s += ended - began
        if call.waits is not None:
            bound = verdict.bound if isinstance(verdict, Admitted) else None
            call.waits.end(bound, ended - call.accepted_at)
        if keepalive is not None:
            await keepalive.stop()
            call.event_stream = call.responder.started
    if not isinstance(verdict, Admitted):
        raise Refused(verdict)


def _keepalive(call: Call, plan: Plan, parts: Parts) -> KeepAlive | None:
    if plan.facts is None or not plan.facts.stream:
        return None
    settings = parts.settings
    keepalive = KeepAlive(
        call.responder,
        lambda: _head(call),
        plan.codec.keepalive(call.matched, call.request.text(b"user-agent")),
        0.0 if call.responder.started else settings.hold_head_s,
        settings.keepalive_s,
    )
    keepalive.arm()
    return keepalive


def _head(call: Call) -> Headers:
    """The head of a stream that still waits."""
    return [
        (b"content-type", b"text/event-stream; charset=utf-8"),
        (b"cache-control", b"no-cache"),
        *call.own_headers(),
        *call.eta(),
    ]
