"""One request of a client and the answer to it: the ASGI side of a connection.

Besides ASGI's `receive` and `send`, the application finds the exchange itself in the scope's
extensions (`gateway.dataplane.asgi.CLIENT`), where it can take a body that has already arrived and
be told at once of a client that leaves, without a task that waits for either.

Failure policy: an answer that its application does not finish is cut, so that nobody takes it for
a whole one; an application that fails before its answer began is answered 500 without a reason.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from gateway.dataplane.asgi import App, Message, Scope

from .response_head import encode

log = logging.getLogger("gateway.server")

_INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n"
_PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
_BODILESS = frozenset({204, 304})
_END_OF_HEAD = b"\r\n\r\n"
_CLOSING_HEAD = b"\r\nconnection: close\r\n\r\n"
_FAILED = b"Internal Server Error"


class Wire(Protocol):
    """What an exchange needs of its connection."""

    write_paused: bool

    def write(self, data: bytes) -> None:
        """Send bytes."""

    async def drain(self) -> None:
        """Wait until the client has read enough."""

    def resume_reading(self) -> None:
        """The body may go on."""

    def soon(self, callback: Callable[[], None]) -> None:
        """Call this after everything that is ready to run now."""

    def ended(self, exchange: "Exchange") -> None:
        """The answer is complete."""

    def cut(self, exchange: "Exchange") -> None:
        """The answer will never be complete."""


class Exchange:
    """One request and its answer.

    Attributes:
        keep_alive: The connection can be used again afterwards.
        whole: The request has arrived to its end.
        buffered: Bytes of the body that have arrived and were not taken.
        started: The head of the answer is out.
        complete: The answer is out.
        delimited: The end of the answer shows without the end of the connection.
        gone: The client has left.
    """

    __slots__ = (
        "_chunked",
        "_event",
        "_expects_100",
        "_head",
        "_is_head",
        "_left",
        "_modern",
        "_on_gone",
        "_pieces",
        "_silent",
        "_taken",
        "_wire",
        "buffered",
        "complete",
        "delimited",
        "gone",
        "keep_alive",
        "started",
        "whole",
    )

    def __init__(
        self, wire: Wire, *, method: str, modern: bool, keep_alive: bool, expects_100: bool
    ) -> None:
        """`modern`: HTTP/1.1, so that an answer without a length can be chunked."""
        self._wire = wire
        self._is_head = method == "HEAD"
        self._modern = modern
        self._expects_100 = expects_100
        self.keep_alive = keep_alive
        self.whole = self._taken = False
        self.buffered = 0
        self.started = self.complete = self.gone = False
        self.delimited = True
        self._pieces: list[bytes] = []
        self._event: asyncio.Event | None = None
        self._on_gone: Callable[[], None] | None = None
        self._chunked = self._silent = False
        self._left: int | None = None
        self._head = b""

    async def run(self, app: App, scope: Scope) -> None:
        """Let the application answer."""
        try:
            await app(scope, self.receive, self.send)
        except Exception:  # the edge: an unknown error is logged and never leaks its text
            log.exception("the application failed")
            if not self.started and not self.gone:
                self._fail()
        finally:
            if not self.complete and not self.gone:
                self._flush()
                self._wire.cut(self)

    # --- from the connection ------------------------------------------------------------------

    def feed(self, body: bytes) -> None:
        """A part of the body has arrived."""
        self._pieces.append(body)
        self.buffered += len(body)
        self._wake()

    def finish(self) -> None:
        """The request is whole."""
        self.whole = True
        self._wake()

    def leave(self) -> None:
        """The client is gone."""
        if self.gone:
            return
        self.gone = True
        self._wake()
        told, self._on_gone = self._on_gone, None
        if told is not None and not self.complete:
            told()

    # --- for the application ------------------------------------------------------------------

    def whole_body(self) -> bytes | None:
        """The body, if all of it has arrived and none of it was received."""
        if not self.whole or self._taken:
            return None
        self._taken = True
        return self._take()

    def when_gone(self, callback: Callable[[], None] | None) -> None:
        """Call this if the client leaves before the answer is complete; `None`: nothing."""
        self._on_gone = callback
        if self.gone and callback is not None:
            self._on_gone = None
            callback()

    async def processing(self) -> None:
        """Send an interim answer, where HTTP allows one (RFC 9110, 15.2)."""
        if self._wire.write_paused and not self.gone:
            await self._wire.drain()
        if self._modern and not self.started and not self.gone:
            self._wire.write(_PROCESSING)

    async def receive(self) -> Message:
        """The next part of the body, or the end of the exchange."""
        while True:
            if self.gone or self.complete:
                return {"type": "http.disconnect"}
            if self._pieces or (self.whole and not self._taken):
                self._taken = self.whole
                return {
                    "type": "http.request",
                    "body": self._take(),
                    "more_body": not self.whole,
                }
            if self._expects_100 and not self.started:
                self._expects_100 = False
                self._wire.write(_INTERIM)
            self._wire.resume_reading()
            self._event = self._event or asyncio.Event()
            self._event.clear()
            await self._event.wait()

    async def send(self, message: Message) -> None:
        """Send the head or a part of the body; waits while the client reads slowly."""
        if self._wire.write_paused and not self.gone:
            await self._wire.drain()
        if self.gone:
            return
        kind = message["type"]
        if kind == "http.response.body":
            self._body(message.get("body", b""), more=message.get("more_body", False))
        elif kind == "http.response.start":
            self._start(message["status"], message.get("headers", ()))
        else:
            raise RuntimeError(f"not understood here: {kind}")

    # --- inside -------------------------------------------------------------------------------

    def _start(self, status: int, headers: Iterable[tuple[bytes, bytes]]) -> None:
        if self.started:
            raise RuntimeError("the answer was started already")
        block, length, closes = encode(status, headers)
        self.keep_alive = self.keep_alive and not closes
        if self._is_head or status in _BODILESS:
            self._silent = True
        elif length is not None:
            self._left = length
        elif self._modern:
            self._chunked = True
            block += b"\r\ntransfer-encoding: chunked"
        else:
            self.delimited = self.keep_alive = False
        self.started = True
        # Written with the first of the body if that is at hand: a write is a system call.
        self._head = block + (_END_OF_HEAD if self.keep_alive else _CLOSING_HEAD)
        self._wire.soon(self._flush)

    def _body(self, body: bytes, *, more: bool) -> None:
        if not self.started or self.complete:
            raise RuntimeError("a body before its head or after its end")
        if self._silent:
            body = b""
        elif self._chunked:
            body = b"%x\r\n%b\r\n" % (len(body), body) if body else b""
            if not more:
                body += b"0\r\n\r\n"
        elif self._left is not None:
            self._count(len(body), more=more)
        if self._head:
            body, self._head = self._head + body, b""
        if body:
            self._wire.write(body)
        if not more:
            self.complete = True
            self._on_gone = None
            self._wake()
            self._wire.ended(self)

    def _count(self, size: int, *, more: bool) -> None:
        left = (self._left or 0) - size
        if left < 0 or (left and not more):
            raise RuntimeError("a body that is not as long as was announced")
        self._left = left

    def _flush(self) -> None:
        if self._head and not self.gone:
            self._wire.write(self._head)
        self._head = b""

    def _fail(self) -> None:
        length = (b"content-length", b"%d" % len(_FAILED))
        self._start(500, [(b"content-type", b"text/plain"), length, (b"connection", b"close")])
        self._body(_FAILED, more=False)

    def _take(self) -> bytes:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        pieces.clear()
        self.buffered = 0
        self._wire.resume_reading()  # also where it is whole: a leaving client shows by reading
        return body

    def _wake(self) -> None:
        if self._event is not None:
            self._event.set()
