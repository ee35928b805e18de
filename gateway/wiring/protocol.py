"""uvicorn's HTTP protocol with the bounds that a door to the outside needs.

Failure policy: a client that does not finish a request head in time, or sends one that is too
large, is answered 408 or 431 and disconnected; a connection beyond the configured number is
answered 503 with `retry-after` and closed; none of them reaches the application.
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from .worker import WorkerPlan

MAX_HEAD_BYTES = 128 * 1024
"""Codex alone sends attestation headers of 4 KiB; 431 above this."""
_BUSY_RETRY_S = 2


class GuardedProtocol(HttpToolsProtocol):
    """One client connection."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, or turn it away (uvicorn narrows the argument in the same way)."""
        super().connection_made(transport)
        plan = self.config.app
        if not isinstance(plan, WorkerPlan):
            raise TypeError("this protocol serves a WorkerPlan")
        self._header_timeout_s = plan.settings.server.header_timeout_s
        if len(self.connections) > plan.settings.server.max_connections:
            self._turn_away(
                b"503 Service Unavailable",
                b"this worker has no connection left (server.max_connections)",
                b"retry-after: %d\r\n" % _BUSY_RETRY_S,
            )
            return
        self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._disarm()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse, unless this client was turned away."""
        if not self._refused:
            super().data_received(data)

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._head_bytes = 0
        if self._head_timer is None:
            self._arm()

    def on_url(self, url: bytes) -> None:
        """Count and take a part of the target."""
        if self._within_bound(len(url)):
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count and take one field."""
        if self._within_bound(len(name) + len(value)):
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        self._disarm()
        if not self._refused:
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if not self._refused:
            super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """An upgrade is answered by the application (426); there is nothing to warn of."""

    def _within_bound(self, more: int) -> bool:
        self._head_bytes += more
        if self._head_bytes > MAX_HEAD_BYTES and not self._refused:
            self._turn_away(
                b"431 Request Header Fields Too Large", b"the request head is too large"
            )
        return not self._refused

    def _arm(self) -> None:
        self._head_timer = self.loop.call_later(self._header_timeout_s, self._too_slow)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_slow(self) -> None:
        self._head_timer = None
        self._turn_away(b"408 Request Timeout", b"the request head did not arrive in time")

    def _turn_away(self, status: bytes, why: bytes, extra: bytes = b"") -> None:
        self._refused = True
        self._disarm()
        body = b'{"error":{"message":"' + why + b'","type":"gateway_error"}}'
        self.transport.write(
            b"HTTP/1.1 "
            + status
            + b"\r\ncontent-type: application/json\r\n"
            + extra
            + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            + body
        )
        self.transport.close()
