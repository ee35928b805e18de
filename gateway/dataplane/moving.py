"""Where else a call may go, whether it may, and whether that is worth it."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from math import inf

from gateway.core.failover import Weighed, lost_tokens, weigh
from gateway.dialects.registry import CODECS
from gateway.domain.admission import Expectation
from gateway.domain.call import CallFacts, Tie
from gateway.domain.explanation import Move
from gateway.domain.limits import ScopeKind
from gateway.domain.outcome import Reason, Refusal
from gateway.domain.usage import Usage

from .body import decoded
from .call import Call
from .parts import Parts
from .target import Target

log = logging.getLogger("gateway.failover")

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
UNFIT = "unfit"
"""Why a call went on to another option: it cannot be put to the model of this one."""
LONG_WAIT, NO_ROOM = "long_wait", "no_room"
"""Why a call that could have waited went elsewhere, or stayed although that was worth more."""
MAX_MOVES = 10


class Moving:
    """Of one call. Costs nothing until the call cannot have what it came for.

    Attributes:
        options: Where it might go, the first choice first.
        weighed: The last time that both sides were put in the scales.
    """

    __slots__ = ("_call", "_facts", "_free", "_parts", "_tie", "options", "weighed")

    def __init__(
        self, call: Call, facts: CallFacts, options: Sequence[Target], parts: Parts
    ) -> None:
        self._call = call
        self._facts = facts
        self.options = options
        self._parts = parts
        self._tie: Tie | None = None
        self._free: Sequence[Target] | None = None
        self.weighed = Weighed(0.0, 0, 0)

    def after(self, target: Target) -> Sequence[Target]:
        """The options that come after one, as far as the conversation is free to go there."""
        options = self.options
        if len(options) == 1 or target == options[-1]:
            return ()
        if self._free is None:
            self._free = self._as_far_as_free()
        if target not in self._free:
            return ()
        return self._free[self._free.index(target) + 1 :]

    @property
    def after_s(self) -> float:
        """Shorter waits are not worth a thought."""
        return self._parts.settings.failover.after_s

    def now_s(self) -> float:
        """Monotonic time."""
        return self._parts.clock.monotonic()

    def refusal(self, refusal: Refusal) -> Refusal:
        """A refusal, with the reason for which the call did not move, if it might have."""
        if self._tie is None or refusal.reason not in MOVING:
            return refusal
        bound = "model" if self._tie.to_model else "account"
        text = f"{refusal.message} It does not move elsewhere: {self._tie.what} ties it to this {bound}."
        return replace(refusal, message=text)

    def weigh(self, here: Target, there: Target, wait_s: float) -> Weighed:
        """What waiting here is worth, and what moving there would lose."""
        call, parts = self._call, self._parts
        agent = "" if call.agent is None else call.agent.name
        now = parts.clock.monotonic()
        cached = [
            parts.book.estimate(agent, target.model, self._facts, now).cached_tokens
            for target in (here, there)
        ]
        lost = lost_tokens(*cached, same_account=here.provider is there.provider)
        loss_microusd = 0
        if lost:
            prices = [
                parts.price(there.provider, (there.model,), use, parts.clock.wall()).microusd
                for use in (Usage(input_tokens=lost), Usage(cache_read_tokens=lost))
            ]
            loss_microusd = max(0, prices[0] - prices[1])
        self.weighed = weigh(wait_s, call.priority, loss_microusd, parts.settings.failover)
        return self.weighed

    def note(self, here: Target, there: Target, why: str, weighed: Weighed, *, moved: bool) -> None:
        """Remember a decision with what spoke for and against it."""
        call = self._call
        move = Move(
            from_lane=here.lane.name,
            to_lane=there.lane.name,
            to_model=there.model,
            why=why,
            moved=moved,
            at_s=call.clock.monotonic() - call.accepted_at,
            wait_s=weighed.wait_s,
            wait_microusd=weighed.wait_microusd,
            loss_microusd=weighed.loss_microusd,
        )
        if len(call.moves) < MAX_MOVES:
            call.moves += (move,)
        log.info(
            "call %s %s lane %s for %s (%s): %.1f s of waiting are worth $%.6f, its cache $%.6f",
            *(call.request_id, "leaves" if moved else "stays at", here.lane.name),
            *(there.lane.name, why, weighed.wait_s),
            *(weighed.wait_microusd / 1e6, weighed.loss_microusd / 1e6),
        )

    def _as_far_as_free(self) -> Sequence[Target]:
        first = self.options[0]
        self._tie = self._tied(first)
        if self._tie is None:
            return self.options
        stays = [target for target in self.options if self._reaches(self._tie, first, target)]
        if len(stays) == len(self.options):
            self._tie = None
        return stays

    def _tied(self, first: Target) -> Tie | None:
        call = self._call
        body = call.body
        if not call.body_changed:
            body = decoded(call.request, body, self._parts.settings.max_body_bytes)
        codec = call.codec or CODECS[first.provider.dialect]
        return codec.tie(self._facts, body)

    @staticmethod
    def _reaches(tie: Tie, first: Target, other: Target) -> bool:
        """Whether a tied conversation may go there."""
        if other.provider is not first.provider:
            return False
        return other.model == first.model or not tie.to_model


class Watch:
    """Over one wait for a turn: ends it when moving is worth more than the rest of the wait.

    Args:
        limit: Of the wait.
        again: The call has looked elsewhere already, and does so again only after a pause.
    """

    __slots__ = ("_here", "_limit", "_moving", "_not_before_s", "_noted")

    def __init__(
        self, moving: Moving, here: Target, limit: asyncio.Timeout, *, again: bool
    ) -> None:
        self._moving = moving
        self._here = here
        self._limit = limit
        self._noted = False
        self._not_before_s = moving.now_s() + moving.after_s if again else 0.0

    def told(self, expectation: Expectation) -> None:
        """The call hears how its wait stands."""
        moving, wait_s = self._moving, expectation.wait_s
        if expectation.bound.scope is not ScopeKind.LANE or wait_s < moving.after_s:
            return  # a budget holds in every lane
        if moving.now_s() < self._not_before_s or self._limit.expired():
            return
        others = moving.after(self._here)
        if not others:
            return
        weighed = moving.weigh(self._here, others[0], wait_s)
        if weighed.worth:
            self._limit.reschedule(asyncio.get_running_loop().time())
        elif not self._noted:
            self._noted = True
            moving.note(self._here, others[0], LONG_WAIT, weighed, moved=False)


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
