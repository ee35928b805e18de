"""Short ways to say what the tests of the transport say all the time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from gateway.domain.call import Dialect
from gateway.domain.outcome import UpstreamFailure
from gateway.domain.topology import Provider, Timeouts
from gateway.ports import Headers, UpstreamRequest, UpstreamResponse
from gateway.upstream import HttpUpstream

PATIENT = Timeouts(connect_s=10, first_byte_s=10, between_chunks_s=10, total_s=10)


def provider(
    url: str,
    timeouts: Timeouts = PATIENT,
    max_connections: int = 100,
    tls_ca_file: str | None = None,
) -> Provider:
    return Provider(
        "p",
        Dialect.OPENAI,
        url,
        timeouts=timeouts,
        max_connections=max_connections,
        tls_ca_file=tls_ca_file,
    )


def post(body: bytes = b"{}", headers: Headers | None = None) -> UpstreamRequest:
    return UpstreamRequest("POST", b"/v1/x", headers or [], body)


def get(method: str = "GET") -> UpstreamRequest:
    return UpstreamRequest(method, b"/v1/x", [])


def streamed(body: AsyncIterator[bytes], length: int | None = None) -> UpstreamRequest:
    return UpstreamRequest("POST", b"/v1/x", [], body, length)


async def read_all(response: UpstreamResponse) -> bytes:
    pieces = []
    while piece := await response.read():
        pieces.append(piece)
    return b"".join(pieces)


async def call(
    upstream: HttpUpstream, to: Provider, request: UpstreamRequest
) -> tuple[int, Headers, bytes]:
    """Send, read to the end, close."""
    response = await upstream.send(to, request)
    try:
        return response.status, response.headers, await read_all(response)
    finally:
        response.close()


async def failure_of(
    upstream: HttpUpstream, to: Provider, request: UpstreamRequest
) -> UpstreamFailure:
    """The failure that a call ends in, wherever it shows."""
    with pytest.raises(UpstreamFailure) as caught:
        await call(upstream, to, request)
    return caught.value


async def wait_until(predicate: Callable[[], bool], description: str) -> None:
    """Poll until something real has happened, at most 10 s."""
    for _ in range(2000):
        if predicate():
            return
        await asyncio.sleep(0.005)
    raise AssertionError(f"did not happen: {description}")


async def settled() -> None:
    """Let closed transports be freed."""
    for _ in range(5):
        await asyncio.sleep(0)


@asynccontextmanager
async def opened(
    upstream: HttpUpstream, to: Provider, request: UpstreamRequest
) -> AsyncIterator[UpstreamResponse]:
    """A response that is closed at the end."""
    response = await upstream.send(to, request)
    try:
        yield response
    finally:
        response.close()
