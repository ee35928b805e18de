"""Work that runs beside the caller for as long as a context is open."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager


async def pause(for_s: float) -> None:
    """Let other tasks run for so many seconds of the event loop's clock."""
    done = asyncio.Event()
    timer = asyncio.get_running_loop().call_later(for_s, done.set)
    try:
        await done.wait()
    finally:
        timer.cancel()


_AGAIN_S = 0.05


@asynccontextmanager
async def running(name: str, *work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run coroutines until the context ends, then cancel them and wait until they are gone.

    A cancellation may get lost on its way: `asyncio.wait_for` of Python 3.11, which redis-py uses
    for each command, swallows one that comes in the instant in which the awaited thing is done.
    So it is repeated until it has worked; the work must not clean up with awaits of its own.

    Raises:
        ExceptionGroup: One of them failed; the body was cancelled.
    """
    async with asyncio.TaskGroup() as group:
        pending = {group.create_task(each, name=name) for each in work}
        try:
            yield
        finally:
            while pending:
                for task in pending:
                    task.cancel()
                _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
