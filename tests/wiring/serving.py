"""A server of our own connections around any application, and raw clients for it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from uvicorn.server import ServerState

from gateway.dataplane.asgi import App, Message, Receive, Scope, Send
from gateway.wiring.protocol import Bounds, ClientConnection

BOUNDS = Bounds(max_connections=100, head_s=5.0, idle_s=5.0)
LIMIT_S = 5.0
PLAIN = (b"content-type", b"text/plain")


@dataclass
class Served:
    """A server under test."""

    port: int
    state: ServerState

    async def open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A raw connection to it."""
        return await asyncio.open_connection("127.0.0.1", self.port)

    async def talk(self, *pieces: bytes) -> bytes:
        """Send pieces, each in a segment of its own, and read until the server closes."""
        reader, writer = await self.open()
        for piece in pieces:
            writer.write(piece)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        try:
            return await everything(reader)
        finally:
            writer.close()

    @property
    def connection(self) -> ClientConnection:
        """The only one there is."""
        (one,) = self.state.connections
        assert isinstance(one, ClientConnection)
        return one


@asynccontextmanager
async def served(app: App, **bounds: float) -> AsyncIterator[Served]:
    """Serve an application until the block ends; then nothing of it may be left."""
    state = ServerState()
    chosen = replace(BOUNDS, **bounds)  # type: ignore[arg-type] # floats where ints do as well
    server = await asyncio.get_running_loop().create_server(
        lambda: ClientConnection(app, chosen, state, {}), "127.0.0.1", 0
    )
    try:
        yield Served(server.sockets[0].getsockname()[1], state)
    finally:
        server.close()
        for one in list(state.connections):
            one.shutdown()
        await wait_until(lambda: not state.connections and not state.tasks, "the server is empty")


async def everything(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server closes."""
    async with asyncio.timeout(LIMIT_S):
        return await reader.read()


async def wait_until(true: Callable[[], bool], what: str) -> None:
    """Poll for a condition, within a bound."""
    try:
        async with asyncio.timeout(LIMIT_S):
            while not true():  # noqa: ASYNC110 - any condition, within a bound
                await asyncio.sleep(0.002)
    except TimeoutError:
        raise AssertionError(f"not so in time: {what}") from None


def request(
    target: bytes = b"/", *fields: bytes, body: bytes | None = None, method: bytes = b"GET"
) -> bytes:
    """A request; with a body, a POST of known length."""
    lines = [b"%b %b HTTP/1.1" % (method if body is None else b"POST", target), b"host: h", *fields]
    if body is not None:
        lines.append(b"content-length: %d" % len(body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + (body or b"")


CLOSE = b"connection: close"


async def receive_all(receive: Receive) -> bytes:
    """The body of a request."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionError("the client left")
        piece: bytes = message["body"]
        body += piece
        if not message["more_body"]:
            return body


async def answer(send: Send, body: bytes, *, status: int = 200) -> None:
    """A whole answer of known length."""
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [PLAIN, length]})
    await send({"type": "http.response.body", "body": body})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what was asked."""
    body = await receive_all(receive)
    line = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} ".encode()
    await answer(send, line + body)


def start(*headers: tuple[bytes, bytes], status: int = 200) -> Message:
    """The head of an answer."""
    return {"type": "http.response.start", "status": status, "headers": list(headers)}


def part(body: bytes, *, more: bool = True) -> Message:
    """A part of the body of an answer."""
    return {"type": "http.response.body", "body": body, "more_body": more}


def body_of(raw: bytes) -> bytes:
    """What follows the head of the first answer."""
    return raw.partition(b"\r\n\r\n")[2]
