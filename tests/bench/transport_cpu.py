"""CPU per request and per streamed chunk of the upstream transport, beside httpx2.

Run as `python -m tests.bench.transport_cpu`. CPU time of this process only, on uvloop, 64 calls at
a time, against a trivial server in a process of its own. A chunk's cost is what a streamed call
takes beyond a small one, divided by its chunks; chunks that arrive in one read count each.
"""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import cast

import httptools
import httpx2
import uvloop

from gateway.domain.call import Dialect
from gateway.domain.topology import Provider
from gateway.ports import UpstreamRequest
from gateway.upstream import HttpUpstream

CHUNKS = 200
_HEAD = b"HTTP/1.1 200 OK\r\ndate: Tue, 24 Nov 2026 19:00:00 GMT\r\nrequest-id: req_1\r\n"
_UNARY = _HEAD + b"content-type: application/json\r\ncontent-length: 500\r\n\r\n" + b"x" * 500
_STREAM = _HEAD + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_CHUNK = b"78\r\n" + b"event: content_block_delta\ndata: ".ljust(118, b"x") + b"\n\n\r\n"
_AT_ONCE = 64
_END = b"#"  # httpx2 sends head and body apart; the server waits for this
_SMALL = b'{"model":"claude-sonnet-5","max_tokens":100,"messages":[]}' + b" " * 400 + _END
_STREAMED = b'{"model":"claude-sonnet-5","stream":true,"messages":[]}' + _END
_HEADERS = [
    (b"x-api-key", b"sk-ant-made-up"),
    (b"anthropic-version", b"2023-06-01"),
    (b"content-type", b"application/json"),
    (b"accept", b"application/json"),
    (b"user-agent", b"anthropic/python 2.0"),
    (b"x-stainless-retry-count", b"0"),
    (b"x-stainless-lang", b"python"),
    (b"x-stainless-os", b"Linux"),
]

Call = Callable[[bytes], Awaitable[None]]


async def _cpu_us_per_call(call: Call, body: bytes, calls: int) -> float:
    left = calls

    async def worker() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await call(body)

    start = time.process_time()
    await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
    return (time.process_time() - start) / calls * 1e6


async def _measure(call: Call, unary_calls: int, streamed_calls: int) -> tuple[float, float]:
    await _cpu_us_per_call(call, _SMALL, unary_calls // 4)  # connections, warm caches
    small = min([await _cpu_us_per_call(call, _SMALL, unary_calls // 8) for _ in range(8)])
    streamed = await _cpu_us_per_call(call, _STREAMED, streamed_calls)
    return small, (streamed - small) / CHUNKS


async def _ours(port: int) -> tuple[float, float]:
    upstream = HttpUpstream()
    provider = Provider("canned", Dialect.ANTHROPIC, f"http://127.0.0.1:{port}")

    async def call(body: bytes) -> None:
        request = UpstreamRequest("POST", b"/v1/messages", _HEADERS, body)
        response = await upstream.send(provider, request)
        while await response.read():
            pass
        response.close()

    figures = await _measure(call, 40_000, 320)
    await upstream.close()
    return figures


class _Bare(asyncio.Protocol):
    """The floor: one connection without pool, checks, limits or timeouts."""

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._waiter: asyncio.Future[None] | None = None
        self._whole = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)
        if self._waiter is not None:
            self._waiter.set_result(None)
            self._waiter = None

    def on_body(self, _data: bytes) -> None:
        """Dropped."""

    def on_message_complete(self) -> None:
        self._whole = True

    async def call(self, body: bytes) -> None:
        lines = [b"POST /v1/messages HTTP/1.1\r\nhost: h\r\n"]
        lines += [b"%b: %b\r\n" % field for field in _HEADERS]
        lines.append(b"content-length: %d\r\n\r\n" % len(body))
        self._whole = False
        self._transport.write(b"".join(lines) + body)
        while not self._whole:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter


async def _bare(port: int) -> tuple[float, float]:
    loop = asyncio.get_running_loop()
    pairs = [await loop.create_connection(_Bare, "127.0.0.1", port) for _ in range(_AT_ONCE)]
    free = [protocol for _, protocol in pairs]

    async def call(body: bytes) -> None:
        connection = free.pop()
        await connection.call(body)
        free.append(connection)

    return await _measure(call, 40_000, 320)


async def _httpx2(port: int) -> tuple[float, float]:
    url = f"http://127.0.0.1:{port}/v1/messages"
    limits = httpx2.Limits(max_connections=_AT_ONCE, max_keepalive_connections=_AT_ONCE)
    headers = [(name.decode(), value.decode()) for name, value in _HEADERS]
    async with httpx2.AsyncClient(limits=limits, trust_env=False) as client:

        async def call(body: bytes) -> None:
            async with client.stream("POST", url, headers=headers, content=body) as response:
                async for _ in response.aiter_raw():
                    pass

        return await _measure(call, 2_000, 64)


class _Server(asyncio.Protocol):
    """Answers each request; a streamed answer has a chunk every 2 ms."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if not data.endswith(_END):
            return
        if b'"stream":true' in data:
            self._transport.write(_STREAM)
            self._tick(CHUNKS)
        else:
            self._transport.write(_UNARY)

    def _tick(self, left: int) -> None:
        if left:
            self._transport.write(_CHUNK)
            asyncio.get_running_loop().call_later(0.002, self._tick, left - 1)
        else:
            self._transport.write(b"0\r\n\r\n")


async def _serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(_Server, "127.0.0.1", port)
    await server.serve_forever()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_for(port: int) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the server did not start")


def _best(
    measure: Callable[[int], Coroutine[None, None, tuple[float, float]]], port: int
) -> tuple[float, float]:
    """The least of three runs: what other processes do on the machine only adds."""
    runs = [uvloop.run(measure(port)) for _ in range(3)]
    return min(small for small, _ in runs), min(chunk for _, chunk in runs)


def main() -> None:
    """Print the figures."""
    if len(sys.argv) > 1:
        uvloop.run(_serve(int(sys.argv[1])))
    port = _free_port()
    server = subprocess.Popen([sys.executable, "-m", "tests.bench.transport_cpu", str(port)])
    try:
        _wait_for(port)
        floor, ours, theirs = (_best(each, port) for each in (_bare, _ours, _httpx2))
    finally:
        server.terminate()
        server.wait()
    print("CPU in microseconds    floor  transport   httpx2  httpx2/transport")
    for row, what in enumerate(("per request", "per chunk")):
        low, mine, other = floor[row], ours[row], theirs[row]
        print(f"{what:<19} {low:>8.1f} {mine:>10.1f} {other:>8.1f} {other / mine:>16.1f}x")


if __name__ == "__main__":
    main()
