import asyncio

from gateway.domain.admission import Admitted
from gateway.domain.outcome import Reason, Refusal
from gateway.store.waiting import Waiting

from .admitting import request

_LATE = Refusal(Reason.QUEUE_TIMEOUT, "too late")


def _waiting(wait_s: float = 10.0) -> Waiting:
    return Waiting(request("a", wait_s=wait_s), asyncio.get_running_loop(), 100.0)


async def test_a_verdict_is_given_once() -> None:
    waiting = _waiting()
    assert waiting.answer(Admitted("a", 0.0))
    assert not waiting.answer(_LATE)
    assert await waiting.verdict == Admitted("a", 0.0)
    assert waiting.deadline_s == 110.0


async def test_its_time_runs_out_once_the_store_has_it() -> None:
    waiting = _waiting()
    waiting.arm(0.01, lambda each: each.answer(_LATE))
    waiting.arm(9.0, lambda each: each.answer(Admitted("a", 0.0)))  # told again: the first counts
    assert await waiting.verdict == _LATE


async def test_patience_ends_unless_the_store_is_heard_of() -> None:
    impatient = _waiting()
    impatient.lose_patience_in(0.01, lambda each: each.answer(_LATE))
    impatient.lose_patience_in(9.0, lambda each: each.answer(Admitted("a", 0.0)))
    assert await impatient.verdict == _LATE
    patient = _waiting()
    patient.lose_patience_in(0.01, lambda each: each.answer(_LATE))
    patient.arm(0.02, lambda each: each.answer(Admitted("a", 0.0)))
    assert await patient.verdict == Admitted("a", 0.0)
    patient.disarm()


async def test_a_caller_that_is_answered_has_no_timers() -> None:
    waiting = _waiting()
    waiting.answer(_LATE)
    waiting.lose_patience_in(0.0, lambda each: each.answer(_LATE))
    waiting.arm(5.0, lambda each: each.answer(_LATE))
    waiting.disarm()
    waiting.disarm()


async def test_hearing_that_it_waits_is_no_answer_to_one_whose_time_is_up() -> None:
    waiting = _waiting()
    waiting.overdue = True
    waiting.lose_patience_in(0.01, lambda each: each.answer(_LATE))
    waiting.arm(9.0, lambda each: each.answer(Admitted("a", 0.0)))
    assert await waiting.verdict == _LATE
    waiting.disarm()


async def test_a_turn_that_was_given_back_is_known_when_it_is_told_again() -> None:
    waiting = _waiting()
    assert waiting.may_be_granted(2.0)
    returned = waiting.gives_back(2.0)
    assert not waiting.may_be_granted(3.0)  # a reply from before the return
    returned.set_result(None)
    assert not waiting.may_be_granted(2.0)  # the outbox is late
    assert waiting.may_be_granted(3.0)


async def test_a_store_that_forgot_a_ticket_may_grant_it_without_a_wait() -> None:
    waiting = _waiting()
    waiting.gives_back(0.0).set_result(None)
    assert waiting.may_be_granted(0.0)
