"""What one client may take of the gateway, with the bounds of its configuration.

Field note 29 (memory) and 30. The connection itself is tested in `tests/wiring/test_protocol.py`;
here the settings are shown to reach it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio

from gateway.config.settings import ServerSettings
from gateway.simulator import RunningSimulator
from tests.fixtures.gateway import RunningGateway, gateway_settings, running_gateway
from tests.fixtures.valkey import ValkeyProcess
from tests.security.wire import request, talk

pytestmark = pytest.mark.asyncio(loop_scope="module")
MOST = 3
BODY_BYTES = 10_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def narrow(
    provider: RunningSimulator, valkey_server: ValkeyProcess
) -> AsyncIterator[RunningGateway]:
    valkey_server.flush()
    bounds = ServerSettings(
        max_connections=MOST,
        header_timeout_s=0.2,
        body_timeout_s=0.2,
        max_body_bytes=BODY_BYTES,
    )
    settings = replace(gateway_settings(provider.url), server=bounds)
    async with running_gateway(settings, valkey_server.url) as running:
        yield running


@pytest.mark.parametrize(
    "fields",
    [
        [(b"x-%d" % n, b"v" * 1000) for n in range(200)],
        [(b"x", b"")] * 100_000,
        [(b"x-long", b"v" * 200_000)],
        [(b"n" * 200_000, b"v")],
    ],
    ids=["many", "many empty", "a long value", "a long name"],
)
async def test_a_flood_of_fields_is_refused(
    narrow: RunningGateway, fields: list[tuple[bytes, bytes]]
) -> None:
    """Field note 29: 431, and the connection closed."""
    answer = await talk(narrow.url, request(fields=fields))
    assert (answer.status, answer.responses, answer.closed) == (431, 1, True)


@pytest.mark.parametrize("begun", [b"POST /v1/mess", b"POST / HTTP/1.1\r\nhost: a\r\nx-a: b"])
async def test_a_slow_head_is_not_waited_for(narrow: RunningGateway, begun: bytes) -> None:
    """Field note 29: `server.header_timeout`."""
    answer = await talk(narrow.url, begun)
    assert (answer.status, answer.closed) == (408, True)


async def test_a_slow_body_is_not_waited_for(narrow: RunningGateway) -> None:
    """Field note 29: `server.body_timeout`."""
    answer = await talk(narrow.url, request()[:-10])
    assert (answer.status, answer.closed) == (408, True)
    assert b"x-gateway-reason: client_timeout" in answer.head


async def test_a_body_too_large_is_refused_before_it_is_read(narrow: RunningGateway) -> None:
    """Field note 29: `server.max_body_size`; nothing of the body was sent here."""
    whole = request(body=b"x" * (BODY_BYTES + 1))
    answer = await talk(narrow.url, whole[: -(BODY_BYTES + 1)])
    assert (answer.status, answer.closed) == (413, True)
    assert b"x-gateway-reason: too_large" in answer.head


async def test_a_connection_too_many_is_turned_away(
    narrow: RunningGateway, provider: RunningSimulator
) -> None:
    """Field note 29: `server.max_connections`, with a time to come back; it has no effect later."""
    host, _, port = narrow.url.removeprefix("http://").rpartition(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(MOST)]
    try:
        answer = await talk(narrow.url, request())
        assert (answer.status, answer.closed) == (503, True)
        assert b"retry-after: " in answer.head
    finally:
        for _, writer in held:
            writer.close()
    async with asyncio.timeout(3):
        while (await talk(narrow.url, request())).status != 200:
            pass
    assert provider.state.ledger.totals.whole == 1
