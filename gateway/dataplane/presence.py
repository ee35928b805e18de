"""Notices that the client has left, and cancels its call.

Failure policy: a client that goes away while its call waits leaves the queue at once; while its
call runs, the upstream call is cancelled, and what was used so far is still settled.
"""

import asyncio
from types import TracebackType

from .asgi import Client, Receive


class Presence:
    """Watches one client while the body of the `with` runs: by the server's call, or a task.

    The body is cancelled when the client disconnects, and `gone` says so. `leave` ends the watch
    before the last byte is sent, since the server reports a completed response as a disconnect.
    """

    __slots__ = ("_client", "_receive", "_task", "_watch", "gone")

    def __init__(self, receive: Receive, client: Client | None = None) -> None:
        self._receive = receive
        self._client = client
        self._task: asyncio.Task[object] | None = None
        self._watch: asyncio.Task[None] | None = None
        self.gone = False

    def __enter__(self) -> "Presence":
        self._task = asyncio.current_task()
        if self._client is not None:
            self._client.when_gone(self._left)
            return self
        # The task ends with this block, which cancels it; a TaskGroup would cost three times
        # as much on every call.
        self._watch = asyncio.get_running_loop().create_task(self._wait())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Stop watching. Idempotent."""
        if self._client is not None:
            self._client.when_gone(None)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    def forgive(self) -> None:
        """Take the cancellation of a client that has gone as the ordinary end of its call."""
        if self._task is not None:
            self._task.uncancel()

    async def _wait(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass  # bytes after a whole body: none in HTTP/1.1, ignored if a server invents them
        if self._watch is not None:
            self._left()

    def _left(self) -> None:
        if self._task is not None:
            self.gone = True
            self._task.cancel()
