"""Streams that wait long, with the real SDKs and on raw sockets (field notes 14 and 15).

docs/waiting.md says what each client gets and why.
"""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anthropic
import openai
import pytest
import pytest_asyncio
from google.genai import errors as genai_errors

from gateway.domain.limits import LaneLimits
from gateway.domain.topology import Timeouts
from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.echo import Echo, HeaderList, Message, chunked, dialled, hear, request
from tests.fixtures.echo import head as head_of
from tests.fixtures.gateway import KEY
from tests.integration.conftest import Wire
from tests.integration.dialects import (
    CHAT,
    JSON,
    MESSAGES,
    RESPONSES,
    SSE,
    STREAM_GENERATE,
    Door,
    body_of,
)
from tests.integration.held import SPEECHES, Held, held, keepers, until_let_go
from tests.integration.sdk_streams import COMMENT, PING, STREAMERS, Streamer
from tests.integration.speaking import ANTHROPIC, OPENAI, Speech, agent
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
each_sdk = pytest.mark.parametrize("sdk", STREAMERS, ids=str)
BLANKS = b"\r\n\r\n"
CODEX = b'event: keepalive\ndata: {"type":"keepalive","sequence_number":0}\n\n'


# --- the official SDKs -------------------------------------------------------------------------


@each_sdk
async def test_an_sdk_survives_a_long_wait(
    provider: RunningSimulator, store_url: str, sdk: Streamer
) -> None:
    """And gets the same answer as a call that did not wait, without trying again."""
    provider.state.reset()
    async with held(provider.url, store_url) as here:
        call = asyncio.ensure_future(sdk.talk(here.url, {}))
        await here.wire.until_said(sdk.ping, 5)
        assert provider.state.ledger.in_flight == 0
        here.open()
        text = await call
        assert text
        assert text == await sdk.talk(here.gateway_url, {})
    assert [one.status for one in provider.state.ledger.log] == [200, 200]


def _faults(speech: Speech) -> dict[str, FaultRule]:
    overload = 529 if speech is ANTHROPIC else 503
    return {
        "overloaded": FaultRule(kind="status", status=overload, variant="overloaded", count=1),
        "bad": FaultRule(kind="status", status=400, message="It is bad.", count=1),
        "spent": FaultRule(kind="status", status=429, variant="spend_cap", count=1),
    }


def _said(error: Exception) -> str:
    """All that an SDK's error tells, in one text."""
    found = getattr(error, "body", None) or getattr(error, "details", None)
    return f"{error} {found}"


WORDS = {
    "anthropic": {"overloaded": "overloaded_error", "bad": "It is bad.", "spent": "spend"},
    "openai": {"overloaded": "overloaded", "bad": "It is bad.", "spent": "spend limit"},
    "gemini": {"overloaded": "UNAVAILABLE", "bad": "It is bad.", "spent": "RESOURCE_EXHAUSTED"},
}


@each_sdk
async def test_an_sdk_raises_an_error_of_the_provider_after_a_long_wait(
    provider: RunningSimulator, store_url: str, sdk: Streamer
) -> None:
    """In the provider's own words; billing refusals neither block nor repeat (field note 17)."""
    provider.state.reset()
    async with held(provider.url, store_url) as here:
        for name, fault in _faults(sdk.speech).items():
            provider.state.faults.set([fault])
            call = asyncio.ensure_future(sdk.talk(here.url, {}))
            await here.wire.until_said(sdk.ping, 3)
            here.open()
            with pytest.raises(sdk.raises) as raised:
                await call
            assert WORDS[sdk.speech.dialect][name] in _said(raised.value)
            assert not any((await here.books.inspect_lane(sdk.speech.dialect)).blocked_until_us)
            here.shut()
            await here.waiting(sdk.speech, 0)
            here.wire.said.clear()
    assert len(provider.state.ledger.log) == 3


@each_sdk
async def test_an_sdk_raises_a_refusal_after_a_long_wait(
    provider: RunningSimulator, store_url: str, sdk: Streamer
) -> None:
    """Patience that ends after the head is out: the typed error, not half a stream."""
    provider.state.reset()
    provider.state.faults.set([FaultRule(kind="hang", after_chunks=-1, count=1)])
    async with (
        held(provider.url, store_url, limits=LaneLimits(concurrency=1)) as here,
        agent(here.gateway_url) as other,
    ):
        here.open()
        first = asyncio.ensure_future(other.say(sdk.speech))
        await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        with pytest.raises(sdk.raises) as raised:
            await sdk.talk(here.url, {"x-gateway-max-wait": "0.4"})
        assert here.wire.said.count(sdk.ping) >= 3
        check_refusal(raised.value)
        first.cancel()
        await here.waiting(sdk.speech, 0)
        assert not keepers()
        await until(lambda: provider.state.ledger.in_flight == 0, "the end of the first call")
        await asyncio.gather(first, return_exceptions=True)


