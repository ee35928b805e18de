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

from gateway.core.retrying import Ended, Standing, Step, decide
from gateway.domain.call import CallFacts
from gateway.domain.outcome import Reason, Refusal, UpstreamFailure

from . import stages
from .call import Call, Plan
from .convoy import Leading
from .exchange import Exchange
from .failing import as_refusal
from .gates import Trial
from .keepalive import KeepAlive
from .moving import LONG_WAIT, MOVING, NO_ROOM, UNFIT, Heard, Moving, Watch
from .parts import Parts
from .presence import Presence
from .refused import Refused
from .reservation import Reservation
from .target import Target
from .turn import take_turn

_NO_OPTION = Refusal(
    Reason.BAD_REQUEST, "The model's name does not stand where it could be changed.", param="model"
)


class LooksElsewhere(Exception):  # noqa: N818 - control flow between two methods
    """The call has given up its turn to look whether another option has room at once."""


class Unfit(Exception):  # noqa: N818 - control flow between two methods
    """The call cannot be put to the model of an option."""


class Attempts:
    """One call on its way through its options.

    Args:
        plan: Makes the plan of an option: a new ticket each time.
        facts: Of the body.
        options: Where the call may go, the first choice first.
    """

    __slots__ = (
        "_budgets",
        "_call",
        "_facts",
        "_gates",
        "_keepalive",
        "_last",
        "_looking",
        "_moving",
        "_parts",
        "_pause_s",
        "_plan",
        "_presence",
        "_repeats",
        "_said",
        "_target",
        "_why",
    )

    def __init__(
        self,
        call: Call,
        parts: Parts,
        plan: Callable[[Target], Plan],
        facts: CallFacts,
        presence: Presence,
        keepalive: KeepAlive,
        options: Sequence[Target],
    ) -> None:
        self._call = call
        self._parts = parts
        self._plan = plan
        self._facts = facts
        self._presence = presence
        self._keepalive = keepalive
        self._budgets = parts.budgets
        self._gates = parts.gates
        self._said = Heard()
        self._target = options[0]
        self._moving = Moving(call, facts, options, parts)
        self._why = ("", 0.0)
        self._looking = self._last = False
        self._repeats = 0
        self._pause_s = 0.0

    async def run(self) -> None:
        """Try the options in order.

        Raises:
            Refused: No option has room for the call, or none answered it.
            UpstreamFailure: The last attempt failed.
        """
        call, said, moving = self._call, self._said, self._moving
        target = first = moving.options[0]
        while not await self._try(target, moved=target is not first):
            others = moving.after(target)
            if not others:
                break
            self._leave(target, others[0])
            target = others[0]
        else:
            return
        # Elsewhere there was no room either: wait for the breaker that is shut for least.
        self._last = True
        shut = said.shut if said.shut_s <= call.max_wait_s - call.wait_s else None
        if shut is not None and await self._try(shut, moved=shut is not first):
            return
        raise Refused(call.last_word or moving.refusal(said.refusal or _NO_OPTION))

    def _leave(self, here: Target, there: Target) -> None:
        """The first option cannot: note why the call goes to another one."""
        why, wait_s = self._why
        weighed = self._moving.weigh(here, there, wait_s)
        self._moving.note(here, there, why, weighed, moved=True)

    async def _try(self, target: Target, *, moved: bool) -> bool:
        """Try one option. False if the client has no answer by it."""
        call = self._call
        call.attempt_over()
        call.moved, call.target = moved, target
        try:
            step = await self._at(target)
        except Unfit:
            self._why = (UNFIT, 0.0)
            return False
        except Refused as refused:
            self._said.note(target, refused.refusal)
            self._why = (refused.refusal.reason.value, refused.refusal.retry_after_s or 0.0)
            if refused.refusal.reason not in MOVING:
                raise Refused(call.last_word or refused.refusal) from None
            return False
        self._why = (call.verdict, 0.0)
        return step is Step.DONE

    async def _at(self, target: Target) -> Step:
        """Try one option, as often as that is worth it."""
        self._target, self._repeats = target, 0
        self._budgets.of(target.provider.name).earn()
        again = False
        while True:
            probe = await self._let_through(target)
            try:
                step = await self._take_and_try(target, probe, again=again)
            except LooksElsewhere:
                again = True
                if await self._elsewhere(target):
                    return Step.DONE
                self._target, self._repeats = target, 0
                continue
            finally:
                if probe is not None:
                    probe.end()
            if step is Step.REPEAT:
                self._repeats += 1
                await self._sleep(self._pause_s)
            elif step is not Step.WAIT:
                return step

    async def _elsewhere(self, here: Target) -> bool:
        """Try what has room at once. False if nothing has; the call then takes its place again."""
        call, moving = self._call, self._moving
        before, self._looking = call.moved, True
        try:
            for there in moving.after(here):
                if await self._at_once(there):
                    moving.note(here, there, LONG_WAIT, moving.weighed, moved=True)
                    return True
            moving.note(here, moving.after(here)[0], NO_ROOM, moving.weighed, moved=False)
        finally:
            self._looking = False
        call.attempt_over()
        call.moved, call.target = before, here
        return False

    async def _at_once(self, there: Target) -> bool:
        """Try an option, if it has room now."""
        call = self._call
        call.attempt_over()
        call.moved, call.target, self._target, self._repeats = True, there, there, 0
        if self._gates.before(there) is not None:
            return False
        probe = self._gates.probe(there)
        try:
            return await self._take_and_try(there, probe, at_once=True) is Step.DONE
        except (Refused, Unfit):
            return False
        finally:
            if probe is not None:
                probe.end()

    async def _take_and_try(
        self, target: Target, probe: Trial | None, *, again: bool = False, at_once: bool = False
    ) -> Step:
        """One attempt under a reservation of its own.

        Args:
            target: Where.
            probe: The permission of a half-open breaker, if there is one.
            again: The call comes back to the place that it had.
            at_once: Do not wait for a turn.
        """
        call = self._call
        if call.agent is None or not call.agent.cache_assist:
            return await self._take(target, probe, None, again=again, at_once=at_once)
        holds = probe is None and not (again or at_once)
        leading = await self._parts.assistance.convoy.join(
            call, self._facts, target, self._keepalive, holds=holds
        )
        try:
            return await self._take(target, probe, leading, again=again, at_once=at_once)
        finally:
            if leading is not None:
                leading.end()

    async def _take(
        self,
        target: Target,
        probe: Trial | None,
        leading: Leading | None,
        *,
        again: bool,
        at_once: bool,
    ) -> Step:
        try:
            plan = self._plan(target)
        except ValueError:
            raise Unfit from None
        ticket = plan.ticket
        if again or at_once:
            ticket = replace(
                ticket,
                is_retry=ticket.is_retry or again,
                max_wait_s=0.0 if at_once else ticket.max_wait_s,
            )
        estimate = partial(stages.charge, self._call, plan.agent, target, plan.facts, self._parts)
        with Reservation(self._parts.admission, ticket, estimate) as reservation:
            exchange = Exchange(
                self._call,
                plan,
                plan.facts or self._facts,
                reservation,
                self._parts,
                self._judge,
                leading,
            )
            return await self._once(plan, exchange, reservation, probe, again=again)

    async def _once(
        self,
        plan: Plan,
        exchange: Exchange,
        reservation: Reservation,
        probe: Trial | None,
        *,
        again: bool,
    ) -> Step:
        """Take a turn and try; again while the provider's own rate limit says so.

        `WAIT` if a breaker has opened during the wait for a turn, which is given back.
        """
        call, keepalive = self._call, self._keepalive
        step = Step.WAIT
        while step is Step.WAIT:
            await self._turn(plan.target, reservation, again=again)
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

    async def _turn(self, target: Target, reservation: Reservation, *, again: bool) -> None:
        """Wait for a turn, and look elsewhere if the wait will be long.

        Raises:
            LooksElsewhere: Another option may be worth more than waiting; the turn is given up.
            Refused: Waiting cannot help.
        """
        call, parts, keepalive = self._call, self._parts, self._keepalive
        if self._looking or self._last or target == self._moving.options[-1]:
            await take_turn(call, reservation, parts, keepalive)
            return
        try:
            async with asyncio.timeout(None) as limit:
                watch = Watch(self._moving, target, limit, again=again)
                await take_turn(call, reservation, parts, keepalive, watch.told)
        except TimeoutError:
            if not limit.expired():
                raise
            raise LooksElsewhere from None

    def _others(self, target: Target) -> Sequence[Target]:
        """Where the call may go on to from an option."""
        return () if self._last else self._moving.after(target)

    def _judge(self, ended: Ended) -> Step:
        """What comes after a failed attempt."""
        call, target = self._call, self._target
        settings = self._parts.settings.retries
        # An SDK that sends the call again owns the retries of it: two layers would multiply.
        repeats = settings.most if call.retried else self._repeats
        decision = decide(
            ended,
            Standing(
                answering=call.answering,
                repeats=repeats,
                left_s=call.max_wait_s - call.wait_s,
                more=self._looking or bool(self._others(target)),
            ),
            settings,
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
        if not self._gates.shut(target):
            return None
        call = self._call
        while (refusal := self._gates.before(target)) is not None:
            left_s = call.max_wait_s - call.wait_s
            wait_s = refusal.retry_after_s
            if wait_s is None or wait_s > left_s or self._others(target):
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
