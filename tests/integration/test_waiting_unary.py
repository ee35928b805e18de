"""Whole answers that wait long: silence where it is safe, `102 Processing` where it is not.

docs/waiting.md says what each client gets and why.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as genai_errors
from google.genai import types

from gateway.config.settings import ServerSettings
from gateway.domain.limits import LaneLimits
from gateway.domain.topology import QueueSettings
from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.echo import HeaderList, dialled, hear, request
from tests.fixtures.echo import head as head_of
from tests.fixtures.gateway import KEY
from tests.integration.conftest import Wire
from tests.integration.dialects import CHAT, GENERATE, JSON, MESSAGES, Door, body_of
from tests.integration.held import EVERY_S, SPEECHES, held, keepers, until_let_go
from tests.integration.sdk_streams import CLAUDE, CLAUDE_SAYS, GPT_SAYS, PROMPT
from tests.integration.speaking import ANTHROPIC, GEMINI, OPENAI, Speech, agent
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
PROCESSING = b"HTTP/1.1 102 Processing\r\n\r\n"
GEMINI_CLI = "GeminiCLI/0.61.0/gemini-2.5-flash (linux; x64)"
IMPATIENT_S = 0.5
"""The read time-out of the clients, far below the wait and far above the pause between signs."""
Talk = Callable[[str, float, int], Awaitable[str]]


# --- what each SDK does ------------------------------------------------------------------------


async def claude(url: str, timeout_s: float, retries: int) -> str:
    async with anthropic.AsyncAnthropic(
        base_url=url, api_key=KEY, max_retries=retries, timeout=timeout_s
    ) as sdk:
        message = await sdk.messages.create(**CLAUDE, messages=CLAUDE_SAYS)
        return "".join(block.text for block in message.content if block.type == "text")


def _claude_sync(url: str, timeout_s: float, retries: int) -> str:
    with anthropic.Anthropic(
        base_url=url, api_key=KEY, max_retries=retries, timeout=timeout_s
    ) as sdk:
        message = sdk.messages.create(**CLAUDE, messages=CLAUDE_SAYS)
        return "".join(block.text for block in message.content if block.type == "text")


async def chat(url: str, timeout_s: float, retries: int) -> str:
    async with openai.AsyncOpenAI(
        base_url=url + "/v1", api_key=KEY, max_retries=retries, timeout=timeout_s
    ) as sdk:
        answer = await sdk.chat.completions.create(model=OPENAI.model, messages=GPT_SAYS)
        return answer.choices[0].message.content or ""


async def responses(url: str, timeout_s: float, retries: int) -> str:
    async with openai.AsyncOpenAI(
        base_url=url + "/v1", api_key=KEY, max_retries=retries, timeout=timeout_s
    ) as sdk:
        return (await sdk.responses.create(model=OPENAI.model, input=PROMPT)).output_text


def _chat_sync(url: str, timeout_s: float, retries: int) -> str:
    with openai.OpenAI(
        base_url=url + "/v1", api_key=KEY, max_retries=retries, timeout=timeout_s
    ) as sdk:
        answer = sdk.chat.completions.create(model=OPENAI.model, messages=GPT_SAYS)
        return answer.choices[0].message.content or ""


def _google(url: str, timeout_s: float, retries: int) -> genai.Client:
    options = types.HttpOptions(
        base_url=url,
        timeout=round(timeout_s * 1000),
        retry_options=types.HttpRetryOptions(attempts=1 + retries, initial_delay=0.01),
    )
    return genai.Client(api_key=KEY, http_options=options)


def _generate_sync(url: str, timeout_s: float, retries: int) -> str:
    client = _google(url, timeout_s, retries)
    try:
        return client.models.generate_content(model=GEMINI.model, contents=PROMPT).text or ""
    finally:
        client.close()


async def generate(url: str, timeout_s: float, retries: int) -> str:
    client = _google(url, timeout_s, retries).aio
    try:
        answer = await client.models.generate_content(model=GEMINI.model, contents=PROMPT)
        return answer.text or ""
    finally:
        await client.aclose()


def threaded(talk: Callable[[str, float, int], str]) -> Talk:
    async def run(url: str, timeout_s: float, retries: int) -> str:
        return await asyncio.to_thread(talk, url, timeout_s, retries)

    return run


@dataclass(frozen=True)
class Asker:
    """One way to ask for a whole answer: (base URL, read time-out, retries) → its text."""

    name: str
    speech: Speech
    talk: Talk

    def __str__(self) -> str:
        """For test ids."""
        return self.name


ASKERS = (
    Asker("anthropic", ANTHROPIC, threaded(_claude_sync)),
    Asker("anthropic async", ANTHROPIC, claude),
    Asker("openai chat", OPENAI, threaded(_chat_sync)),
    Asker("openai async chat", OPENAI, chat),
    Asker("openai async responses", OPENAI, responses),
    Asker("genai", GEMINI, threaded(_generate_sync)),
    Asker("genai async", GEMINI, generate),
)
each_sdk = pytest.mark.parametrize("sdk", ASKERS, ids=str)


@each_sdk
async def test_interim_answers_keep_an_sdk_beyond_its_time_out(
    provider: RunningSimulator, store_url: str, sdk: Asker
) -> None:
    """Provider-facts B0: they reset its clock, and the status is still open."""
    provider.state.reset()
    signs = 3 * round(IMPATIENT_S / EVERY_S)
    async with held(provider.url, store_url, hold_whole_s=0.04) as here:
        call = asyncio.ensure_future(sdk.talk(here.url, IMPATIENT_S, 0))
        await here.wire.until_said(PROCESSING, signs)
        assert not call.done()
        here.open()
        assert await call
        provider.state.faults.set([FaultRule(kind="status", status=400, message="It is bad.")])
        here.shut()
        await here.waiting(sdk.speech, 0)
        call = asyncio.ensure_future(sdk.talk(here.url, IMPATIENT_S, 0))
        await here.wire.until_said(PROCESSING, here.wire.said.count(PROCESSING) + 3)
        here.open()
        with pytest.raises((
            anthropic.BadRequestError, openai.BadRequestError, genai_errors.ClientError
        )) as raised:  # fmt: skip
            await call
        assert "It is bad." in str(raised.value)
    assert [one.status for one in provider.state.ledger.log] == [200, 400]


async def test_a_provider_may_be_slow_after_the_wait(
    provider: RunningSimulator, store_url: str
) -> None:
    """What has begun goes on until the provider's head, since the client's clock goes on too."""
    provider.state.reset()
    provider.state.faults.set([FaultRule(kind="delay", delay_s=2 * IMPATIENT_S, count=1)])
    async with held(provider.url, store_url, hold_whole_s=0.04) as here:
        call = asyncio.ensure_future(claude(here.url, IMPATIENT_S, 0))
        await here.wire.until_said(PROCESSING, 3)
        here.open()
        assert await call
        assert not keepers()


# --- who gets what -----------------------------------------------------------------------------


def _ask(door: Door, client: str, version: bytes = b"HTTP/1.1") -> bytes:
    name, _ = door.credential
    value = b"Bearer " + KEY.encode() if name == b"authorization" else KEY.encode()
    headers: HeaderList = [(name, value), (b"user-agent", client.encode())]
    if door is MESSAGES:
        headers.append((b"anthropic-version", b"2023-06-01"))
    data = request(b"POST", door.path, headers, body_of(door.members))
    return data.replace(b"HTTP/1.1", version, 1)


async def test_gemini_cli_gets_interim_answers_and_then_the_providers_bytes(
    wire: Wire, store_url: str
) -> None:
    """It wants a head within 60 s (provider-facts B13); an interim one starts its clock anew."""
    length = (b"content-length", b"%d" % len(GENERATE.answer))
    wire.echo.says(head_of(200, [(b"content-type", JSON), length]), GENERATE.answer)
    async with (
        held(wire.echo.url, store_url) as here,
        dialled(here.url) as (reader, writer),
    ):
        writer.write(_ask(GENERATE, GEMINI_CLI))
        await here.wire.until_said(PROCESSING, 5)
        here.open()
        raw = await reader.read()
    assert raw.startswith(PROCESSING * 5)
    rest = raw.replace(PROCESSING, b"")
    assert rest.startswith(b"HTTP/1.1 200 ")
    assert rest.endswith(b"\r\n\r\n" + GENERATE.answer)


SILENT = [
    ("claude code", MESSAGES, "claude-cli/2.1.331 (external, cli)", b"HTTP/1.1"),
    ("openai", CHAT, "AsyncOpenAI/Python 3.57.0", b"HTTP/1.1"),
    ("genai", GENERATE, "google-genai-sdk/3.6.1 gl-python/3.11", b"HTTP/1.1"),
    ("gemini cli over 1.0", GENERATE, GEMINI_CLI, b"HTTP/1.0"),
]


@pytest.mark.parametrize(
    ("door", "client", "version"), [row[1:] for row in SILENT], ids=[row[0] for row in SILENT]
)
async def test_others_are_told_nothing_until_there_is_an_answer(
    wire: Wire, store_url: str, door: Door, client: str, version: bytes
) -> None:
    """Their own patience is longer than the queue's; HTTP/1.0 has no interim answers."""
    length = (b"content-length", b"%d" % len(door.answer))
    wire.echo.says(head_of(200, [(b"content-type", JSON), length]), door.answer)
    async with (
        held(wire.echo.url, store_url) as here,
        dialled(here.gateway_url) as (reader, writer),
        dialled(here.url) as (_, clock),
    ):
        writer.write(_ask(door, client, version))
        speech = next(one for one in SPEECHES if one.model.encode() in _ask(door, ""))
        await here.waiting(speech, 1)
        clock.write(_ask(GENERATE, GEMINI_CLI))
        await here.wire.until_said(PROCESSING, 5)
        here.open()
        raw = await reader.read()
    assert raw.startswith(version + b" 200 ") or raw.startswith(b"HTTP/1.1 200 ")
    assert raw.endswith(b"\r\n\r\n" + door.answer)


