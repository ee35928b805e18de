"""Keeps a waiting stream alive: holds its head while that is safe, then commits it and pings.

An early 200 costs the client its own retries (provider-facts A2, B2), silence costs the client
its patience (field-notes 14). So nothing is sent for `hold_head_s`; after that the head goes out,
followed by the bytes which this client's dialect tolerates, until the provider's own first byte.
Keep-alives are only sent before the provider's stream starts, so they can neither split an event
nor hide a provider that has died.
"""

import asyncio
from collections.abc import Callable

from gateway.ports import Headers

from .respond import Responder


class KeepAlive:
    """Armed while a stream waits; `stop` before anything else is sent to the client."""

    __slots__ = ("_bytes", "_head", "_hold_s", "_interval_s", "_responder", "_task", "_timer")

    def __init__(
        self,
        responder: Responder,
        head: Callable[[], Headers],
        ping: bytes,
        hold_s: float,
        interval_s: float,
    ) -> None:
        """`head`: made only if it is needed, with what is known then."""
        self._responder = responder
        self._head = head
        self._bytes = ping
        self._hold_s = hold_s
        self._interval_s = interval_s
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    def arm(self) -> None:
        """Start the clock."""
        self._timer = asyncio.get_running_loop().call_later(self._hold_s, self._begin)

    async def stop(self) -> None:
        """No byte is sent after this returns. Idempotent."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])

    def disarm(self) -> None:
        """Like `stop` for a call whose head was not committed: then there is nothing to await."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin(self) -> None:
        # Owned by this object: `stop` cancels and awaits it.
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        await self._responder.start(200, self._head())
        loop = asyncio.get_running_loop()
        while True:
            await self._responder.chunk(self._bytes)
            pause: asyncio.Future[None] = loop.create_future()
            timer = loop.call_later(self._interval_s, pause.set_result, None)
            try:
                await pause
            finally:
                timer.cancel()