def check_refusal(error: Exception) -> None:
    if isinstance(error, anthropic.APIStatusError):
        assert error.status_code == 200
        assert error.type == "overloaded_error"  # Claude Code tries again (provider-facts A2)
    elif isinstance(error, openai.APIError):
        assert error.code == "rate_limit_exceeded"
        assert "try again in" in error.message
    else:
        assert isinstance(error, genai_errors.ClientError)
        assert (error.code, error.status) == (429, "RESOURCE_EXHAUSTED")


# --- exact bytes -------------------------------------------------------------------------------


@pytest_asyncio.fixture(loop_scope="module")
async def rigid(wire: Wire, store_url: str) -> AsyncIterator[tuple[Echo, Held]]:
    """A held gateway before the provider that says what it was told to say."""
    async with held(wire.echo.url, store_url) as here:
        yield wire.echo, here


def _target(door: Door, *, array: bool = False) -> bytes:
    return door.path.partition(b"?")[0] if array else door.path


def _ask(
    door: Door, *more: tuple[bytes, bytes], array: bool = False, streamed: bool = True
) -> bytes:
    members = [*door.members, *(door.streams if streamed else ())]
    body = body_of(members).replace(b'"gpt-5"', b'"gpt-4o-mini"')
    headers: HeaderList = [(door.credential[0], KEY.encode()), *more]
    if door.credential[0] == b"authorization":
        headers[0] = (b"authorization", b"Bearer " + KEY.encode())
    if door is MESSAGES:
        headers.append((b"anthropic-version", b"2023-06-01"))
    return request(b"POST", _target(door, array=array), headers, body)


@asynccontextmanager
async def asked(here: Held, data: bytes) -> AsyncIterator[asyncio.StreamReader]:
    async with dialled(here.url) as (reader, writer):
        writer.write(data)
        await writer.drain()
        yield reader


@asynccontextmanager
async def asked_later(here: Held) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    async with dialled(here.url) as (_, writer):

        async def ask(data: bytes) -> None:
            writer.write(data)
            await writer.drain()

        yield ask


async def told(here: Held, data: bytes, ping: bytes, times: int = 3) -> Message:
    """Ask, wait for some pings, open the lane, and hear the rest."""
    async with asked(here, data) as reader:
        await here.wire.until_said(ping, times)
        here.open()
        return await hear(reader)


FORMS = [
    ("messages", MESSAGES, b"claude-cli/2.1.331 (external, cli)", PING, False),
    ("chat", CHAT, b"AsyncOpenAI/Python 3.57.0", COMMENT, False),
    ("responses", RESPONSES, b"OpenAI/JS 6.49", COMMENT, False),
    ("codex", RESPONSES, b"codex_cli_rs/0.169.0 (Linux)", CODEX, False),
    ("gemini", STREAM_GENERATE, b"GeminiCLI/0.61.0/gemini-2.5-flash (linux; x64)", BLANKS, False),
    ("gemini array", STREAM_GENERATE, b"curl/8", BLANKS, True),
]
each_form = pytest.mark.parametrize(
    ("door", "client", "ping", "array"), [row[1:] for row in FORMS], ids=[row[0] for row in FORMS]
)


@each_form
async def test_a_waiting_stream_is_pings_and_then_the_providers_bytes(
    rigid: tuple[Echo, Held], door: Door, client: bytes, ping: bytes, array: bool
) -> None:
    """Field note 15: through the provider's silence before and after its head, and no further."""
    echo, here = rigid
    kind = JSON if array else SSE
    pieces = [door.answer[:9], door.answer[9:]] if array else list(door.stream)
    provider_head = head_of(200, [(b"content-type", kind), (b"transfer-encoding", b"chunked")])
    echo.says(b"", provider_head, *chunked(pieces))
    echo.gate = asyncio.Semaphore(0)
    async with asked(here, _ask(door, (b"user-agent", client), array=array)) as reader:
        found = asyncio.ensure_future(hear(reader))
        framed = chunked([ping])[0]
        await here.wire.until_said(framed, 3)
        here.open()
        await until(lambda: len(echo.heard) == 1, "the call at the provider")
        await here.wire.until_said(framed, here.wire.said.count(framed) + 3)
        echo.gate.release()  # its head
        await here.wire.until_said(framed, here.wire.said.count(framed) + 3)
        echo.gate.release()  # its first event
        await here.wire.until_said(pieces[0], 1)
        assert not keepers()
        for _ in range(len(pieces)):
            echo.gate.release()
        message = await found
    assert message.whole
    assert message.one(b"content-type").startswith(b"application/json" if array else SSE[:17])
    assert message.one(b"x-gateway-lane")
    pings = message.body.removesuffix(b"".join(pieces))
    assert len(pings) >= 9 * len(ping)
    assert pings == ping * (len(pings) // len(ping))
    if array:
        assert json.loads(message.body) == json.loads(door.answer)


@each_form
async def test_an_early_head_is_followed_by_an_error_in_its_own_form(
    rigid: tuple[Echo, Held], door: Door, client: bytes, ping: bytes, array: bool
) -> None:
    """A provider that answers something else than a stream cannot be passed on as one."""
    echo, here = rigid
    page = b"<html>gateway time-out</html>"
    echo.says(
        head_of(504, [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(page))]),
        page,
    )
    message = await told(here, _ask(door, (b"user-agent", client), array=array), ping)
    assert message.whole
    rest = message.body.strip() if ping is BLANKS else message.body.replace(ping, b"")
    if array:
        assert [list(one) for one in json.loads(rest)] == [["error"]]
    else:
        assert rest.count(b"data: {") == 1
        assert b"504" in rest
        assert not keepers()


