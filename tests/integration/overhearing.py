"""Between a client and the gateway: passes bytes on and remembers what the gateway said."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from tests.integration.waiting import until

_READ_BYTES = 64 * 1024


@dataclass(slots=True)
class Overheard:
    """What went by.

    Attributes:
        url: Where the client connects instead.
        said: Bytes of the gateway, of all connections in one.
        asked: Bytes of the client.
    """

    url: str = ""
    said: bytearray = field(default_factory=bytearray)
    asked: bytearray = field(default_factory=bytearray)

    async def until_said(self, sequence: bytes, times: int) -> None:
        """Wait until the gateway has said something so often."""
        await until(lambda: self.said.count(sequence) >= times, f"{times} times {sequence!r}")


@asynccontextmanager
async def overhearing(url: str) -> AsyncIterator[Overheard]:
    """A relay before the gateway at `url`."""
    host, port = url.removeprefix("http://").split(":")
    heard = Overheard()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection(host, int(port))
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(_pass(reader, forth, heard.asked))
                both.create_task(_pass(back, writer, heard.said))
        finally:
            writer.close()
            forth.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(serve(reader, writer))
        tasks.add(task)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    heard.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield heard
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pass(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: bytearray
) -> None:
    """One way. The end of one direction ends that direction of the other connection."""
    with suppress(ConnectionError):
        while data := await reader.read(_READ_BYTES):
            copy += data
            writer.write(data)
            await writer.drain()
    with suppress(OSError, RuntimeError):
        writer.write_eof()
