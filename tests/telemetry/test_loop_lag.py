"""How late the event loop is."""

import asyncio
import time

from gateway.telemetry.loop_lag import EVERY_S, watched_loop

BLOCKED_S = 2 * EVERY_S


async def test_a_loop_that_was_blocked_is_late_by_as_much() -> None:
    seen: list[float] = []
    with watched_loop(seen.append):
        time.sleep(BLOCKED_S)  # noqa: ASYNC251 - this is what must be seen
        async with asyncio.timeout(5):
            while len(seen) < 2:  # noqa: ASYNC110 - timers, not tasks
                await asyncio.sleep(0.01)
    assert seen[0] >= BLOCKED_S - EVERY_S - 0.01
    assert min(seen) >= 0
    count = len(seen)
    await asyncio.sleep(1.5 * EVERY_S)
    assert len(seen) == count, "it goes on after its end"
