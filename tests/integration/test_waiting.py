"""Waiting is honest: how long, why, and what the agent's SDK makes of a refusal.

Field notes 7, 16, 17, 18 and 19: a refusal names the limit, says when to come back in the words of
the caller's dialect, and is never an invention; a provider's own 429 is waited for by the gateway.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from google import genai
from google.genai import errors as genai_errors
from google.genai import types as genai_types

from gateway.domain.limits import Budget, LaneLimits
from gateway.simulator import FaultRule, RunningSimulator
from tests.fixtures.gateway import KEY
from tests.fixtures.valkey import on_socket, running, short_directory
from tests.integration.ground import LANE, Ground, ground
from tests.integration.speaking import (
    ALL,
    ANTHROPIC,
    GEMINI,
    OPENAI,
    STREAMED,
    WHOLE,
    Answer,
    Speech,
)
from tests.integration.waiting import until

pytestmark = pytest.mark.asyncio(loop_scope="module")
NOW_OR_NEVER = {"x-gateway-max-wait": "0"}
each = pytest.mark.parametrize("speech", ALL, ids=str)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def refusing(provider: RunningSimulator) -> AsyncIterator[Ground]:
    """For calls that must not get anywhere. On a store of its own, whose limits it sets."""
    with short_directory() as directory, running(on_socket(directory)) as store:
        async with ground(provider, store.url) as here:
            yield here


def retry_after_of(answer: Answer) -> float:
    """Seconds, from wherever the dialect's SDK reads them."""
    if "retry-after" in answer.headers:
        return float(answer.headers["retry-after"])
    details = json.loads(answer.body)["error"]["details"]
    [info] = [one for one in details if one["@type"].endswith("RetryInfo")]
    return float(info["retryDelay"].removesuffix("s"))


async def queued(here: Ground, lane: str, count: int) -> None:
    """Wait until so many calls wait in a lane."""
    async with asyncio.timeout(20):
        while sum((await here.books.inspect_lane(lane)).waiting) != count:
            pass


async def test_the_retry_after_of_a_refusal_is_when_the_call_fits(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field notes 16 and 18: no invented time; and after it, the call goes through."""
    async with ground(provider, store_url, budget=Budget(rpm=len(ALL)), minute_s=1.5) as here:
        first = await asyncio.gather(*(here.alice.say(one) for one in ALL))
        assert {one.status for one in first} == {200}
        refused = await asyncio.gather(*(here.alice.say(one, extra=NOW_OR_NEVER) for one in ALL))
        for answer in refused:
            assert (answer.status, answer.reason) == (429, "agent_budget")
            assert 0 < retry_after_of(answer) <= 2
            assert answer.headers.get("x-should-retry") != "false"
        await asyncio.sleep(max(retry_after_of(one) for one in refused))  # what is tested
        again = await asyncio.gather(*(here.alice.say(one, extra=NOW_OR_NEVER) for one in ALL))
        assert {one.status for one in again} == {200}


@pytest.mark.parametrize(
    ("speech", "most_s"), [(ANTHROPIC, 60), (OPENAI, 120), (GEMINI, 300)], ids=str
)
async def test_a_retry_after_is_one_that_the_sdk_obeys(
    provider: RunningSimulator, store_url: str, speech: Speech, most_s: float
) -> None:
    """Field note 16: Claude Code gives up at once on more than 60 s, the OpenAI SDK on 120 s."""
    async with ground(provider, store_url, budget=Budget(rpm=1), minute_s=600) as here:
        assert (await here.alice.say(speech)).status == 200
        answer = await here.alice.say(speech, extra={"x-gateway-max-wait": "5"})
        assert (answer.status, answer.reason) == (429, "agent_budget")
        assert 0 < retry_after_of(answer) <= most_s
        assert b"rpm" in answer.body
        assert b"alice" in answer.body


@each
async def test_a_call_waits_for_its_turn_and_is_told_how_long(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 19, the good side: within its patience a call waits and then simply works."""
    async with ground(provider, store_url, budget=Budget(concurrency=1), ttft_s=0.1) as here:
        first, second = await asyncio.gather(here.alice.say(speech), here.alice.say(speech))
        assert (first.status, second.status) == (200, 200)
        waited_ms = sorted(int(one.headers["x-gateway-queue-ms"]) for one in (first, second))
        assert waited_ms[0] < 90 <= waited_ms[1]


async def test_a_call_whose_patience_ends_is_refused_then(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 19: neither before nor long after, and the call in its way goes on."""
    async with ground(provider, store_url, budget=Budget(concurrency=1), ttft_s=1.0) as here:
        first = asyncio.ensure_future(here.alice.say(ANTHROPIC))
        await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await asyncio.gather(
            *(here.alice.say(one, extra={"x-gateway-max-wait": "0.3"}) for one in WHOLE)
        )
        assert 0.29 <= loop.time() - began < 0.9
        for answer in answers:
            assert answer.status == 429
            assert answer.reason in {"agent_budget", "queue_timeout"}
            assert retry_after_of(answer) >= 1
        assert (await first).status == 200
        assert provider.state.ledger.totals.requests == 1


async def test_the_queues_own_patience_ends_a_wait_too(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 19: without a header, `queue.max_wait` decides."""
    async with ground(
        provider, store_url, lane=(ANTHROPIC, LaneLimits(rpm=4)), max_wait_s=0.5
    ) as here:
        answers = await asyncio.gather(*(here.alice.say(ANTHROPIC) for _ in range(6)))
        assert {(one.status, one.reason) for one in answers} == {(200, ""), (429, "queue_timeout")}


@pytest.mark.parametrize("speech", STREAMED, ids=str)
async def test_a_client_that_leaves_the_queue_is_not_served(
    provider: RunningSimulator, store_url: str, speech: Speech
) -> None:
    """Field note 19: its place is free at once, and nothing of it reaches the provider."""
    async with ground(provider, store_url, budget=Budget(concurrency=1), ttft_s=0.3) as here:
        first = asyncio.ensure_future(here.alice.say(speech))
        await until(lambda: provider.state.ledger.in_flight == 1, "a call at the provider")
        waiting = asyncio.ensure_future(here.alice.say(speech))
        lane = f"{speech.provider}/{speech.model}"
        await queued(here, lane, 1)
        waiting.cancel()
        await queued(here, lane, 0)
        assert (await first).status == 200
        budget = await here.books.inspect_agent("alice")
        assert (budget.in_flight, budget.requests) == (0, 1)
        assert provider.state.ledger.totals.requests == 1


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x-gateway-priority", "asap"),
        ("x-gateway-priority", ""),
        ("x-gateway-priority", "urgent,normal"),
        ("x-gateway-max-wait", "soon"),
        ("x-gateway-max-wait", ""),
        ("x-gateway-max-wait", "-1"),
        ("x-gateway-max-wait", "nan"),
        ("x-gateway-max-wait", "inf"),
        ("x-gateway-max-wait", "1e999"),
        ("x-gateway-max-wait", "5s"),
    ],
)
async def test_a_header_that_makes_no_sense_is_the_callers_error(
    refusing: Ground, name: str, value: str
) -> None:
    """Field note 23: said at once, in every dialect, instead of being guessed at."""
    before = refusing.simulator.state.ledger.totals.requests
    for speech in WHOLE:
        answer = await refusing.alice.say(speech, extra={name: value})
        assert (answer.status, answer.reason) == (400, "bad_request")
        assert name.encode() in answer.body
    assert refusing.simulator.state.ledger.totals.requests == before


