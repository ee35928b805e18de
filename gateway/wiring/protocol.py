"""One client connection: HTTP/1.1 on an asyncio protocol around llhttp (httptools), for uvicorn.

uvicorn runs the sockets and the graceful stop; it asks of a protocol that it keeps itself and its
tasks in the server's sets, counts requests, and can be told to shut down. The rest is here: one
request after another, in the order in which they came (pipelining), each with an `Exchange`.

Failure policy: a client that does not finish a request head in time, or sends one that is too
large or unsound, is answered 408, 431 or 400 and disconnected, and does not reach the application.
The requests of a connection beyond the configured number are marked (`CROWDED`), for the application
to refuse them in their dialect while it still shows operations pages, and the connection is closed
after one; beyond a few of those, connections are answered 503 with `retry-after` unheard. A client
that takes nothing of its answer for too long is cut off. Where
answers are due or on their way, nothing is written between or into them: the connection is closed
after the last of them. A client that is refused, or answered before its request was whole, can
still read its answer: what it sends meanwhile is read and dropped for a moment before the
connection is closed, since closing it with bytes unread would reset it.

Trailer fields are read and dropped: added to the head they could replace what it said of the caller
(RFC 9110, 6.5.1). An offered upgrade is not taken (RFC 9110, 7.8): the request is an ordinary one,
and its body is its own, whatever the parser would make of it.
"""

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.config import Config
from uvicorn.protocols.utils import get_local_addr, get_remote_addr
from uvicorn.server import ServerState

from gateway.dataplane.asgi import CLIENT, CROWDED, App, Scope
from gateway.upstream.deadline import Deadline

from .exchange import Exchange
from .head import flaw_of
from .worker import WorkerPlan

