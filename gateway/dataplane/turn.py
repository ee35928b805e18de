"""Waiting for a turn, with the client kept meanwhile."""

from gateway.domain.admission import Admitted, Expectation
from gateway.ports import Told

from .call import Call
from .keepalive import KeepAlive
from .parts import Parts
from .refused import Refused
from .reservation import Reservation


async def take_turn(
    call: Call,
    reservation: Reservation,
    parts: Parts,
    keepalive: KeepAlive | None = None,
    also: Told | None = None,
) -> None:
    """Wait until the call is admitted.

    Args:
        call: It.
        reservation: Takes the turn.
        parts: The clock.
        keepalive: Keeps its client meanwhile.
        also: Hears, too, how the wait stands.

    Raises:
        Refused: Waiting cannot help.
    """
    began = call.waiting_since = parts.clock.monotonic()
    told: Told = call.expect
    if keepalive is not None:
        keepalive.wait()
        told = keepalive.told
    if also is not None:
        told = _both(told, also)
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


def _both(first: Told, second: Told) -> Told:
    def told(expectation: Expectation) -> None:
        first(expectation)
        second(expectation)

    return told
