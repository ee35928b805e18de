"""The deadline that is cheap to move."""

import asyncio
from math import inf

from gateway.upstream.deadline import Deadline


class _Watch:
    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.passed = asyncio.Event()
        self.times: list[float] = []
        self.deadline = Deadline(self.loop, self._note)

    def _note(self) -> None:
        self.times.append(self.loop.time())
        self.passed.set()

    async def wait(self) -> None:
        await asyncio.wait_for(self.passed.wait(), 10)


async def test_it_calls_back_once_after_its_time() -> None:
    watch = _Watch()
    at = watch.loop.time() + 0.02
    watch.deadline.set(at)
    await watch.wait()
    assert watch.times[0] >= at - 0.002
    assert len(watch.times) == 1


async def test_moved_later_it_keeps_its_timer_and_fires_late() -> None:
    watch = _Watch()
    now = watch.loop.time()
    watch.deadline.set(now + 0.01)
    timer = watch.deadline._handle
    watch.deadline.set(now + 0.05)
    assert watch.deadline._handle is timer
    await watch.wait()
    assert watch.times[0] >= now + 0.048


async def test_moved_earlier_it_fires_early() -> None:
    watch = _Watch()
    now = watch.loop.time()
    watch.deadline.set(now + 3600)
    watch.deadline.set(now + 0.01)
    await watch.wait()


async def test_switched_off_or_dropped_it_never_fires() -> None:
    off, dropped, witness = _Watch(), _Watch(), _Watch()
    for watch in (off, dropped, witness):
        watch.deadline.set(watch.loop.time() + 0.01)
    off.deadline.set(inf)
    dropped.deadline.drop()
    dropped.deadline.drop()
    witness.deadline.set(witness.loop.time() + 0.03)
    await witness.wait()
    assert off.times == dropped.times == []
    off.deadline.set(off.loop.time() + 0.01)
    await off.wait()
