"""When each lane is to be looked at next: one timer for each, in the event loop."""

import asyncio
from collections.abc import Callable


class LaneTimers:
    """Timers by lane; a new one takes the place of the last.

    Args:
        due: Told of the lane whose time has come.
    """

    def __init__(self, due: Callable[[str], None]) -> None:
        self._due = due
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._stopped = False

    def arm(self, lane: str, delay_s: float) -> None:
        """Look at a lane so much later."""
        self.drop(lane)
        if not self._stopped:
            loop = asyncio.get_running_loop()
            self._timers[lane] = loop.call_later(delay_s, self._ring, lane)

    def drop(self, lane: str) -> None:
        """Leave a lane alone."""
        timer = self._timers.pop(lane, None)
        if timer is not None:
            timer.cancel()

    def stop(self) -> None:
        """Leave all of them alone, for good."""
        self._stopped = True
        for lane in list(self._timers):
            self.drop(lane)

    def _ring(self, lane: str) -> None:
        del self._timers[lane]
        self._due(lane)