async def test_the_defaults_leave_room_for_every_clients_patience() -> None:
    """docs/waiting.md: who is told nothing waits longer than the queue lets him wait."""
    server, queue = ServerSettings(), QueueSettings()
    gemini_cli_s, claude_code_s, node_s = 60, 300, 300
    assert queue.max_wait_s < server.hold_whole_s < min(claude_code_s, node_s)
    assert server.hold_head_s + server.keepalive_s < gemini_cli_s
    banner_s = 20
    assert server.hold_head_s < banner_s


# --- refusals ----------------------------------------------------------------------------------


async def test_a_refusal_after_interim_answers_has_its_own_status_and_time(
    provider: RunningSimulator, store_url: str
) -> None:
    """The status was never given away: 429, a retry-after, and no half answer."""
    provider.state.reset()
    provider.state.faults.set([FaultRule(kind="hang", after_chunks=-1, count=1)])
    async with (
        held(provider.url, store_url, limits=LaneLimits(concurrency=1)) as here,
        agent(here.gateway_url) as other,
        agent(here.url) as impatient,
    ):
        here.open()
        running = asyncio.ensure_future(other.say(GEMINI))
        await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        answer = await impatient.say(
            GEMINI, extra={"user-agent": GEMINI_CLI, "x-gateway-max-wait": "0.4"}
        )
        assert here.wire.said.count(PROCESSING) >= 3
        assert (answer.status, answer.reason) == (429, "queue_timeout")
        assert int(answer.headers["retry-after"]) >= 1
        assert not keepers()
        running.cancel()
        await until(lambda: provider.state.ledger.in_flight == 0, "the end of the first call")


