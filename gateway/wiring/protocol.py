"""uvicorn's HTTP protocol with the bounds that a door to the outside needs.

Failure policy: a client that does not finish a request head in time, or sends one that is too
large or unsound, is answered 408, 431 or 400 and disconnected; a connection beyond the configured
number is answered 503 with `retry-after` and closed; none of them reaches the application. Where an
answer is on its way already, nothing is written into it: the connection is closed.

Trailer fields are read and dropped: added to the head they could replace what it said of the caller
(RFC 9110, 6.5.1). An offered upgrade is not taken (RFC 9110, 7.8): the request is an ordinary one,
and its body is its own, whatever the parser would make of it.
"""

import asyncio
from typing import cast

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from .head import flaw_of
from .worker import WorkerPlan

MAX_HEAD_BYTES = 128 * 1024
"""Codex alone sends attestation headers of 4 KiB; 431 above this."""
_BUSY_RETRY_S = 2


class GuardedProtocol(HttpToolsProtocol):
    """One client connection."""

    _head_timer: asyncio.TimerHandle | None = None
    _head_bytes = 0
    _head_whole = False
    _framing = b""
    _resuming = False
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
        if self._refused:
            return
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offered:
            self._resume(data[offered.args[0] :])
        except httptools.HttpParserError:
            self._turn_away(b"400 Bad Request", b"the request breaks the HTTP protocol")

    def on_message_begin(self) -> None:
        """A head begins."""
        if self._resuming:
            return
        super().on_message_begin()
        self._head_bytes = 0
        self._head_whole = False
        self._framing = b""
        if self._head_timer is None:
            self._arm()

    def on_url(self, url: bytes) -> None:
        """Count and take a part of the target."""
        if not self._resuming and self._within_bound(len(url)):
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count and take one field; a trailer field is counted only."""
        if self._resuming or not self._within_bound(len(name) + len(value)) or self._head_whole:
            return
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is whole."""
        if self._resuming:
            return
        self._disarm()
        self._head_whole = True
        if self._refused:
            return
        parser = self.parser
        flaw = flaw_of(parser.get_method(), self.url, parser.get_http_version(), self.headers)
        if flaw is not None:
            self._turn_away(*flaw)
            return
        if parser.should_upgrade():
            self._framing = b"".join(
                b"%b: %b\r\n" % field
                for field in self.headers
                if field[0] in {b"content-length", b"transfer-encoding"}
            )
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if not self._refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole; one that offers an upgrade is so only after its body."""
        if not self._refused and not self.parser.should_upgrade():
            super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Not used: what is unsound is turned away here."""
        self._turn_away(b"400 Bad Request", msg.encode("ascii", "replace"))

    def _resume(self, rest: bytes) -> None:
        """Go on with a parser that did not hear of the upgrade and knows the body's framing."""
        self.parser = httptools.HttpRequestParser(self)
        self._resuming = True
        try:
            self.parser.feed_data(b"POST / HTTP/1.1\r\n" + self._framing + b"\r\n")
        finally:
            self._resuming = False
        if rest:
            self.data_received(rest)

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
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        if cycle is not None and cycle.response_started and not cycle.response_complete:
            self.transport.close()
            return
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