MAX_HEAD_BYTES = 128 * 1024
"""Codex alone sends attestation headers of 4 KiB; 431 above this."""
MAX_PIPELINED = 64
"""Requests that may wait behind the one being served; what comes after them is not read."""
HIGH_WATER_BYTES = 256 * 1024
"""A body that its application does not take is held up at this many bytes."""
_BUSY_RETRY_S = 2
_ASGI = {"version": "3.0", "spec_version": "2.3"}
_FRAMING = frozenset({b"content-length", b"transfer-encoding"})


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one connection may take.

    Attributes:
        max_connections: Of the server, this one included.
        head_s: For a request head to arrive.
        idle_s: Between two requests.
        linger_s: For a client that is being disconnected to read its answer.
        write_s: For a client to take something of what waits for it.
        spare: Connections beyond the number, for one request each.
        spare_head_s: For the head of that to arrive.
    """

    max_connections: int
    head_s: float
    idle_s: float
    linger_s: float = 1.0
    write_s: float = 120.0
    spare: int = 64
    spare_head_s: float = 2.0


class Phase(Enum):
    """What the parser is in the middle of."""

    BETWEEN = "between"
    HEAD = "head"
    BODY = "body"


_BETWEEN, _HEAD, _BODY = Phase  # the hot path reads globals, not enum attributes


class _Stop(Exception):  # noqa: N818 - control flow through the parser
    """Nothing more is read from this connection."""


class ClientConnection(asyncio.Protocol):
    """One client connection.

    Attributes:
        write_paused: The client reads more slowly than it is sent to.
        read_paused: The client sends more than is taken.
    """

    _transport: asyncio.Transport
    _parser: httptools.HttpRequestParser

    def __init__(
        self, app: App, bounds: Bounds, server: ServerState, app_state: dict[str, Any]
    ) -> None:
        self._app = app
        self._bounds = bounds
        self._server = server
        self._app_state = app_state
        self._loop = asyncio.get_running_loop()
        self._deadline = Deadline(self._loop, self._deadline_passed)
        self._addresses: tuple[object, object] = (None, None)
        self._serving: Exchange | None = None
        self._waiting: deque[tuple[Exchange, Scope]] = deque()
        self._incoming: Exchange | None = None
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._phase = _BETWEEN
        self._timing_head = False
        self._resuming = self._deaf = self._lingering = self.read_paused = False
        self._last = self._crowded = False
        self._received = self._unproductive = 0
        self._framing = b""
        self._writable = asyncio.Event()
        self.write_paused = False
        self._cut_off: asyncio.TimerHandle | None = None

    # --- for the server -----------------------------------------------------------------------

    def shutdown(self) -> None:
        """Finish what has begun, and close."""
        if self._serving is None:
            self._transport.close()
        else:
            self._hear_no_more()

    # --- asyncio.Protocol ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection, or turn it away."""
        self._transport = cast("asyncio.Transport", transport)
        self._parser = httptools.HttpRequestParser(self)
        self._addresses = get_local_addr(self._transport), get_remote_addr(self._transport)
        connections = cast("set[ClientConnection]", self._server.connections)
        connections.add(self)
        beyond = len(connections) - self._bounds.max_connections
        self._crowded = beyond > 0
        if beyond > self._bounds.spare:
            self._turn_away(
                b"503 Service Unavailable",
                b"this worker has no connection left (server.max_connections)",
                b"retry-after: %d\r\n" % _BUSY_RETRY_S,
            )
            return
        self._time_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell everybody who still had to do with it."""
        cast("set[ClientConnection]", self._server.connections).discard(self)
        self._deaf = True
        self._deadline.drop()
        self.resume_writing()
        if self._serving is not None:
            self._serving.leave()
        for exchange, _ in self._waiting:
            exchange.leave()
        self._waiting.clear()
        del self._parser  # it refers back to us

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self.write_paused = True
        self._writable.clear()
        self._cut_off = self._loop.call_later(self._bounds.write_s, self._transport.abort)

    def resume_writing(self) -> None:
        """The socket takes more."""
        self.write_paused = False
        self._writable.set()
        if self._cut_off is not None:
            self._cut_off.cancel()
            self._cut_off = None

    def data_received(self, data: bytes) -> None:
        """Parse what arrived."""
        if self._deaf:
            return
        self._received = len(data)
        self._unproductive += self._received
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as offered:
            self._resume(data[offered.args[0] :])
            return
        except httptools.HttpParserError:
            self._refuse(b"400 Bad Request", b"the request breaks the HTTP protocol")
            return
        if self._unproductive > MAX_HEAD_BYTES:
            self._refuse_head()
        elif self._phase is _HEAD and self._serving is None and not self._timing_head:
            self._time_head()

    # --- parser callbacks (an exception ends the parsing) -------------------------------------

    def on_message_begin(self) -> None:
        """A head begins."""
        if self._resuming:
            return
        if self._last or len(self._waiting) >= MAX_PIPELINED:
            self._hear_no_more()
            raise _Stop
        self._url = self._framing = b""
        self._headers = []
        self._phase = _HEAD

    def on_url(self, url: bytes) -> None:
        """A part of the target."""
        if not self._resuming:
            self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field; of a trailer, nothing is taken."""
        if self._phase is _HEAD and not self._resuming:
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """The head is whole: the exchange begins."""
        if self._resuming:
            return
        parser, headers = self._parser, self._headers
        if self._perhaps_oversized() and self._head_size() > MAX_HEAD_BYTES:
            self._refuse_head()
            raise _Stop
        method, version = parser.get_method(), parser.get_http_version()
        flaw = flaw_of(method, self._url, version, headers)
        if flaw is not None:
            self._refuse(*flaw)
            raise _Stop
        if parser.should_upgrade():
            self._framing = b"".join(b"%b: %b\r\n" % one for one in headers if one[0] in _FRAMING)
        scope = self._scope(method.decode("ascii"), version)
        exchange = Exchange(
            self,
            method=scope["method"],
            modern=version == "1.1",
            keep_alive=version == "1.1" and parser.should_keep_alive() and not self._crowded,
            expects_100=_expects_100(headers),
        )
        scope["extensions"] = {CLIENT: exchange}
        if self._crowded:
            scope["extensions"][CROWDED] = True
        self._phase = _BODY
        self._incoming = exchange
        if self._serving is None:
            self._serve(exchange, scope)
        else:
            self._waiting.append((exchange, scope))

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        exchange = self._incoming
        if exchange is not None:
            self._unproductive = 0
            exchange.feed(body)
            if exchange.buffered > HIGH_WATER_BYTES and not self.read_paused:
                self.read_paused = True
                self._transport.pause_reading()

    def on_message_complete(self) -> None:
        """The request is whole; one that offers an upgrade is so only after its body."""
        exchange = self._incoming
        if exchange is None or self._parser.should_upgrade():
            return
        self._incoming = None
        self._phase = _BETWEEN
        self._unproductive = 0
        self._last = self._last or not exchange.keep_alive
        exchange.finish()

    # --- for the exchange ---------------------------------------------------------------------

    def write(self, data: bytes) -> None:
        """Send bytes."""
        self._transport.write(data)

    async def drain(self) -> None:
        """Wait until the client has read enough."""
        await self._writable.wait()

    def resume_reading(self) -> None:
        """Read on, unless too much of a body waits already."""
        incoming = self._incoming
        if self.read_paused and (incoming is None or incoming.buffered <= HIGH_WATER_BYTES):
            self.read_paused = False
            self._transport.resume_reading()

    def soon(self, callback: Callable[[], None]) -> None:
        """Call this after everything that is ready to run now."""
        self._loop.call_soon(callback)

    def ended(self, exchange: Exchange) -> None:
        """An answer is complete: on to the next request."""
        self._server.total_requests += 1
        self._serving = None
        if self._transport.is_closing():
            return
        if not exchange.whole:
            self._linger()
        elif not exchange.keep_alive:
            self._transport.close()
        elif self._waiting:
            self._serve(*self._waiting.popleft())
        else:
            self.resume_reading()
            self._time_next()

    def cut(self, exchange: Exchange) -> None:
        """An answer will never be complete, and must not look as if it were."""
        if exchange.delimited:
            self._transport.close()
            return
        reset = struct.pack("ii", 1, 0)  # without framing, only a reset tells a cut from an end
        self._transport.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, reset
        )
        self._transport.abort()

    # --- inside -------------------------------------------------------------------------------

    def _scope(self, method: str, version: str) -> Scope:
        raw_path, _, query = self._url.partition(b"?")
        path = raw_path.decode("ascii")
        server, client = self._addresses
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": method,
            "scheme": "http",
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw_path,
            "query_string": query,
            "root_path": "",
            "headers": self._headers,
            "server": server,
            "client": client,
            "state": self._app_state.copy(),
        }

    def _serve(self, exchange: Exchange, scope: Scope) -> None:
        self._deadline.set(inf)
        self._timing_head = False
        self._serving = exchange
        task = self._loop.create_task(exchange.run(self._app, scope))
        self._server.tasks.add(task)
        task.add_done_callback(self._server.tasks.discard)

    def _resume(self, rest: bytes) -> None:
        """Go on with a parser that did not hear of the upgrade and knows the body's framing."""
        self._parser = httptools.HttpRequestParser(self)
        self._resuming = True
        try:
            self._parser.feed_data(b"POST / HTTP/1.1\r\n" + self._framing + b"\r\n")
        finally:
            self._resuming = False
        if rest:
            self.data_received(rest)

    def _perhaps_oversized(self) -> bool:
        return self._unproductive > MAX_HEAD_BYTES or self._received > MAX_HEAD_BYTES

    def _head_size(self) -> int:
        return len(self._url) + sum(len(name) + len(value) + 4 for name, value in self._headers)

    # --- refusing -----------------------------------------------------------------------------

    def _refuse_head(self) -> None:
        if self._phase is _HEAD:
            self._refuse(b"431 Request Header Fields Too Large", b"the request head is too large")
        else:
            self._refuse(b"400 Bad Request", b"the request has too much framing around nothing")

    def _refuse(self, status: bytes, why: bytes) -> None:
        """Serve what is whole, then close; answer only if nothing else is being answered."""
        if self._deaf:
            return  # refused already: this is the parser's complaint of having been stopped
        broken, self._incoming = self._incoming, None
        serving = self._serving
        if serving is None:
            self._turn_away(status, why)
        elif serving is not broken:
            if self._waiting and self._waiting[-1][0] is broken:
                self._waiting.pop()
            self._hear_no_more()
        elif serving.started:
            self._transport.close()
            serving.leave()
        else:
            self._turn_away(status, why)
            serving.leave()

    def _hear_no_more(self) -> None:
        """Close after the answer to the last request that has begun to arrive."""
        last = self._waiting[-1][0] if self._waiting else self._serving
        if last is not None:
            last.keep_alive = False
        self._last = True
        self._deaf = self._incoming is None

    def _turn_away(self, status: bytes, why: bytes, extra: bytes = b"") -> None:
        body = b'{"error":{"message":"' + why + b'","type":"gateway_error"}}'
        self._transport.write(
            b"HTTP/1.1 "
            + status
            + b"\r\ncontent-type: application/json\r\n"
            + extra
            + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body)
            + body
        )
        self._linger()

    def _linger(self) -> None:
        """Say that no more comes, and drop what the client still sends, for a moment."""
        self._deaf = self._lingering = True
        if self._transport.is_closing():
            return
        self._transport.write_eof()
        if self.read_paused:
            self.read_paused = False
            self._transport.resume_reading()
        self._deadline.set(self._loop.time() + self._bounds.linger_s)

    # --- time ---------------------------------------------------------------------------------

    def _time_head(self) -> None:
        self._timing_head = True
        bounds = self._bounds
        allowed_s = min(bounds.head_s, bounds.spare_head_s) if self._crowded else bounds.head_s
        self._deadline.set(self._loop.time() + allowed_s)

    def _time_next(self) -> None:
        if self._phase is _HEAD:
            self._time_head()
        else:
            self._deadline.set(self._loop.time() + self._bounds.idle_s)

    def _deadline_passed(self) -> None:
        if self._lingering:
            self._transport.abort()
        elif self._timing_head:
            self._turn_away(b"408 Request Timeout", b"the request head did not arrive in time")
        elif self._serving is None:
            self._transport.close()


class ServedConnection(ClientConnection):
    """A connection to a worker, made by uvicorn."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        plan = config.app
        if not isinstance(plan, WorkerPlan):
            raise TypeError("this protocol serves a WorkerPlan")
        server = plan.settings.server
        bounds = Bounds(
            server.max_connections,
            server.header_timeout_s,
            server.idle_timeout_s,
            write_s=server.write_timeout_s,
        )
        super().__init__(cast("App", config.loaded_app), bounds, server_state, app_state)


def _expects_100(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"expect" and value.lower() == b"100-continue" for name, value in headers)
