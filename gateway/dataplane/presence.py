"""Notices that the client has left, and cancels its call.

Failure policy: a client that goes away while its call waits leaves the queue at once; while its
call runs, the upstream call is cancelled, and what was used so far is still settled.
"""

import asyncio
from types import TracebackType

from .asgi import Client, Receive


class Presence:
    """Watches one client while the body of the `with` runs: by the server's call, or a task.

    The body is cancelled when the client disconnects, which is then the ordinary end of the `with`,
    and `gone` says so. `leave` ends the watch before the last byte is sent, since the server reports a completed response as a disconnect.
    """

    __slots__ = ("_client", "_receive", "_task", "_watch", "gone")

    def __init__(self, receive: Receive | None, client: Client | None = None) -> None:
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
        if self._receive is None:
            return self
        # The task ends with this block, which cancels it; a TaskGroup would cost three times
        # as much on every call.
        self._watch = asyncio.get_running_loop().create_task(self._wait(self._receive))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self.leave()
        if not self.gone or kind is not asyncio.CancelledError or self._task is None:
            return False
        self._task.uncancel()
        return True

    def leave(self) -> None:
        """Stop watching. Idempotent."""
        if self._client is not None:
            self._client.when_gone(None)
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None

    async def _wait(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass  # bytes after a whole body: none in HTTP/1.1, ignored if a server invents them
        if self._watch is not None:
            self._left()

    def _left(self) -> None:
        if self._task is not None:
            self.gone = True
            self._task.cancel()
