"""A caller of `admit` or `requeue`, from its call to its verdict."""

import asyncio
from collections.abc import Callable

from gateway.domain.admission import TicketRequest, Verdict
from gateway.ports import Told


class Waiting:
    """One caller.

    Attributes:
        request: What it asks for.
        verdict: Resolved once.
        since_s: Monotonic time of the call.
        deadline_s: Monotonic time after which it does not want to wait.
        told: Hears what it can expect.
        overdue: Its time is up, and the store is asked for the last word.
        heard_s: Monotonic time at which the store last said that it waits, `None` before that.
    """

    __slots__ = (
        "_before_s",
        "_given_back",
        "_loop",
        "_patience",
        "_timer",
        "deadline_s",
        "heard_s",
        "overdue",
        "request",
        "since_s",
        "told",
        "verdict",
    )

    def __init__(
        self,
        request: TicketRequest,
        loop: asyncio.AbstractEventLoop,
        now_s: float,
        told: Told | None = None,
    ) -> None:
        self.request = request
        self.verdict: asyncio.Future[Verdict] = loop.create_future()
        self.since_s = now_s
        self.deadline_s = now_s + request.max_wait_s
        self.told = told
        self.overdue = False
        self.heard_s: float | None = None
        self._before_s = 0.0
        self._given_back: asyncio.Future[object] | None = None
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    @property
    def had_a_turn(self) -> bool:
        """Whether it had a turn already, which it gave back."""
        return self._given_back is not None

    def answer(self, verdict: Verdict) -> bool:
        """Give the verdict. False if there is one already."""
        if self.verdict.done():
            return False
        self.verdict.set_result(verdict)
        return True

    def gives_back(self, waited_s: float) -> asyncio.Future[object]:
        """It has had a turn, for which it waited so long; the future is for its return."""
        self._before_s = waited_s
        self._given_back = self._loop.create_future()
        self._given_back.add_done_callback(_retrieved)
        return self._given_back

    def may_be_granted(self, waited_s: float) -> bool:
        """Whether a grant after so long a wait is a new turn and not the one given back.

        That one may be told late or again. In replies, this ends with the reply to its return. The
        outbox tells only of those who did wait, and whoever waits again has waited longer.
        """
        if self._given_back is None:
            return True
        return self._given_back.done() and (not waited_s or waited_s != self._before_s)

    def arm(self, left_s: float, overdue: Callable[["Waiting"], object]) -> None:
        """The store has the ticket; call `overdue` when its time is up."""
        if self.overdue:
            return  # that it waited a moment ago is no answer
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None
        if self._timer is None:
            self._timer = self._loop.call_later(left_s, overdue, self)

    def lose_patience_in(self, delay_s: float, forsake: Callable[["Waiting"], object]) -> None:
        """Call `forsake` unless the store is heard of before."""
        if self._patience is None and not self.verdict.done():
            self._patience = self._loop.call_later(delay_s, forsake, self)

    def disarm(self) -> None:
        """Forget all timers."""
        for timer in (self._timer, self._patience):
            if timer is not None:
                timer.cancel()
        self._timer = self._patience = None


def _retrieved(done: asyncio.Future[object]) -> None:
    """Whoever gave the future has other ways to learn of a failure."""
    if not done.cancelled():
        done.exception()
