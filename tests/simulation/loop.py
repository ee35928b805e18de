"""An event loop on which no time passes but the simulated.

When nothing is ready to run, the clock jumps to the next timer. Everything is in one thread and
nothing real is waited for, so the order of events follows from the program and its seed alone.
"""

import asyncio
from asyncio import base_events
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

EPOCH_S = 1_795_000_000
"""What the wall clock shows when the loop's own shows 0."""
_RESOLUTION_S = 1e-9


class Stuck(Exception):  # noqa: N818 - a finding, not an error of this program
    """Nothing is ready and no timer is set: what is waited for will never come."""


class _Jump:
    """Takes the place of the selector, where other loops wait."""

    def __init__(self, loop: "SimulatedLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[object]:
        """Let the time pass at once."""
        if timeout is None:
            raise Stuck
        self._loop.now_s += timeout
        return []


class SimulatedLoop(base_events.BaseEventLoop):
    """Its time is `now_s`."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0
        self._selector = _Jump(self)
        self._clock_resolution = _RESOLUTION_S

    def time(self) -> float:
        """Simulated seconds since the start."""
        return self.now_s

    def _process_events(self, event_list: list[object]) -> None:
        """There are no sockets."""

    def _write_to_self(self) -> None:
        """There are no threads."""


class SimulatedClock:
    """Implements `gateway.ports.Clock` for one process; each counts from a moment of its own."""

    def __init__(self, loop: asyncio.AbstractEventLoop, offset_s: float = 0.0) -> None:
        self._loop = loop
        self._offset_s = offset_s

    def monotonic(self) -> float:
        return self._loop.time() + self._offset_s

    def wall(self) -> float:
        return EPOCH_S + self._loop.time()


def simulate(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end and cancel what is left over."""
    loop = SimulatedLoop()
    try:
        asyncio.set_event_loop(loop)
        return loop.run_until_complete(main)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        asyncio.set_event_loop(None)
        loop.close()
