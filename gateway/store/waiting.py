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
        before_s: How long it waited for the turn that it has given back, if it had one. That turn
            may be told late or again (the outbox and replies overtake each other); each later one
            has waited longer.
        heard_s: Monotonic time at which the store last said that it waits, `None` before that.
    """

    __slots__ = (
        "_loop",
        "_patience",
        "_timer",
        "before_s",
        "deadline_s",
        "heard_s",
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
        self.before_s: float | None = None
        self.heard_s: float | None = None
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None

    def answer(self, verdict: Verdict) -> bool:
        """Give the verdict. False if there is one already."""
        if self.verdict.done():
            return False
        self.verdict.set_result(verdict)
        return True

    def arm(self, left_s: float, overdue: Callable[["Waiting"], object]) -> None:
        """The store has the ticket; call `overdue` when its time is up."""
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
