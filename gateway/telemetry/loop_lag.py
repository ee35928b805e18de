"""How late the event loop is: a timer that is set again and again, and how long after its time it came.

Whatever keeps the loop from its work (a long computation, a full processor) delays every call by
as much.
"""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_S = 0.1


@contextmanager
def watched_loop(lagged: Callable[[float], None]) -> Iterator[None]:
    """Tell how late each timer came, in seconds, until the context ends."""
    watch = _Watch(asyncio.get_running_loop(), lagged)
    try:
        yield
    finally:
        watch.timer.cancel()


class _Watch:
    """A timer that sets itself again."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lagged: Callable[[float], None]) -> None:
        self._loop = loop
        self._lagged = lagged
        self.timer = self._again()

    def _again(self) -> asyncio.TimerHandle:
        due_s = self._loop.time() + EVERY_S
        return self._loop.call_at(due_s, self._came, due_s)

    def _came(self, due_s: float) -> None:
        self._lagged(max(0.0, self._loop.time() - due_s))
        self.timer = self._again()
