"""One HTTP request and the way to answer it, on raw ASGI."""

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any, Protocol
from urllib.parse import parse_qsl

from gateway.simulator.errors import AnswerCut, ClientGone, Headers

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = b"application/json"
SSE = b"text/event-stream; charset=utf-8"


class BodyTooLarge(Exception):  # noqa: N818 - an outcome, mapped to 413 by each dialect
    """The request body is over the limit."""


class BadEncoding(Exception):  # noqa: N818 - an outcome, mapped to 400 by each dialect
    """The request body is not what its content-encoding says."""


class Connection(Protocol):
    """What the server's protocol tells about the client's connection."""

    @property
    def closed(self) -> bool:
        """Whether the client has left."""

    async def pause(self, seconds: float | None) -> bool:
        """Wait (`None`: without end); False as soon as the client has left."""

    def cut(self, *, reset: bool) -> None:
        """Close the connection now, with a reset or without."""

    async def gone(self) -> None:
        """Wait for a cut connection to be gone."""


class PlainConnection:
    """For ASGI servers that tell nothing: pauses, and never sees a client leave."""

    closed = False

    async def pause(self, seconds: float | None) -> bool:
        """Wait."""
        future = asyncio.get_running_loop().create_future()
        if seconds is not None:
            asyncio.get_running_loop().call_later(seconds, _wake, future, True)
        return bool(await future)

    def cut(self, *, reset: bool) -> None:
        """Nothing to cut: the unfinished response makes the server close."""

    async def gone(self) -> None:
        """Nothing to wait for."""


