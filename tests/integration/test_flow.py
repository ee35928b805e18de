"""How much goes through at once and when: sizes, events one by one, readers that are slow."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from gateway.config.settings import ServerSettings
from tests.fixtures.echo import Message, chunked, dialled, exchange, head, hear, request
from tests.fixtures.gateway import KEY, RunningGateway, gateway_settings, running_gateway
from tests.integration.conftest import Wire
from tests.integration.dialects import CHAT, GENERATE, JSON, MESSAGES, SSE, STREAMING, Door, body_of

pytestmark = pytest.mark.asyncio(loop_scope="module")
BEARER = (b"authorization", b"Bearer " + KEY.encode())


def said(wire: Wire, body: bytes) -> None:
    fields = [(b"content-type", JSON), (b"content-length", b"%d" % len(body))]
    wire.echo.says(head(200, fields), body)


def heard(wire: Wire) -> Message:
    (one,) = wire.echo.heard
    return one


async def sent(wire: Wire, target: bytes, body: bytes) -> Message:
    return await exchange(wire.gateway.url, request(b"POST", target, [BEARER], body))


@asynccontextmanager
async def bounded(
    wire: Wire, store_url: str, server: ServerSettings
) -> AsyncIterator[RunningGateway]:
    settings = replace(gateway_settings(wire.echo.url), server=server)
    async with running_gateway(settings, store_url) as gateway:
        yield gateway


def error_of(found: Message) -> dict[str, object]:
    inner = json.loads(found.body)["error"]
    assert isinstance(inner, dict)
    return inner


# --- sizes -------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", [MESSAGES, CHAT, GENERATE], ids=str)
async def test_a_body_of_32_mib_works(wire: Wire, door: Door) -> None:
    text = '"x_padding":"' + "0123456789abcdef" * (2 * 1024 * 1024) + '"'
    body = body_of([*door.members, text])
    assert len(body) > 32 * 1024 * 1024
    said(wire, door.answer)
    found = await sent(wire, door.path, body)
    assert found.status == 200
    assert hashlib.sha256(heard(wire).body).digest() == hashlib.sha256(body).digest()
    wire.echo.heard.clear()


async def test_a_large_upload_is_streamed(wire: Wire) -> None:
    body = b"\x00" * (32 * 1024 * 1024)
    said(wire, b"{}")
    found = await sent(wire, b"/v1/files", body)
    assert found.status == 200
    assert heard(wire).body == body
    wire.echo.heard.clear()


async def test_a_client_that_waits_to_be_told_to_continue_is_told(wire: Wire) -> None:
    """Curl does so with every large body."""
    said(wire, CHAT.answer)
    body = body_of(CHAT.members)
    data = request(b"POST", CHAT.path, [BEARER, (b"expect", b"100-continue")], body)
    async with dialled(wire.gateway.url) as (reader, writer):
        writer.write(data.removesuffix(body))
        assert (await asyncio.wait_for(reader.readline(), 5)).startswith(b"HTTP/1.1 100 ")
        await reader.readline()
        writer.write(body)
        found = await hear(reader)
    assert (found.status, found.body) == (200, CHAT.answer)
    assert not heard(wire).all(b"expect")


async def test_an_offer_of_http_2_is_left_aside(wire: Wire) -> None:
    """Java's client makes it with its first request."""
    said(wire, CHAT.answer)
    offer = [(b"connection", b"Upgrade, HTTP2-Settings"), (b"upgrade", b"h2c")]
    headers = [BEARER, *offer, (b"http2-settings", b"AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA")]
    data = request(b"POST", CHAT.path, headers, body_of(CHAT.members))
    found = await exchange(wire.gateway.url, data.replace(b"\r\nconnection: close", b""))
    assert (found.status, found.body) == (200, CHAT.answer)
    assert {b"upgrade", b"http2-settings"}.isdisjoint(heard(wire).names)


async def test_requests_may_follow_each_other_without_waiting(wire: Wire) -> None:
    said(wire, CHAT.answer)
    one = request(b"POST", CHAT.path, [BEARER], body_of(CHAT.members))
    data = one.replace(b"\r\nconnection: close", b"")
    async with dialled(wire.gateway.url) as (reader, writer):
        writer.write(data * 3)
        body = b""
        while body.count(CHAT.answer) < 3:
            body += await asyncio.wait_for(reader.read(65_536), 5)
    assert body.count(b"HTTP/1.1 200") == 3
    assert len(wire.echo.heard) == 3


