"""Streamed frames are not held back on their way.

Field note 26: elsewhere each frame took 40 ms more, the signature of Nagle's algorithm meeting a
delayed acknowledgement. So TCP_NODELAY is set on both sides, and frames are passed on one by one:
here a frame is produced only when the one before has arrived, so one held back would stall all.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass, field

import pytest

from tests.fixtures.gateway import KEY, gateway_settings, running_gateway

FRAMES = 120
STALL_S = 0.035
"""Below the 40 ms of a delayed acknowledgement; a frame takes about 1 ms."""
FEW = FRAMES // 20
"""Frames that a busy machine may delay."""
EVENT = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"%d"}}\n\n'
)
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
BODY = b'{"model":"claude-sonnet-5","max_tokens":9,"stream":true,"messages":[]}'
REQUEST = (
    b"POST /v1/messages HTTP/1.1\r\nhost: gateway\r\nx-api-key: " + KEY.encode() + b"\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY)
)
LIMIT_S = 10.0


@dataclass
class SlowSpeaker:
    """A provider that says a frame whenever it is told to.

    Attributes:
        tell: What it says next: the sizes of the writes of one frame; empty ends the answer.
    """

    port: int = 0
    tell: "asyncio.Queue[list[bytes]]" = field(default_factory=asyncio.Queue)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One call."""
        with closing(writer):
            await reader.readuntil(BODY)
            writer.write(HEAD)
            while pieces := await self.tell.get():
                for piece in pieces:
                    writer.write(piece)
                    await asyncio.sleep(0)  # a segment of its own
            writer.write(b"0\r\n\r\n")
            await writer.drain()


@asynccontextmanager
async def speaker() -> AsyncIterator[SlowSpeaker]:
    provider = SlowSpeaker()
    server = await asyncio.start_server(provider.serve, "127.0.0.1", 0)
    provider.port = server.sockets[0].getsockname()[1]
    async with server:
        yield provider


@contextmanager
def open_sockets() -> Iterator[list[socket.socket]]:
    """Every TCP connection of this process, the gateway's among them, as copies."""
    found: list[socket.socket] = []
    for name in os.listdir("/dev/fd"):
        try:
            one = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue  # no socket, or closed meanwhile
        found.append(one)
    try:
        yield [one for one in found if one.family == socket.AF_INET and is_connected(one)]
    finally:
        for one in found:
            one.close()


def is_connected(one: socket.socket) -> bool:
    try:
        one.getpeername()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("writes", [1, 2, 3])
async def test_no_frame_of_a_stream_is_held_back(store_url: str, writes: int) -> None:
    """Field note 26: counted are frames that stall, also those that come in several segments."""
    async with (
        speaker() as provider,
        running_gateway(
            gateway_settings(f"http://127.0.0.1:{provider.port}"), store_url
        ) as gateway,
    ):
        port = int(gateway.url.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        loop = asyncio.get_running_loop()
        with closing(writer):
            writer.write(REQUEST)
            took_s: list[float] = []
            async with asyncio.timeout(LIMIT_S):
                for number in range(FRAMES):
                    event = EVENT % number
                    began = loop.time()
                    provider.tell.put_nowait(cut(b"%x\r\n%b\r\n" % (len(event), event), writes))
                    await reader.readuntil(event[-20:])
                    took_s.append(loop.time() - began)
                check_sockets(port, provider.port)
                provider.tell.put_nowait([])
                await reader.readuntil(b"0\r\n\r\n")
    stalled = sum(one >= STALL_S for one in took_s)
    assert stalled <= FEW, f"{stalled} of {FRAMES} frames took {STALL_S} s or more"


def cut(frame: bytes, count: int) -> list[bytes]:
    size = -(-len(frame) // count)
    return [frame[at : at + size] for at in range(0, len(frame), size)]


def check_sockets(gateway_port: int, provider_port: int) -> None:
    """Both sides of the gateway send at once what they are given."""
    with open_sockets() as sockets:
        to_client = [one for one in sockets if one.getsockname()[1] == gateway_port]
        to_provider = [one for one in sockets if one.getpeername()[1] == provider_port]
        assert to_client
        assert to_provider
        for one in (*to_client, *to_provider):
            assert one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_frames_that_come_together_do_not_wait_for_each_other(store_url: str) -> None:
    """Field note 26: a burst arrives whole, with nothing kept for a frame that follows later."""
    async with (
        speaker() as provider,
        running_gateway(
            gateway_settings(f"http://127.0.0.1:{provider.port}"), store_url
        ) as gateway,
    ):
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", int(gateway.url.rpartition(":")[2])
        )
        with closing(writer):
            writer.write(REQUEST)
            async with asyncio.timeout(LIMIT_S):
                for burst in range(10):
                    events = [EVENT % (burst * 10 + n) for n in range(10)]
                    provider.tell.put_nowait([b"%x\r\n%b\r\n" % (len(e), e) for e in events])
                    for event in events:
                        await reader.readuntil(event)
                provider.tell.put_nowait([])
                await reader.readuntil(b"0\r\n\r\n")