ODD: list[tuple[str, HeaderList, bytes]] = [
    ("compressed", [(b"content-type", SSE), (b"content-encoding", b"gzip")], gzip.compress(b"x")),
    ("whole", [(b"content-type", JSON)], MESSAGES.answer),
    ("a page", [(b"content-type", b"text/html")], b"<html>"),
]


@pytest.mark.parametrize(("headers", "body"), [row[1:] for row in ODD], ids=[row[0] for row in ODD])
async def test_what_does_not_fit_an_early_head_is_an_error_and_not_a_stream(
    rigid: tuple[Echo, Held], headers: HeaderList, body: bytes
) -> None:
    """The head that is out has no content encoding, so none is asked for."""
    echo, here = rigid
    echo.says(head_of(200, [*headers, (b"content-length", b"%d" % len(body))]), body)
    message = await told(here, _ask(MESSAGES, (b"accept-encoding", b"gzip, br")), PING)
    (heard,) = echo.heard
    assert heard.one(b"accept-encoding") == b"identity"
    assert message.whole
    assert body not in message.body
    assert b"event: error" in message.body


async def test_codex_is_told_to_stop_or_to_go_on(
    provider: RunningSimulator, store_url: str
) -> None:
    """Provider-facts B8: it reads the code of a failed response, and no status after the head."""
    async with held(provider.url, store_url) as here:
        for variant, status, code in (
            ("insufficient_quota", 429, "insufficient_quota"),
            ("", 400, "invalid_prompt"),
        ):
            provider.state.reset()
            provider.state.faults.set([FaultRule(kind="status", status=status, variant=variant)])
            data = _ask(RESPONSES, (b"user-agent", b"codex_cli_rs/0.169.0"))
            message = await told(here, data, CODEX)
            (last,) = [one for one in message.body.split(b"\n\n") if b"response.failed" in one]
            event = json.loads(last.partition(b"data: ")[2])
            assert event["response"]["error"]["code"] == code
            here.shut()
            await here.waiting(OPENAI, 0)
            here.wire.said.clear()
        provider.state.faults.clear()


# --- heads, turns and stalls -------------------------------------------------------------------


async def test_a_call_that_need_not_wait_is_not_kept(wire: Wire, store_url: str) -> None:
    """A provider that is slow itself is passed through: its head is worth more than a ping."""
    wire.echo.says(b"", head_of(418, [(b"content-length", b"0"), (b"x-own", b"yes")]))
    wire.echo.gate = asyncio.Semaphore(0)
    async with (
        held(wire.echo.url, store_url) as here,
        dialled(here.gateway_url) as (slow, writer),
        asked_later(here) as kept,
    ):
        here.open()
        writer.write(_ask(MESSAGES))
        await until(lambda: len(wire.echo.heard) == 1, "the call at the provider")
        here.shut()
        await here.waiting(ANTHROPIC, 0)
        # A second call, shut out, is the clock: the first would have been kept before it.
        await kept(_ask(MESSAGES))
        await here.wire.until_said(PING, 5)
        wire.echo.gate.release()
        message = await hear(slow)
    assert (message.status, message.one(b"x-own"), message.body) == (418, b"yes", b"")


