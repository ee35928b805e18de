"""Socket options: no delayed frames, and no peer that is gone without anybody noticing."""

import asyncio
import socket


def tune(transport: asyncio.BaseTransport, probe_after_s: int) -> None:
    """Set TCP_NODELAY (field-notes 26) and TCP keep-alive on a connected transport."""
    sock = transport.get_extra_info("socket")
    if sock.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if hasattr(socket, "TCP_KEEPIDLE"):  # not on macOS
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, probe_after_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, max(1, probe_after_s // 4))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4)