ERROR_SHAPES: Sequence[tuple[Door, Callable[[dict[str, object]], bool]]] = [
    (MESSAGES, lambda error: error["type"] == "request_too_large"),
    (CHAT, lambda error: {"message", "type", "param", "code"} <= set(error)),
    (GENERATE, lambda error: error["code"] == 413 and isinstance(error["status"], str)),
]


@pytest.mark.parametrize(("door", "fits"), ERROR_SHAPES, ids=["messages", "chat", "generate"])
async def test_a_body_over_the_bound_is_refused_before_it_is_read(
    wire: Wire, store_url: str, door: Door, fits: Callable[[dict[str, object]], bool]
) -> None:
    wire.echo.says()
    server = ServerSettings(max_body_bytes=1_000_000, max_upload_bytes=1_000_000)
    async with bounded(wire, store_url, server) as gateway:
        announced = [BEARER, (b"content-length", b"1000001")]
        promised = request(b"POST", door.path, announced).replace(b"connection: close\r\n", b"")
        found = await exchange(gateway.url, promised)
        endless = request(b"POST", door.path, [BEARER, (b"transfer-encoding", b"chunked")])
        other = await exchange(gateway.url, [endless, *chunked([b"x" * 65_536] * 16)[:-1]])
        upload = request(b"POST", b"/v1/files", announced)
        third = await exchange(gateway.url, upload)
    for one in (found, other, third):
        assert (one.status, one.one(b"x-gateway-reason")) == (413, b"too_large")
        assert one.one(b"connection") == b"close"
    assert fits(error_of(found))
    assert fits(error_of(other))
    assert not wire.echo.heard


# --- delay -------------------------------------------------------------------------------------


@pytest.mark.parametrize("door", STREAMING, ids=str)
async def test_every_event_is_relayed_before_the_next_one_comes(wire: Wire, door: Door) -> None:
    """Field-notes 26: a delay near 40 ms is a delayed acknowledgement."""
    fields = [(b"content-type", SSE), (b"transfer-encoding", b"chunked")]
    end = b"\r\n\r\n" if b"\r\n\r\n" in door.stream[0] else b"\n\n"
    events = [b"data: {}" + end] * 20
    pieces = chunked([*events, *door.stream])
    wire.echo.says(head(200, fields) + pieces[0], *pieces[1:])
    wire.echo.gate = gate = asyncio.Semaphore(0)
    loop = asyncio.get_running_loop()
    data = request(b"POST", door.path, [BEARER], body_of([*door.members, *door.streams]))
    delays = []
    async with dialled(wire.gateway.url) as (reader, writer):
        writer.write(data)
        seen = await asyncio.wait_for(reader.readuntil(events[0]), 5)
        for _ in events[1:]:
            began = loop.time()
            gate.release()
            seen = await asyncio.wait_for(reader.readuntil(events[0]), 5)
            assert seen.count(b"data:") == 1
            delays.append(loop.time() - began)
    assert sorted(delays)[len(delays) // 2] < 0.03


# --- slow readers ------------------------------------------------------------------------------

_EVENT = b": " + b"x" * 65_000 + b"\n\n"
_EVENTS = 1024
_BOUND_BYTES = 16 * 1024 * 1024
"""What sockets and buffers may hold: a quarter of the stream."""


@pytest.mark.parametrize("door", STREAMING, ids=str)
async def test_a_slow_reader_holds_the_provider_back_and_loses_nothing(
    wire: Wire, door: Door
) -> None:
    stream = b"".join(door.stream)
    fields = [(b"content-type", SSE), (b"transfer-encoding", b"chunked")]
    wire.echo.says(head(200, fields), *chunked([*[_EVENT] * _EVENTS, stream]))
    data = request(b"POST", door.path, [BEARER], body_of([*door.members, *door.streams]))
    async with dialled(wire.gateway.url) as (reader, writer):
        writer.write(data)
        await settled(lambda: wire.echo.written)
        assert 0 < wire.echo.written < _BOUND_BYTES
        found = await hear(reader)
    assert found.whole
    assert len(found.body) == len(_EVENT) * _EVENTS + len(stream)
    assert found.body.endswith(stream)


async def settled(value: Callable[[], int]) -> None:
    """Wait until a value above zero stays what it is."""
    async with asyncio.timeout(10):
        last, same = 0, 0
        while same < 10:
            await asyncio.sleep(0.01)
            same = same + 1 if value() == last > 0 else 0
            last = value()