async def test_a_higher_priority_goes_first(provider: RunningSimulator, store_url: str) -> None:
    """Design, section 8: `x-gateway-priority` decides who is next, not who came first."""
    lane = (ANTHROPIC, LaneLimits(concurrency=1))
    async with ground(provider, store_url, lane=lane, ttft_s=0.05) as here:
        names = ("first", "background", "normal", "urgent")
        calls = []
        for count, name in enumerate(names):
            extra = {"x-sim-client": name}
            if name != "first":
                extra["x-gateway-priority"] = name.upper()
            calls.append(asyncio.ensure_future(here.alice.say(ANTHROPIC, extra=extra)))
            await queued(here, LANE, count)
            await until(lambda: provider.state.ledger.since_s is not None, "the first call")
        await asyncio.gather(*calls)
        served = [one.client for one in provider.state.ledger.log]
        assert served == ["first", "urgent", "normal", "background"]


LARGE = "word " * 4000


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_call_larger_than_the_limit_itself_raises_at_once(
    provider: RunningSimulator, store_url: str, *, streamed: bool
) -> None:
    """Field note 7: each SDK raises its own error, with the reason, and does not try again."""
    async with ground(provider, store_url, budget=Budget(tpm=500)) as here:
        url = here.urls[0]
        for attempt in (too_large_for_anthropic, too_large_for_openai, too_large_for_gemini):
            status, headers, message = await attempt(url, streamed=streamed)
            assert status == 413
            assert "tpm" in message
            assert "500" in message
            assert headers["x-gateway-reason"] == "larger_than_limit"
        assert provider.state.ledger.totals.requests == 0


async def too_large_for_anthropic(
    url: str, *, streamed: bool
) -> tuple[int, Mapping[str, str], str]:
    async with anthropic.AsyncAnthropic(base_url=url, api_key=KEY, max_retries=2) as client:
        with pytest.raises(anthropic.APIStatusError) as raised:
            await client.messages.create(
                model=ANTHROPIC.model,
                max_tokens=100,
                messages=[{"role": "user", "content": LARGE}],
                stream=streamed,
            )
    assert raised.value.request.headers["x-stainless-retry-count"] == "0"
    return raised.value.status_code, raised.value.response.headers, raised.value.message


