"""A server of raw sockets that does what a test's script says, however rude.

A script is an async function that gets one accepted connection (a `Peer`). It decides about every
segment: what to send, when, and whether the connection ends by FIN, by half a FIN or by a reset.
"""

import asyncio
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came."""

    head: bytes
    body: bytes

    @property
    def line(self) -> bytes:
        return self.head.split(b"\r\n", 1)[0]

    @property
    def fields(self) -> list[tuple[bytes, bytes]]:
        lines = self.head.split(b"\r\n")[1:-2]
        pairs = (line.split(b":", 1) for line in lines)
        return [(name, value.strip()) for name, value in pairs]


class Peer:
    """One accepted connection.

    Attributes:
        number: 0 for the first connection that the server accepted.
    """

    def __init__(self, sock: socket.socket, number: int, requests: list[Received]) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.number = number
        self.turns = asyncio.Semaphore(0)
        self._sock = sock
        self._requests = requests
        self._loop = asyncio.get_running_loop()
        self._pending = b""

    async def request(self) -> Received:
        """Read one whole request."""
        head = await self.head()
        fields = head.lower()
        if b"\r\ncontent-length: " in fields:
            length = int(fields.split(b"\r\ncontent-length: ")[1].split(b"\r\n")[0])
            body = await self._exactly(length)
        elif b"\r\ntransfer-encoding: chunked" in fields:
            body = await self._chunks()
        else:
            body = b""
        received = Received(head, body)
        self._requests.append(received)
        return received

    async def head(self) -> bytes:
        """Read the head of a request only."""
        return await self._until(b"\r\n\r\n")

    async def send(self, *segments: bytes) -> None:
        """Send segments, each on its own: the client gets a turn between them."""
        for segment in segments:
            await self._loop.sock_sendall(self._sock, segment)
            for _ in range(3):
                await asyncio.sleep(0)

    def last_words(self, data: bytes) -> None:
        """Send and close in one go, so that both arrive together."""
        self._sock.send(data)
        self._sock.close()

    async def some(self) -> bytes:
        """Read a little; nothing of it is kept."""
        pending, self._pending = self._pending, b""
        return pending or await self._loop.sock_recv(self._sock, 1 << 16)

    async def ended(self) -> bytes:
        """Wait for the client to close; what it sent until then."""
        rest = b""
        try:
            while data := await self._loop.sock_recv(self._sock, 65536):
                rest += data
        except ConnectionError:
            pass
        return rest

    async def more(self) -> bool:
        """Wait until the test lets this server go on."""
        await self.turns.acquire()
        return True

    def half_close(self) -> None:
        """FIN, while still reading."""
        self._sock.shutdown(socket.SHUT_WR)

    def reset(self) -> None:
        """RST, whatever was sent or read."""
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._sock.close()

    def close(self) -> None:
        self._sock.close()

    async def _more(self) -> None:
        data = await self._loop.sock_recv(self._sock, 1 << 18)
        if not data:
            raise ConnectionError("the client closed")
        self._pending += data

    async def _until(self, end: bytes) -> bytes:
        while end not in self._pending:
            await self._more()
        found, _, self._pending = self._pending.partition(end)
        return found + end

    async def _exactly(self, length: int) -> bytes:
        pieces = [self._pending[:length]]
        self._pending = self._pending[length:]
        left = length - len(pieces[0])
        while left:
            data = await self._loop.sock_recv(self._sock, min(left, 1 << 18))
            if not data:
                raise ConnectionError("the client closed")
            pieces.append(data)
            left -= len(data)
        return b"".join(pieces)

    async def _chunks(self) -> bytes:
        body = b""
        while size := int(await self._until(b"\r\n"), 16):
            body += await self._exactly(size)
            assert await self._exactly(2) == b"\r\n"
        assert await self._exactly(2) == b"\r\n"
        return body


Script: TypeAlias = Callable[[Peer], Awaitable[None]]


class Hostile:
    """The server. Use it as an async context manager; `url` is its base URL.

    Attributes:
        requests: All requests that were read whole, in order.
        accepted: How many connections came in.
    """

    def __init__(self, script: Script) -> None:
        self._script = script
        self._tasks: set[asyncio.Task[None]] = set()
        self._peers: list[Peer] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[Received] = []
        self.accepted = 0

    async def __aenter__(self) -> Self:
        asyncio.get_running_loop().add_reader(self._listener, self._accept)
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop_listening()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for peer in self._peers:
            peer.close()

    def go(self) -> None:
        """Let the scripts that wait in `Peer.more` go on, once."""
        for peer in self._peers:
            peer.turns.release()

    def hang_up(self) -> None:
        """Send FIN on every connection, now."""
        for peer in self._peers:
            peer.half_close()

    def stop_listening(self) -> None:
        """Refuse connections from now on."""
        if self._listener.fileno() >= 0:
            asyncio.get_running_loop().remove_reader(self._listener)
            self._listener.close()

    def _accept(self) -> None:
        sock, _ = self._listener.accept()
        peer = Peer(sock, self.accepted, self.requests)
        self._peers.append(peer)
        self.accepted += 1
        self._tasks.add(asyncio.ensure_future(self._run(peer)))

    async def _run(self, peer: Peer) -> None:
        try:
            await self._script(peer)
        except ConnectionError:
            pass  # the client left; the test says whether it should have
        finally:
            peer.close()


def answering(*segments: bytes) -> Script:
    """A script that gives the same answer to every request on every connection."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(*segments)

    return script


def ending(*segments: bytes) -> Script:
    """A script that answers once and closes."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(*segments)

    return script


class TlsServer:
    """A polite server behind TLS: answers `OK` to each request."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self.server_names: list[str | None] = []
        context.sni_callback = lambda _ssl, name, _context: self.server_names.append(name)

    async def __aenter__(self) -> Self:
        self._writers: set[asyncio.StreamWriter] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self._context)
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"content-length: " in head:
                    length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                    await reader.readexactly(length)
                writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.transport.abort()
