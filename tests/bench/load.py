"""A load generator that costs little: keep-alive connections on asyncio protocols."""

import asyncio
import time
from dataclasses import dataclass
from typing import cast

import httptools


@dataclass(frozen=True)
class Load:
    """What came back."""

    calls: int
    failures: int
    seconds: float


class _Client(asyncio.Protocol):
    def __init__(self, request: bytes, share: "_Share") -> None:
        self._request = request
        self._share = share
        self._parser = httptools.HttpResponseParser(self)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._next()

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_complete(self) -> None:
        self._share.done += 1
        self._share.failures += self._parser.get_status_code() != 200
        self._parser = httptools.HttpResponseParser(self)
        asyncio.get_running_loop().call_soon(self._next)

    def connection_lost(self, exc: Exception | None) -> None:
        self._share.connection_closed()

    def _next(self) -> None:
        if self._share.left:
            self._share.left -= 1
            self._transport.write(self._request)
        else:
            self._transport.close()


class _Share:
    def __init__(self, calls: int, connections: int) -> None:
        self.left = calls
        self.done = 0
        self.failures = 0
        self._open = connections
        self.finished = asyncio.get_running_loop().create_future()

    def connection_closed(self) -> None:
        self._open -= 1
        if not self._open and not self.finished.done():
            self.finished.set_result(None)


def post(path: str, body: bytes, key: str) -> bytes:
    """One request as it goes on the wire, with the headers that the anthropic SDK sends."""
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nx-api-key: {key}\r\n"
        "anthropic-version: 2026-10-21\r\ncontent-type: application/json\r\n"
        "accept: application/json\r\naccept-encoding: gzip, deflate\r\n"
        "user-agent: Anthropic/Python 2.13.0\r\nx-stainless-lang: python\r\n"
        "x-stainless-package-version: 2.13.0\r\nx-stainless-os: Linux\r\n"
        "x-stainless-arch: x64\r\nx-stainless-runtime: CPython\r\n"
        "x-stainless-runtime-version: 3.11.7\r\nx-stainless-async: async:asyncio\r\n"
        "x-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body


async def run(port: int, request: bytes, calls: int, connections: int) -> Load:
    """Send so many calls over so many connections, each as soon as the last is answered."""
    loop = asyncio.get_running_loop()
    share = _Share(calls, connections)
    began = time.perf_counter()
    for _ in range(connections):
        await loop.create_connection(lambda: _Client(request, share), "127.0.0.1", port)
    await share.finished
    return Load(share.done, share.failures + calls - share.done, time.perf_counter() - began)
