"""The attempts of one call: option by option, until the client has its answer or its last word.

Failure policy: each attempt takes its turn in the lane of its option and under a reservation of its
own, which is settled before anything else is tried, so no option pays for another. What comes after
a failed attempt is decided by `gateway.core.retrying`. When nothing is left to try, the client is
told what the last attempt said; where none was made, it gets the refusal of the option it asked
for, with the time of whichever option is expected to be free first.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from gateway.core.retrying import Ended, RetryBudgets, Standing, Step, decide
from gateway.domain.call import CallFacts
from gateway.domain.outcome import Reason, Refusal, UpstreamFailure

from . import stages
from .call import Call, Plan
from .exchange import Exchange
from .failing import as_refusal
from .keepalive import KeepAlive
from .parts import Parts
from .presence import Presence
from .refused import Refused
from .reservation import Reservation
from .target import Target
from .turn import take_turn

MOVING = frozenset(
    {
        Reason.LANE_BLOCKED,
        Reason.QUEUE_FULL,
        Reason.QUEUE_TIMEOUT,
        Reason.LARGER_THAN_LIMIT,
        Reason.BREAKER_OPEN,
    }
)
"""Refusals that another lane may not repeat; budgets and spend hold in every lane."""
_NO_OPTION = Refusal(
    Reason.BAD_REQUEST, "The model's name does not stand where it could be changed.", param="model"
)


class Attempts:
    """One call on its way through its options.

    Args:
        plan: Makes the plan of an option: a new ticket each time.
        facts: Of the body.
        budgets: Pay for what is repeated.
    """

    __slots__ = (
        "_budgets",
        "_call",
        "_facts",
        "_keepalive",
        "_more",
        "_parts",
        "_pause_s",
        "_plan",
        "_presence",
        "_repeats",
        "_target",
    )

    def __init__(
        self,
        call: Call,
        parts: Parts,
        plan: Callable[[Target], Plan],
        facts: CallFacts,
        presence: Presence,
        keepalive: KeepAlive,
        budgets: RetryBudgets,
    ) -> None:
        self._call = call
        self._parts = parts
        self._plan = plan
        self._facts = facts
        self._presence = presence
        self._keepalive = keepalive
        self._budgets = budgets
        self._target: Target | None = None
        self._more = False
        self._repeats = 0
        self._pause_s = 0.0

    async def run(self, options: Sequence[Target]) -> None:
        """Try the options in order.

        Raises:
            Refused: No option has room for the call, or none answered it.
            UpstreamFailure: The last attempt failed.
        """
        said: Refusal | None = None
        for number, target in enumerate(options, 1):
            self._more = number < len(options)
            if number > 1:
                self._call.attempt_over()
                self._call.moved = True
            try:
                if await self._at(target) is Step.DONE:
                    return
            except ValueError:
                continue  # this request cannot be put to that model
            except Refused as refused:
                said = _sooner(said, refused.refusal)
                if refused.refusal.reason not in MOVING:
                    break
        raise Refused(self._call.last_word or said or _NO_OPTION)

    async def _at(self, target: Target) -> Step:
        """Try one option, as often as that is worth it."""
        self._target, self._repeats = target, 0
        self._budgets.of(target.provider.name).earn()
        while True:
            plan = self._plan(target)
            estimate = partial(stages.charge, self._call, plan.agent, target, self._parts)
            with Reservation(self._parts.admission, plan.ticket, estimate) as reservation:
                step = await self._once(plan, reservation)
            if step is not Step.REPEAT:
                return step
            self._repeats += 1
            await self._pause()

    async def _once(self, plan: Plan, reservation: Reservation) -> Step:
        """Take a turn and try; again while the provider's own rate limit says so."""
        call, parts, keepalive = self._call, self._parts, self._keepalive
        exchange = Exchange(call, plan, self._facts, reservation, parts, self._judge)
        step = Step.WAIT
        while step is Step.WAIT:
            await take_turn(call, reservation, parts, keepalive)
            try:
                step = await exchange.attempt(self._presence, keepalive)
            except UpstreamFailure as failure:
                call.verdict = failure.reason.value
                step = self._judge(Ended(failure=failure.reason, sent=failure.sent))
                if step is Step.FAIL:
                    raise
                call.last_word = as_refusal(failure)
        return step

    def _judge(self, ended: Ended) -> Step:
        """What comes after a failed attempt."""
        call, target = self._call, self._target
        if target is None:
            raise AssertionError("an attempt ended that did not begin")
        decision = decide(
            ended,
            Standing(
                answering=call.answering,
                repeats=self._repeats,
                left_s=call.max_wait_s - call.wait_s,
                more=self._more,
            ),
            self._parts.settings.retries,
            self._budgets.of(target.provider.name),
            self._parts.chance,
        )
        self._pause_s = decision.pause_s
        return decision.step

    async def _pause(self) -> None:
        """Let a provider come to itself; the client is kept meanwhile, and may leave."""
        call, keepalive = self._call, self._keepalive
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = asyncio.get_running_loop().call_later(self._pause_s, done.set_result, None)
        began = call.clock.monotonic()
        keepalive.pause()
        try:
            await done
        finally:
            timer.cancel()
            keepalive.rest()
            call.wait_s += call.clock.monotonic() - began


def _sooner(first: Refusal | None, later: Refusal) -> Refusal:
    """What the option asked for said, with the time of whichever is free first."""
    if first is None:
        return later
    times = [s for s in (first.retry_after_s, later.retry_after_s) if s is not None]
    return replace(first, retry_after_s=min(times, default=None))
