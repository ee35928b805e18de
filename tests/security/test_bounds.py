"""What one client may take of the gateway, with the bounds of its configuration.

Field note 29 (memory) and 30. The connection itself is tested in `tests/wiring/test_protocol.py`;
here the settings are shown to reach it.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import anthropic
import pytest
import pytest_asyncio

from gateway.config.settings import ServerSettings
from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.gateway import KEY, RunningGateway, gateway_settings, running_gateway
from tests.fixtures.valkey import ValkeyProcess
from tests.integration.speaking import ANTHROPIC, Answer, agent
from tests.integration.waiting import until
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


async def test_past_its_connections_a_gateway_refuses_in_the_caller_s_dialect_and_shows_its_health(
    narrow: RunningGateway,
) -> None:
    host, _, port = narrow.url.removeprefix("http://").rpartition(":")
    held = [await asyncio.open_connection(host, int(port)) for _ in range(MOST)]
    try:
        health = await talk(narrow.url, b"GET /healthz HTTP/1.1\r\nhost: h\r\n\r\n")
        assert (health.status, health.closed) == (200, True)
        async with anthropic.AsyncAnthropic(
            base_url=narrow.url, api_key=KEY, max_retries=0
        ) as client:
            with pytest.raises(anthropic.InternalServerError) as refused:
                await client.models.list()
        assert refused.value.response.headers["x-gateway-reason"] == "overloaded"
        assert int(refused.value.response.headers["retry-after"]) >= 1
        assert refused.value.body["error"]["type"] == "overloaded_error"  # type: ignore[index] # a dict
    finally:
        for _, writer in held:
            writer.close()


async def test_background_gives_way_first_then_normal_and_urgent_last(
    provider: RunningSimulator, valkey_server: ValkeyProcess
) -> None:
    """`server.max_calls`: 20 of them, of which background may fill 16 and normal calls 19."""
    valkey_server.flush()
    settings = replace(gateway_settings(provider.url), server=ServerSettings(max_calls=20))
    async with running_gateway(settings, valkey_server.url) as running, agent(running.url) as one:

        async def ask(priority: str) -> Answer:
            return await one.say(ANTHROPIC, extra={"x-gateway-priority": priority})

        async def fill(count: int) -> None:
            before = provider.state.faults.hits()[0][1]
            held.extend(asyncio.ensure_future(ask("urgent")) for _ in range(count))
            await until(
                lambda: provider.state.faults.hits()[0][1] == before + count, "calls to be held"
            )

        held: list[asyncio.Future[Answer]] = []
        provider.state.faults.set([FaultRule(kind="hang", count=20)])
        try:
            for count, open_to in ((16, "normal urgent"), (3, "urgent"), (1, "")):
                await fill(count)
                for priority in ("background", "normal", "urgent"):
                    if priority not in open_to:
                        answer = await ask(priority)
                        assert (answer.status, answer.reason) == (503, "overloaded")
                        assert int(answer.headers["retry-after"]) >= 1
            assert (await one.client.get(running.url + "/healthz")).status_code == 200
        finally:
            provider.state.faults.clear()
            provider.state.reset()
            for call in held:
                call.cancel()
            await asyncio.gather(*held, return_exceptions=True)


async def test_bodies_beyond_the_memory_for_them_are_refused_as_soon_as_that_shows(
    provider: RunningSimulator, valkey_server: ValkeyProcess
) -> None:
    """`server.max_held`: a body that was announced is not read; of others, only what fits is."""
    valkey_server.flush()
    bounds = ServerSettings(max_held_bytes=20_000)
    settings = replace(gateway_settings(provider.url), server=bounds)
    async with running_gateway(settings, valkey_server.url) as running, agent(running.url) as one:
        provider.state.faults.set([FaultRule(kind="hang", count=1)])
        try:
            held = asyncio.ensure_future(one.say(ANTHROPIC, prompt="x" * 15_000))
            await until(lambda: provider.state.faults.hits()[0][1] == 1, "a call to be held")
            whole = request(body=b"x" * 10_000)
            announced = await talk(running.url, whole[:-10_000])
            assert (announced.status, announced.closed) == (503, True)
            assert b"x-gateway-reason: overloaded" in announced.head
            chunk = b"1000\r\n" + b"x" * 4096 + b"\r\n"
            head = whole.partition(b"content-length")[0] + b"transfer-encoding: chunked\r\n\r\n"
            grown = await talk(running.url, head + chunk * 3)
            assert (grown.status, grown.closed) == (503, True)
            assert (await one.say(ANTHROPIC)).status == 200
        finally:
            provider.state.faults.clear()
            provider.state.reset()
            held.cancel()
            await asyncio.gather(held, return_exceptions=True)


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
