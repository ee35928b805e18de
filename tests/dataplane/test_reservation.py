"""What is taken is given back exactly once, whatever happens to the call."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.core import charging
from gateway.core.estimate import EstimateBook
from gateway.dataplane.growth import Growth
from gateway.dataplane.reservation import Reservation
from gateway.domain.admission import (
    Admitted,
    Bound,
    Charge,
    Expectation,
    Settlement,
    TicketRequest,
    Verdict,
)
from gateway.domain.call import Priority
from gateway.domain.limits import Dimension, Headroom, ScopeKind
from gateway.domain.outcome import Reason, Refusal
from gateway.ports import Told

RESERVED = Charge(lane_input_tokens=100, input_tokens=100, output_tokens=50)
ACTUAL = Charge(lane_input_tokens=90, input_tokens=90, output_tokens=20)
TICKET = TicketRequest("t1", "lane", "agent", None, Priority.NORMAL, 1.0, RESERVED, 10.0)


class Desk:
    """An admission that answers as told and notes what it is told."""

    told: Told | None = None

    def __init__(self, *verdicts: Verdict) -> None:
        self.verdicts = list(verdicts)
        self.settled: list[Settlement] = []
        self.asked: list[str] = []

    async def admit(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        self.asked.append("admit")
        self.told = told
        return self.verdicts.pop(0)

    async def requeue(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        self.asked.append("requeue")
        return self.verdicts.pop(0)

    def settle(self, settlement: Settlement) -> None:
        self.settled.append(settlement)

    def head(self, ticket: str, lane: str, seen: Sequence[Headroom]) -> None: ...

    def amend(self, ticket: str, charge: Charge) -> None:
        self.asked.append(f"amend {ticket} {charge.input_tokens}")

    def extend(self, ticket: str, lane: str, output_tokens: int) -> None:
        self.asked.append(f"extend {ticket} {output_tokens}")

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


def bound(wait_s: float) -> Expectation:
    return Expectation(1, wait_s, Bound(ScopeKind.LANE, "lane", Dimension.ITPM, wait_s))


async def test_a_call_that_waits_asks_for_what_it_is_estimated_at_by_then() -> None:
    desk, heard = Desk(OK), list[Expectation]()
    guesses = [RESERVED, replace(RESERVED, input_tokens=104), replace(RESERVED, input_tokens=140)]
    with Reservation(desk, TICKET, lambda: guesses.pop(0)) as reservation:
        await reservation.take(heard.append)
        assert desk.told is not None
        for wait_s in (3.0, 2.0, 1.0):
            desk.told(bound(wait_s))
        assert desk.asked == ["admit", "amend t1 140"]
        assert [each.wait_s for each in heard] == [3.0, 2.0, 1.0]
        assert reservation.ticket.charge.input_tokens == 140


class Growing:
    """A tap whose answer grows."""

    output_bytes = 0


async def test_an_answer_that_outgrows_its_hold_holds_more_in_few_steps() -> None:
    desk, tap, book = Desk(OK), Growing(), EstimateBook()
    held = replace(TICKET, charge=replace(RESERVED, lane_output_tokens=100))
    with Reservation(desk, held) as reservation:
        await reservation.take()
        growth = Growth(tap, reservation, book, "agent", "m")  # type: ignore[arg-type] # has what is looked at
        for tap.output_bytes in range(0, 3600, 36):  # ten tokens each
            growth.look()
    steps = [int(step.split()[2]) for step in desk.asked if step.startswith("extend")]
    assert 100 < steps[0] < 150
    assert 990 <= steps[-1] <= 1300
    assert steps == sorted(steps)
    assert len(steps) <= 11
