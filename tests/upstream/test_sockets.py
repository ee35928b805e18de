"""Socket options."""

import asyncio
import socket

from gateway.upstream.sockets import tune
from tests.upstream.hostile import OK, Hostile, answering


async def test_frames_are_not_delayed_and_dead_peers_are_noticed() -> None:
    async with Hostile(answering(OK)) as server:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_connection(asyncio.Protocol, "127.0.0.1", server.port)
        tune(transport, 60)
        sock = transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        if hasattr(socket, "TCP_KEEPIDLE"):
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE) == 60
        transport.abort()
        await asyncio.sleep(0)


async def test_sockets_that_are_not_tcp_are_left_alone() -> None:
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_unix_connection(
        asyncio.Protocol, sock=ours
    )
    tune(transport, 60)
    transport.abort()
    theirs.close()
    await asyncio.sleep(0)
