"""What is taken is given back exactly once, whatever happens to the call."""

from collections.abc import Sequence

import pytest

from gateway.core import charging
from gateway.dataplane.reservation import Reservation
from gateway.domain.admission import Admitted, Charge, Settlement, TicketRequest, Verdict
from gateway.domain.call import Priority
from gateway.domain.limits import Headroom
from gateway.domain.outcome import Reason, Refusal
from gateway.ports import Told

RESERVED = Charge(lane_input_tokens=100, input_tokens=100, output_tokens=50)
ACTUAL = Charge(lane_input_tokens=90, input_tokens=90, output_tokens=20)
TICKET = TicketRequest("t1", "lane", "agent", None, Priority.NORMAL, 1.0, RESERVED, 10.0)


class Desk:
    """An admission that answers as told and notes what it is told."""

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = list(verdicts)
        self.settled: list[Settlement] = []
        self.asked: list[str] = []

    async def admit(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        self.asked.append("admit")
        return self.verdicts.pop(0)

    async def requeue(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        self.asked.append("requeue")
        return self.verdicts.pop(0)

    def settle(self, settlement: Settlement) -> None:
        self.settled.append(settlement)

    def head(self, ticket: str, lane: str, seen: Sequence[Headroom]) -> None: ...

    def extend(self, ticket: str, lane: str, output_tokens: int) -> None: ...

    def block(self, lane: str, dimensions: tuple[str, ...], for_s: float) -> None: ...


OK = Admitted("t1", 0.0)
NO = Refusal(Reason.QUEUE_FULL, "full")


async def test_a_finished_call_settles_its_actual_use() -> None:
    desk = Desk(OK)
    with Reservation(desk, TICKET) as reservation:
        await reservation.take()
        reservation.sent()
        reservation.used(ACTUAL)
    assert desk.settled == [Settlement("t1", "lane", ACTUAL)]


async def test_a_call_that_was_sent_and_never_answered_settles_all_it_reserved() -> None:
    desk = Desk(OK)
    with pytest.raises(OSError), Reservation(desk, TICKET) as reservation:  # noqa: PT011
        await reservation.take()
        reservation.sent()
        raise OSError
    assert desk.settled == [Settlement("t1", "lane", RESERVED)]


async def test_a_call_that_was_never_sent_gives_everything_back() -> None:
    desk = Desk(OK)
    with Reservation(desk, TICKET) as reservation:
        await reservation.take()
    assert desk.settled == [Settlement("t1", "lane", charging.NOTHING)]


async def test_a_refused_call_settles_nothing() -> None:
    desk = Desk(NO)
    with Reservation(desk, TICKET) as reservation:
        assert await reservation.take() == NO
    assert desk.settled == []


async def test_a_second_turn_is_a_requeue_and_still_one_settlement() -> None:
    desk = Desk(OK, OK)
    with Reservation(desk, TICKET) as reservation:
        await reservation.take()
        reservation.sent()
        await reservation.take()
        reservation.used(ACTUAL)
    assert desk.asked == ["admit", "requeue"]
    assert desk.settled == [Settlement("t1", "lane", ACTUAL)]


async def test_a_requeue_that_is_refused_settles_nothing_more() -> None:
    desk = Desk(OK, NO)
    with Reservation(desk, TICKET) as reservation:
        await reservation.take()
        reservation.sent()
        await reservation.take()
    assert desk.settled == []
