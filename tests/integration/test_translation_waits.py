"""Translated streams that wait, break and are left: the same care as for a caller's own dialect."""

import asyncio
from typing import Any

import httpx2
import pytest

from gateway.simulator import FaultRule, RunningSimulator
from tests.contracts.speakers import SPEAKERS, Ask
from tests.contracts.translated import ERRORS
from tests.fixtures.gateway import KEY
from tests.integration.held import held
from tests.integration.sdk_streams import COMMENT, PING
from tests.integration.speaking import ANTHROPIC, GEMINI, OPENAI, Speech
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
BLANKS = b"\r\n\r\n"
WAYS = pytest.mark.parametrize(
    ("caller", "speech", "ping"),
    [
        ("chat", ANTHROPIC, COMMENT),
        ("responses", GEMINI, COMMENT),
        ("anthropic", GEMINI, PING),
        ("gemini", OPENAI, BLANKS),
    ],
)


@WAYS
async def test_a_stream_that_waits_is_kept_alive_in_the_callers_dialect(
    provider: RunningSimulator, store_url: str, caller: str, speech: Speech, ping: bytes
) -> None:
    provider.state.reset()
    async with held(provider.url, store_url) as here:
        speaker = SPEAKERS[caller](here.url, KEY)
        call = asyncio.ensure_future(asyncio.to_thread(speaker.stream, Ask(speech.model)))
        await here.wire.until_said(ping, 4)
        assert provider.state.ledger.in_flight == 0
        here.open()
        told = await call
        assert told.model == speech.model
        assert told.usage[1] == 20
        provider.state.faults.set([FaultRule(kind="status", status=400, message="It is bad.")])
        here.shut()
        await here.waiting(speech, 0)
        here.wire.said.clear()
        call = asyncio.ensure_future(asyncio.to_thread(speaker.events, Ask(speech.model)))
        await here.wire.until_said(ping, 3)
        here.open()
        with pytest.raises(ERRORS) as raised:
            await call
        assert "It is bad." in str(raised.value)
        speaker.sdk.close()
    provider.state.faults.clear()


async def test_a_client_that_leaves_a_translated_stream_ends_the_providers(
    provider: RunningSimulator, store_url: str
) -> None:
    provider.state.reset()
    provider.state.faults.set([FaultRule(kind="hang", after_chunks=4, count=1)])
    body: dict[str, Any] = SPEAKERS["chat"]("http://unused", KEY).body(
        Ask(ANTHROPIC.model, "hello [[output=90]]")
    )
    async with held(provider.url, store_url) as here, httpx2.AsyncClient(trust_env=False) as client:
        here.open()
        async with client.stream(
            "POST",
            f"{here.gateway_url}/v1/chat/completions",
            json=body | {"stream": True},
            headers={"authorization": f"Bearer {KEY}"},
        ) as response:
            heard = ""
            async for chunk in response.aiter_text():
                heard += chunk
                if heard.count("content") > 3:
                    break
        await until(lambda: provider.state.ledger.in_flight == 0, "the provider is let go")
        for _ in range(500):
            lane = await here.books.inspect_lane("anthropic")
            if not lane.in_flight:
                break
        assert not lane.in_flight
        _, settled, _, _ = lane.ledger
        assert 0 < settled[2] < 90, "what was streamed is paid for, and no more"
    provider.state.faults.clear()
