"""The connections to one provider: a bound on their number, reuse, and a fair wait for the next.

A connection is idle (kept here), or active (an exchange or a connect has it). Idle ones are taken
last in, first out, so that those not needed grow old and expire. When all are active, requests
wait in a line, first come, first served: what comes free is handed to the head of the line and
never to a newcomer. A place in the bound is handed on in the same way when a connection died.
"""

import asyncio
import ssl
from collections import deque
from contextlib import suppress

from .failures import closing, not_connected_in_time, unreachable
from .origin import Origin
from .protocol import Connection
from .settings import TransportSettings
from .sockets import tune


class Pool:
    """All connections to one origin on behalf of one provider.

    Attributes:
        origin: Where they go.
        active: Connections in use, connecting ones included.
    """

    __slots__ = (
        "_closed",
        "_connections",
        "_context",
        "_idle",
        "_limit",
        "_loop",
        "_settings",
        "_waiters",
        "active",
        "origin",
    )

    def __init__(
        self,
        origin: Origin,
        context: ssl.SSLContext | None,
        limit: int,
        settings: TransportSettings,
    ) -> None:
        self.origin = origin
        self.active = 0
        self._context = context
        self._limit = limit
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._idle: dict[Connection, None] = {}
        self._connections: set[Connection] = set()
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._closed = False

    @property
    def idle(self) -> int:
        """Connections kept for reuse."""
        return len(self._idle)

    @property
    def waiting(self) -> int:
        """Requests in line for a connection."""
        return len(self._waiters)

    def resize(self, limit: int) -> None:
        """Change the bound; a lower one takes effect as connections come free."""
        if limit == self._limit:
            return
        self._limit = limit
        while self._waiters and self._has_room():
            self.active += 1
            self._pass_on(None)

    def take(self) -> Connection | None:
        """A live idle connection, if there is one. Stale ones are closed on the way."""
        while self._idle:
            connection, _ = self._idle.popitem()
            if connection.stale:
                connection.abort()
                continue
            self.active += 1
            return connection
        return None

    async def acquire(self, connect_s: float) -> Connection:
        """Wait for a place and connect, or get a connection that came free.

        Args:
            connect_s: The bound on waiting and connecting together, in seconds.

        Raises:
            UpstreamFailure: Nothing was sent.
        """
        queued = True
        try:
            async with asyncio.timeout(connect_s):
                connection = await self._place()
                if connection is not None and connection.usable and not connection.stale:
                    return connection
                queued = False
                if connection is not None:
                    connection.abort()
                return await self._connect()
        except TimeoutError as error:
            raise not_connected_in_time(str(self.origin), connect_s, queued=queued) from error

    async def renew(self, dead: Connection, connect_s: float) -> Connection:
        """A new connection in the place of one that died under a request.

        Raises:
            UpstreamFailure: The new one was not established; the place is given back.
        """
        dead.abort()
        try:
            async with asyncio.timeout(connect_s):
                return await self._connect()
        except TimeoutError as error:
            raise not_connected_in_time(str(self.origin), connect_s, queued=False) from error

    def release(self, connection: Connection) -> None:
        """Give a connection back, to be reused if it is clean."""
        fits = self.active + len(self._idle) <= self._limit and not self._closed
        if fits and connection.reuse():
            self._pass_on(connection)
        else:
            self.discard(connection)

    def discard(self, connection: Connection) -> None:
        """Close an active connection and give its place on."""
        connection.abort()
        self._pass_on(None)

    def close(self) -> None:
        """Close all connections, active ones too, and send the line away."""
        self._closed = True
        for connection in tuple(self._connections):
            connection.abort()
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_exception(closing())

    async def _place(self) -> Connection | None:
        """A place in the bound: with a connection in it, or `None` to connect."""
        if self._has_room():
            self.active += 1
            return None
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.cancelled():
                with suppress(ValueError):  # passed over already
                    self._waiters.remove(waiter)
            elif waiter.exception() is None:  # given a place in the turn of being cancelled
                self._pass_on(waiter.result())
            raise

    def _has_room(self) -> bool:
        return self.active + len(self._idle) < self._limit

    def _pass_on(self, connection: Connection | None) -> None:
        """Hand a place to the head of the line, or take it out of the count."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():  # else cancelled in this turn of the loop
                waiter.set_result(connection)
                return
        self.active -= 1
        if connection is not None and not connection.closed:
            self._idle[connection] = None

    async def _connect(self) -> Connection:
        """Connect in a place already taken; on failure the place is given on."""
        if self._closed:
            self._pass_on(None)
            raise closing()
        connection = Connection(self._loop, self._settings, self._forget)
        self._connections.add(connection)
        origin = self.origin
        try:
            transport, _ = await self._loop.create_connection(
                lambda: connection,
                origin.host,
                origin.port,
                ssl=self._context,
                server_hostname=origin.host if self._context is not None else None,
            )
            tune(transport, self._settings.keepalive_probe_s)
        except BaseException as error:
            self._connections.discard(connection)
            self.discard(connection)
            if isinstance(error, OSError):
                raise unreachable(error, str(origin)) from error
            raise
        if not connection.usable or self._closed:
            self.discard(connection)
            raise unreachable(ConnectionResetError("closed at once"), str(origin))
        return connection

    def _forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._idle.pop(connection, None)
