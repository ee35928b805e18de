"""Waiting for a turn, with the client kept meanwhile."""

from gateway.domain.admission import Admitted

from .call import Call
from .keepalive import KeepAlive
from .parts import Parts
from .refused import Refused
from .reservation import Reservation


async def take_turn(
    call: Call, reservation: Reservation, parts: Parts, keepalive: KeepAlive | None = None
) -> None:
    """Wait until the call is admitted.

    Raises:
        Refused: Waiting cannot help.
    """
    began = call.waiting_since = parts.clock.monotonic()
    told = call.expect
    if keepalive is not None:
        keepalive.wait()
        told = keepalive.told
    verdict = None
    try:
        verdict = await reservation.take(told)
    finally:
        ended = parts.clock.monotonic()
        call.wait_s += ended - began
        if call.waits is not None:
            bound = verdict.bound if isinstance(verdict, Admitted) else None
            call.waits.end(bound, ended - call.accepted_at)
        if keepalive is not None:
            keepalive.rest()
    if not isinstance(verdict, Admitted):
        raise Refused(verdict)
