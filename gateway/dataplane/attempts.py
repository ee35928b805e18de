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
from math import inf

from gateway.core.retrying import Ended, RetryBudgets, Standing, Step, decide
from gateway.domain.call import CallFacts
from gateway.domain.outcome import Reason, Refusal, UpstreamFailure

from . import stages
from .call import Call, Plan
from .exchange import Exchange
from .failing import as_refusal
from .gates import Trial
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
        "_gates",
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
        self._gates = parts.gates
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
        call, said = self._call, Heard()
        for number, target in enumerate(options, 1):
            self._more = number < len(options)
            if await self._try(target, said, moved=number > 1):
                return
        left_s = call.max_wait_s - call.wait_s
        # Elsewhere there was no room either: wait for the breaker that is shut for least.
        shut = said.shut if said.shut_s <= left_s else None
        if shut is not None and await self._try(shut, said, moved=shut is not options[0]):
            return
        raise Refused(call.last_word or said.refusal or _NO_OPTION)

    async def _try(self, target: Target, said: "Heard", *, moved: bool) -> bool:
        """Try one option. False if the client has no answer by it."""
        call = self._call
        call.attempt_over()
        call.moved, call.target = moved, target
        try:
            return await self._at(target) is Step.DONE
        except ValueError:
            return False  # this request cannot be put to that model
        except Refused as refused:
            said.note(target, refused.refusal)
            if refused.refusal.reason not in MOVING:
                raise Refused(call.last_word or refused.refusal) from None
            return False

    async def _at(self, target: Target) -> Step:
        """Try one option, as often as that is worth it."""
        self._target, self._repeats = target, 0
        self._budgets.of(target.provider.name).earn()
        while True:
            probe = await self._let_through(target)
            try:
                plan = self._plan(target)
                estimate = partial(stages.charge, self._call, plan.agent, target, self._parts)
                with Reservation(self._parts.admission, plan.ticket, estimate) as reservation:
                    step = await self._once(plan, reservation, probe)
            finally:
                if probe is not None:
                    probe.end()
            if step is Step.REPEAT:
                self._repeats += 1
                await self._sleep(self._pause_s)
            elif step is not Step.WAIT:
                return step

    async def _once(self, plan: Plan, reservation: Reservation, probe: Trial | None) -> Step:
        """Take a turn and try; again while the provider's own rate limit says so.

        `WAIT` if a breaker has opened during the wait for a turn, which is given back.
        """
        call, parts, keepalive = self._call, self._parts, self._keepalive
        exchange = Exchange(call, plan, self._facts, reservation, parts, self._judge)
        step = Step.WAIT
        while step is Step.WAIT:
            await take_turn(call, reservation, parts, keepalive)
            trial, probe = probe or self._gates.enter(plan.target), None
            if trial is None:
                return Step.WAIT
            try:
                step = await exchange.attempt(trial, self._presence, keepalive)
            except UpstreamFailure as failure:
                trial.failed(failure)
                call.verdict = failure.reason.value
                step = self._judge(Ended(failure=failure.reason, sent=failure.sent))
                if step is Step.FAIL:
                    raise
                call.last_word = as_refusal(failure)
            finally:
                trial.end()
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

    async def _let_through(self, target: Target) -> Trial | None:
        """Wait for the breakers, where that can help; the permission of one that is half open.

        Raises:
            Refused: `breaker_open`.
        """
        call = self._call
        while (refusal := self._gates.before(target)) is not None:
            left_s = call.max_wait_s - call.wait_s
            wait_s = refusal.retry_after_s
            if self._more or wait_s is None or wait_s > left_s:
                raise Refused(refusal)
            await self._sleep(wait_s, self._gates.next_move())
        return self._gates.probe(target)

    async def _sleep(self, for_s: float, sooner: asyncio.Future[None] | None = None) -> None:
        """Let a provider come to itself; the client is kept meanwhile, and may leave.

        Args:
            for_s: At most.
            sooner: Ends it, too.
        """
        call, keepalive = self._call, self._keepalive
        loop = asyncio.get_running_loop()
        done = loop.create_future() if sooner is None else sooner
        timer = loop.call_later(for_s, _wake, done)
        began = call.clock.monotonic()
        keepalive.pause()
        try:
            await done
        finally:
            timer.cancel()
            keepalive.rest()
            call.wait_s += call.clock.monotonic() - began


def _wake(done: asyncio.Future[None]) -> None:
    if not done.done():
        done.set_result(None)


class Heard:
    """What the options said that did not take a call.

    Attributes:
        refusal: What the first one said, with the time of whichever is free first.
        shut: The one whose breaker lets calls through first; `None`: no breaker was in the way.
        shut_s: When that is.
    """

    __slots__ = ("refusal", "shut", "shut_s")

    def __init__(self) -> None:
        self.refusal: Refusal | None = None
        self.shut: Target | None = None
        self.shut_s = inf

    def note(self, target: Target, refusal: Refusal) -> None:
        """One more said no."""
        again_s = refusal.retry_after_s
        if refusal.reason is Reason.BREAKER_OPEN and again_s is not None and again_s < self.shut_s:
            self.shut, self.shut_s = target, again_s
        if self.refusal is None:
            self.refusal = refusal
        elif again_s is not None:
            first_s = self.refusal.retry_after_s
            sooner_s = again_s if first_s is None else min(first_s, again_s)
            self.refusal = replace(self.refusal, retry_after_s=sooner_s)
