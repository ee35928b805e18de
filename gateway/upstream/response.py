"""An answer in the hands of its reader."""

from collections.abc import Coroutine
from typing import Any

from gateway.ports import Headers

from .pool import Pool
from .protocol import Connection


class HttpResponse:
    """Implements `gateway.ports.UpstreamResponse`.

    Attributes:
        status: The final status.
        headers: As they came, framing and hop-by-hop fields included.
    """

    __slots__ = ("_connection", "_pool", "headers", "status")

    def __init__(self, connection: Connection, pool: Pool) -> None:
        self.status = connection.status
        self.headers: Headers = connection.headers
        self._connection: Connection | None = connection
        self._pool = pool

    def read(self) -> Coroutine[Any, Any, bytes]:
        """The next bytes as soon as there are any, all that are there; `b""` at the end.

        Raises:
            UpstreamFailure: The body was cut short, broke the protocol or stalled.
            RuntimeError: The response was closed.
        """
        if self._connection is None:
            raise RuntimeError("read() after close()")
        return self._connection.read()

    def close(self) -> None:
        """Give the connection back if the whole answer has arrived, else close it. Idempotent."""
        connection = self._connection
        if connection is not None:
            self._connection = None
            self._pool.release(connection)
