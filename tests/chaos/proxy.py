"""A TCP proxy that cuts, delays and swallows what goes through it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

_CHUNK = 65_536


@dataclass
class Link:
    """One way to one server.

    Attributes:
        delay_s: Each chunk is held so long, either way.
        shut: New connections are closed at once.
    """

    host: str
    port: int
    delay_s: float = 0.0
    shut: bool = False
    own_port: int = 0
    _open: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    def cut(self) -> None:
        """Close every connection."""
        for writer in list(self._writers):
            writer.transport.abort()

    def stall(self) -> None:
        """Let nothing through, and keep connections open."""
        self._open.clear()

    def flow(self) -> None:
        """End a stall."""
        self._open.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, to its end."""
        if self.shut:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(self.host, self.port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            ways = [self._carry(reader, far_writer), self._carry(far_reader, writer)]
            tasks = [asyncio.ensure_future(way) for way in ways]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            self._writers -= both
            for one in both:
                one.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while chunk := await reader.read(_CHUNK):
                await self._open.wait()
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                writer.write(chunk)
                await writer.drain()


@asynccontextmanager
async def link(port: int) -> AsyncIterator[Link]:
    """A proxy before a local port, on a port of its own."""
    one = Link("127.0.0.1", port)
    one.flow()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.own_port = server.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        server.close()
        one.flow()
        one.cut()
