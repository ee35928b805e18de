"""A deadline that can be moved for next to nothing.

Setting a timer of the event loop per read would cost more than the read. Deadlines mostly move
later, so one timer is left where it is: when it fires early, it looks at the deadline of that
time and goes to sleep again. Only a deadline before the armed time moves the timer.
"""

import asyncio
from collections.abc import Callable
from math import inf

_SLACK_S = 0.001
"""The loop's timers count whole milliseconds and can fire that much early."""


class Deadline:
    """Calls back once the loop's time has passed the point last set."""

    __slots__ = ("_at", "_due", "_handle", "_loop", "_on_passed")

    def __init__(self, loop: asyncio.AbstractEventLoop, on_passed: Callable[[], None]) -> None:
        self._loop = loop
        self._on_passed = on_passed
        self._at = inf
        self._due = inf
        self._handle: asyncio.TimerHandle | None = None

    def set(self, at: float) -> None:
        """Move the deadline to the loop time `at`, in seconds; infinity switches it off."""
        self._at = at
        if at < self._due:
            self._arm(at)

    def drop(self) -> None:
        """Switch it off and free the timer."""
        self._at = self._due = inf
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _arm(self, at: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._due = at
        self._handle = self._loop.call_at(at, self._fired)

    def _fired(self) -> None:
        self._due = inf
        self._handle = None
        if self._at == inf:
            return
        if self._loop.time() >= self._at - _SLACK_S:
            self._at = inf
            self._on_passed()
        else:
            self._arm(self._at)