async def too_large_for_openai(url: str, *, streamed: bool) -> tuple[int, Mapping[str, str], str]:
    async with openai.AsyncOpenAI(base_url=url + "/v1", api_key=KEY, max_retries=2) as client:
        with pytest.raises(openai.APIStatusError) as raised:
            await client.chat.completions.create(
                model=OPENAI.model,
                max_completion_tokens=100,
                messages=[{"role": "user", "content": LARGE}],
                stream=streamed,
            )
    assert raised.value.request.headers["x-stainless-retry-count"] == "0"
    return raised.value.status_code, raised.value.response.headers, raised.value.message


async def too_large_for_gemini(url: str, *, streamed: bool) -> tuple[int, Mapping[str, str], str]:
    options = genai_types.HttpOptions(base_url=url)
    client = genai.Client(api_key=KEY, http_options=options).aio
    arguments: dict[str, Any] = {"model": GEMINI.model, "contents": LARGE}
    try:
        with pytest.raises(genai_errors.ClientError) as raised:
            if streamed:
                async for _ in await client.models.generate_content_stream(**arguments):
                    pass
            else:
                await client.models.generate_content(**arguments)
    finally:
        await client.aclose()
    return raised.value.code, raised.value.response.headers, str(raised.value.message)


@pytest.mark.parametrize("speeches", [WHOLE, STREAMED], ids=["whole", "streamed"])
async def test_a_providers_429_is_waited_for_and_never_seen(
    provider: RunningSimulator, store_url: str, speeches: Sequence[Speech]
) -> None:
    """Field note 17, promise 1: as long as the provider asks, once for all that wait there."""
    async with ground(provider, store_url) as here:
        provider.state.faults.set(
            [
                FaultRule(kind="status", status=429, dialect=one.dialect, retry_after_s=1, count=1)
                for one in speeches
            ]
        )
        calls = [one for one in speeches for _ in range(3)]
        answers = await asyncio.gather(*(here.alice.say(one) for one in calls))
        assert {one.status for one in answers} == {200}
        ledger = provider.state.ledger
        assert ledger.totals.rate_limited == len(speeches)
        for refused in [one for one in ledger.log if one.status == 429]:
            again = [
                one.started_s
                for one in ledger.log
                if one.dialect == refused.dialect and one.started_s > refused.ended_s + 0.2
            ]
            assert again
            assert min(again) >= refused.ended_s + 0.99
        budget = await here.books.inspect_agent("alice")
        assert (budget.requests, budget.in_flight) == (len(calls), 0)


async def test_a_provider_that_goes_on_refusing_does_not_stretch_the_patience(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 19: the most that a call may wait is over all its attempts, not for each."""
    async with ground(provider, store_url) as here:
        provider.state.faults.set(
            [FaultRule(kind="status", status=429, variant="rate_limit", retry_after_s=1)]
        )
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await asyncio.gather(
            *(here.alice.say(one, extra={"x-gateway-max-wait": "1.5"}) for one in WHOLE)
        )
        assert loop.time() - began < 2.0
        for answer in answers:
            assert answer.status == 429
            assert answer.reason in {"lane_blocked", "queue_timeout"}
            assert retry_after_of(answer) > 0
        assert provider.state.ledger.totals.requests == 2 * len(WHOLE)


BILLING = [
    (ANTHROPIC, "spend_cap", b"spend"),
    (OPENAI, "insufficient_quota", b"insufficient_quota"),
    (OPENAI, "spend_cap", b"organization_spend_limit_exceeded"),
    (GEMINI, "spend_cap", b"RESOURCE_EXHAUSTED"),
]


@pytest.mark.parametrize(("speech", "variant", "word"), BILLING, ids=str)
async def test_a_billing_refusal_passes_at_once_and_unchanged(
    provider: RunningSimulator, store_url: str, speech: Speech, variant: str, word: bytes
) -> None:
    """Field notes 17 and 18: waiting cannot help, and only that call is refused."""
    async with ground(provider, store_url) as here:
        provider.state.faults.set([FaultRule(kind="status", status=429, variant=variant, count=1)])
        answer = await here.alice.say(speech)
        assert (answer.status, answer.reason) == (429, "")
        assert word in answer.body
        assert provider.state.ledger.totals.requests == 1
        assert (await here.alice.say(speech)).status == 200


async def test_a_refusal_of_one_model_leaves_the_others_alone(
    provider: RunningSimulator, store_url: str
) -> None:
    """Field note 18: one bad model must not pause a whole account."""
    async with ground(provider, store_url) as here:
        provider.state.faults.set(
            [FaultRule(kind="status", status=429, model=ANTHROPIC.model, retry_after_s=50, count=1)]
        )
        refused = await here.alice.say(ANTHROPIC, extra={"x-gateway-max-wait": "1"})
        assert refused.status == 429
        other = Speech("anthropic", "claude-haiku-4-5", False, "claude")
        assert (await here.alice.say(other, extra=NOW_OR_NEVER)).status == 200