async def test_the_head_is_held_from_the_arrival_of_the_call(
    provider: RunningSimulator, store_url: str
) -> None:
    """Over all turns: what a provider's 429 took is not held a second time."""
    provider.state.reset()
    provider.state.faults.set(
        [
            FaultRule(kind="delay", delay_s=0.9, count=1),
            FaultRule(kind="status", status=429, variant="rate_limit", retry_after_s=1, count=1),
        ]
    )
    async with held(provider.url, store_url, hold_s=0.8, hold_whole_s=60) as here:
        here.open()
        async with asked(here, _ask(MESSAGES)) as reader:
            message = await hear(reader)
    assert [one.status for one in provider.state.ledger.log] == [429, 200]
    assert message.body.count(PING) >= 10  # were it held anew, it would be admitted before
    assert b"message_stop" in message.body


@pytest.mark.parametrize("speech", SPEECHES, ids=str)
async def test_pings_go_on_while_a_providers_limit_is_waited_for(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """The client of a stream that is open sees nothing of a 429 in between."""
    sdk = next(one for one in STREAMERS if one.speech is speech)
    provider.state.reset()
    provider.state.faults.set(
        [FaultRule(kind="status", status=429, variant="rate_limit", retry_after_s=1, count=1)]
    )
    async with held(provider.url, store_url) as here:
        call = asyncio.ensure_future(sdk.talk(here.url, {}))
        await here.wire.until_said(sdk.ping, 3)
        here.open()
        assert await call
        assert here.wire.said.count(sdk.ping) >= 20
    assert [one.status for one in provider.state.ledger.log] == [429, 200]


@pytest.mark.parametrize("after_chunks", [-1, 0], ids=["no head", "no event"])
@pytest.mark.parametrize("speech", SPEECHES, ids=str)
async def test_pings_do_not_hide_a_dead_provider(
    provider: RunningSimulator, store_url: str, speech: Speech, after_chunks: int
) -> None:
    """Field note 15: they end with the provider's time for a first byte, and the SDK raises."""
    sdk = next(one for one in STREAMERS if one.speech is speech)
    provider.state.reset()
    provider.state.faults.set([FaultRule(kind="hang", after_chunks=after_chunks, count=1)])
    patience = Timeouts(first_byte_s=0.4, between_chunks_s=0.4)
    async with held(provider.url, store_url, timeouts=patience) as here:
        call = asyncio.ensure_future(sdk.talk(here.url, {}))
        await here.wire.until_said(sdk.ping, 3)
        here.open()
        loop = asyncio.get_running_loop()
        began = loop.time()
        with pytest.raises(sdk.raises, match="did not answer in time"):
            await call
        assert 0.3 < loop.time() - began < 2
        await until_let_go()
        await until(lambda: provider.state.ledger.in_flight == 0, "a provider left alone")


async def test_a_head_and_then_silence_does_not_buy_a_second_term(
    wire: Wire, store_url: str
) -> None:
    """The first byte is what counts; a head in the last moment does not start the clock anew."""
    wire.echo.says(
        b"", head_of(200, [(b"content-type", SSE), (b"transfer-encoding", b"chunked")]), b"0"
    )
    wire.echo.gate = asyncio.Semaphore(0)
    patience = Timeouts(first_byte_s=0.6, between_chunks_s=5.0)
    async with (
        held(wire.echo.url, store_url, timeouts=patience) as here,
        asked(here, _ask(MESSAGES)) as reader,
    ):
        await here.wire.until_said(PING, 3)
        here.open()
        await until(lambda: len(wire.echo.heard) == 1, "the call at the provider")
        wire.echo.gate.release()
        loop = asyncio.get_running_loop()
        began = loop.time()
        message = await hear(reader)
        assert loop.time() - began < 2
    assert message.whole
    assert b"event: error" in message.body
    assert b"timeout_error" in message.body


async def test_a_client_that_leaves_while_it_is_kept_leaves_the_queue_at_once(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 19; and nobody goes on pinging into its closed connection."""
    provider.state.reset()
    async with held(provider.url, store_url) as here:
        async with asked(here, _ask(MESSAGES)):
            await here.wire.until_said(PING, 3)
            await here.waiting(ANTHROPIC, 1)
            assert keepers()
        await here.waiting(ANTHROPIC, 0)
        await until_let_go()
        here.open()
        await here.waiting(ANTHROPIC, 0)
    assert not provider.state.ledger.log


async def test_a_client_that_leaves_while_the_provider_is_silent_is_let_go(
    provider: RunningSimulator, store_url: str
) -> None:
    """The call at the provider is cancelled too."""
    provider.state.reset()
    provider.state.faults.set([FaultRule(kind="hang", after_chunks=-1, count=1)])
    async with held(provider.url, store_url) as here:
        async with asked(here, _ask(MESSAGES)):
            await here.wire.until_said(PING, 3)
            here.open()
            await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        await until_let_go()
        await until(lambda: provider.state.ledger.in_flight == 0, "a provider left alone")