async def test_a_client_that_leaves_after_interim_answers_leaves_the_queue(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 19."""
    provider.state.reset()
    async with held(provider.url, store_url) as here:
        async with dialled(here.url) as (_, writer):
            writer.write(_ask(GENERATE, GEMINI_CLI))
            await here.wire.until_said(PROCESSING, 3)
            await here.waiting(GEMINI, 1)
        await here.waiting(GEMINI, 0)
        await until_let_go()
    assert not provider.state.ledger.log


BILLING = [
    (ASKERS[1], "spend_cap"),
    (ASKERS[3], "insufficient_quota"),
    (ASKERS[3], "spend_cap"),
    (ASKERS[4], "billing"),
    (ASKERS[6], "spend_cap"),
]


@pytest.mark.parametrize(("sdk", "variant"), BILLING, ids=str)
async def test_a_billing_refusal_is_raised_at_once_and_tried_once(
    provider: RunningSimulator, store_url: str, sdk: Asker, variant: str
) -> None:
    """Provider-facts B4: SDKs try any 429 again, unless `x-should-retry: false` says not to.

    google-genai knows no such header; it tries again only where its user asked for it.
    """
    provider.state.reset()
    provider.state.faults.set([FaultRule(kind="status", status=429, variant=variant, count=1)])
    async with held(provider.url, store_url) as here:
        here.open()
        retries = 0 if sdk.speech is GEMINI else 2
        with pytest.raises((
            anthropic.RateLimitError, openai.RateLimitError, genai_errors.ClientError
        )):  # fmt: skip
            await sdk.talk(here.url, 20.0, retries)
        lane = await here.books.inspect_lane(sdk.speech.dialect)
        assert not any(lane.blocked_until_us)
        assert sum(lane.waiting) == 0
        assert here.wire.said.count(b"x-should-retry: false") == 1
        assert await sdk.talk(here.url, 20.0, 0)
    assert [one.status for one in provider.state.ledger.log] == [429, 200]


@pytest.mark.parametrize("status", [400, 404, 500, 529])
async def test_no_other_answer_gets_a_word_on_retrying(
    provider: RunningSimulator, store_url: str, status: int
) -> None:
    """Field note 17: what is not final stays as the provider said it."""
    provider.state.reset()
    provider.state.faults.set([FaultRule(kind="status", status=status, count=1)])
    async with held(provider.url, store_url) as here, agent(here.url) as someone:
        here.open()
        answer = await someone.say(ANTHROPIC)
        assert answer.status == status
        assert "x-should-retry" not in answer.headers


async def test_what_the_provider_says_on_retrying_is_not_said_twice(
    wire: Wire, store_url: str
) -> None:
    """Field note 17: added where it is missing, never changed."""
    body = b'{"type":"error","error":{"type":"rate_limit_error","message":"No credit."}}'
    fields = [
        (b"content-type", JSON),
        (b"content-length", b"%d" % len(body)),
        (b"x-should-retry", b"false"),
    ]
    wire.echo.says(head_of(429, fields), body)
    async with held(wire.echo.url, store_url) as here, dialled(here.url) as (reader, writer):
        here.open()
        writer.write(_ask(MESSAGES, "x"))
        found = await hear(reader)
    assert (found.status, found.body) == (429, body)
    assert found.all(b"x-should-retry") == [b"false"]