class TransportConnection:
    """The connection under a uvicorn protocol; see `server`."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._waiting: asyncio.Future[bool] | None = None
        self._lost = False

    @property
    def closed(self) -> bool:
        """Whether the client has left, or the connection was cut."""
        return self._lost or self._transport.is_closing()

    def lost(self) -> None:
        """The protocol saw the connection go."""
        self._lost = True
        if self._waiting is not None:
            _wake(self._waiting, False)

    async def gone(self) -> None:
        """Wait until the protocol saw the connection go, if it is closing."""
        if self.closed and not self._lost:
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting

    async def pause(self, seconds: float | None) -> bool:
        """Wait (`None`: without end); False as soon as the client has left."""
        if self.closed:
            return False
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        timer = None
        if seconds is not None:
            timer = loop.call_later(seconds, _wake, self._waiting, True)
        try:
            return await self._waiting
        finally:
            self._waiting = None
            if timer is not None:
                timer.cancel()

    def cut(self, *, reset: bool) -> None:
        """Close the connection now; what was written before is sent first unless reset."""
        if reset:
            sock = self._transport.get_extra_info("socket")
            if sock is not None:
                # Linger of zero makes the kernel answer with RST instead of FIN.
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self._transport.abort()
        else:
            self._transport.close()


def _wake(future: "asyncio.Future[bool]", value: bool) -> None:
    if not future.done():
        future.set_result(value)


class Exchange:
    """A request with its response."""

    __slots__ = (
        "_gzip",
        "_receive",
        "_send",
        "compress",
        "connection",
        "headers",
        "method",
        "path",
        "query",
        "raw_body",
        "started",
        "status",
        "target",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send, *, compress: bool) -> None:
        """Wrap one ASGI call; `compress` allows gzip to clients that accept it."""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope.get("query_string", b"")
        self.target: bytes = scope.get("raw_path", self.path.encode())
        self.headers: Mapping[bytes, bytes] = dict(scope["headers"])
        extensions: Mapping[str, Any] = scope.get("extensions") or {}
        self.connection: Connection = extensions.get("simulator.connection") or PlainConnection()
        self.compress = compress and b"gzip" in self.headers.get(b"accept-encoding", b"")
        self.started = False
        self.status = 0
        self.raw_body = b""
        self._receive = receive
        self._send = send
        self._gzip: Any = None

    def header(self, name: bytes) -> str:
        """A request header as text, or empty."""
        return self.headers.get(name, b"").decode("latin-1")

    def query_value(self, name: str) -> str:
        """A query parameter, or empty."""
        if not self.query:
            return ""
        return dict(parse_qsl(self.query.decode("latin-1"))).get(name, "")

    async def read(self, limit: int) -> bytes:
        """The whole request body, with a gzip encoding taken off.

        Raises:
            BodyTooLarge: It is over `limit`, as sent or unpacked.
            BadEncoding: It is not what its encoding says.
            ClientGone: The client left while sending.
        """
        length = self.headers.get(b"content-length")
        if length is not None and length.isdigit() and int(length) > limit:
            raise BodyTooLarge
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                raise ClientGone
            part = message.get("body", b"")
            if part:
                size += len(part)
                if size > limit:
                    raise BodyTooLarge
                parts.append(part)
            if not message.get("more_body", False):
                break
        self.raw_body = parts[0] if len(parts) == 1 else b"".join(parts)
        return self._decoded(limit)

    def _decoded(self, limit: int) -> bytes:
        encoding = self.headers.get(b"content-encoding", b"identity").lower()
        if encoding in {b"identity", b""}:
            return self.raw_body
        if encoding not in {b"gzip", b"x-gzip"}:
            raise BadEncoding
        unpack = zlib.decompressobj(wbits=31)
        try:
            body = unpack.decompress(self.raw_body, limit + 1)
        except zlib.error as exc:
            raise BadEncoding from exc
        if len(body) > limit:
            raise BodyTooLarge
        if not unpack.eof:
            raise BadEncoding
        return body

    async def reply(
        self,
        status: int,
        body: bytes,
        headers: Headers | None = None,
        content_type: bytes = JSON,
        cut_at: int | None = None,
    ) -> None:
        """Send a whole response; `cut_at` sends so many bytes of the body only."""
        fields = [(b"content-type", content_type), *(headers or [])]
        if self.compress and body:
            body = zlib.compress(body, wbits=31)
            fields.append((b"content-encoding", b"gzip"))
        fields.append((b"content-length", str(len(body)).encode()))
        self.started = True
        self.status = status
        await self._send({"type": "http.response.start", "status": status, "headers": fields})
        if cut_at is not None:
            await self._send(
                {"type": "http.response.body", "body": body[:cut_at], "more_body": True}
            )
            return
        await self._send({"type": "http.response.body", "body": body})

    async def start(self, headers: Headers, content_type: bytes = SSE) -> None:
        """Send the head of a stream with status 200."""
        fields = [(b"content-type", content_type), (b"cache-control", b"no-cache"), *headers]
        if self.compress:
            self._gzip = zlib.compressobj(wbits=31)
            fields.append((b"content-encoding", b"gzip"))
        self.started = True
        self.status = 200
        await self._send({"type": "http.response.start", "status": 200, "headers": fields})

    async def chunk(self, data: bytes) -> None:
        """Send a part of a stream at once.

        Raises:
            ClientGone: The client has left.
        """
        if self._gzip is not None:
            data = self._gzip.compress(data) + self._gzip.flush(zlib.Z_SYNC_FLUSH)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        if self.connection.closed:
            raise ClientGone

    async def end(self) -> None:
        """End a stream properly."""
        tail = self._gzip.flush() if self._gzip is not None else b""
        await self._send({"type": "http.response.body", "body": tail, "more_body": False})

    def cut(self, *, reset: bool) -> None:
        """End the connection now.

        Raises:
            AnswerCut: Always; servers without a connection to cut close on it.
        """
        self.connection.cut(reset=reset)
        raise AnswerCut

    async def pause(self, seconds: float | None) -> None:
        """Wait (`None`: without end).

        Raises:
            ClientGone: The client left meanwhile.
        """
        if not await self.connection.pause(seconds):
            raise ClientGone
