"""Translated calls beyond their words: headers, thoughts, arrays, async SDKs, refusals, settings."""

import asyncio
from dataclasses import replace
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from google import genai
from google.genai import types

from gateway.domain.translating import Translating
from gateway.simulator import FaultRule
from tests.contracts.speakers import Ask, Chat
from tests.contracts.translated import CLAUDE, GEMINI, GPT, THINKER, Ground
from tests.fixtures.gateway import KEY, gateway_settings, running_gateway
from tests.fixtures.valkey import ValkeyProcess
from tests.integration.asking import admin

pytestmark = pytest.mark.asyncio(loop_scope="module")
HELLO: Any = [{"role": "user", "content": "hello [[output=9]]"}]


async def test_what_was_left_out_is_listed_and_the_sdk_finds_the_providers_id(
    translated: Ground,
) -> None:
    sdk = translated.speakers["chat"].sdk
    raw = await asyncio.to_thread(
        sdk.chat.completions.with_raw_response.create,
        model=CLAUDE,
        messages=HELLO,
        seed=7,
        service_tier="flex",
    )
    assert raw.headers["x-gateway-dropped"] == "service_tier, seed"
    assert raw.headers["x-gateway-model"] == CLAUDE
    assert raw.parse()._request_id.startswith("req_0")
    assert "anthropic-ratelimit-requests-limit" not in raw.headers


async def test_what_cannot_be_said_is_refused_with_the_callers_field(translated: Ground) -> None:
    before = len(list(translated.simulator.state.ledger.since(0)))
    with pytest.raises(openai.BadRequestError) as refused:
        await asyncio.to_thread(
            translated.speakers["chat"].sdk.chat.completions.create,
            model=CLAUDE,
            messages=HELLO,
            n=2,
        )
    assert refused.value.param == "n"
    assert refused.value.response.headers["x-gateway-reason"] == "bad_request"
    assert len(list(translated.simulator.state.ledger.since(0))) == before


async def test_async_sdks_stream_too(translated: Ground) -> None:
    text = (await translated.ask("chat", Ask(CLAUDE))).text
    oa = openai.AsyncOpenAI(base_url=f"{translated.url}/v1", api_key=KEY, max_retries=0)
    body = translated.speakers["chat"].body(Ask(CLAUDE))
    async with oa, oa.chat.completions.stream(**body) as stream:
        assert (await stream.get_final_completion()).choices[0].message.content == text
    text = (await translated.ask("anthropic", Ask(GEMINI))).text
    claude = anthropic.AsyncAnthropic(base_url=translated.url, api_key=KEY, max_retries=0)
    body = translated.speakers["anthropic"].body(Ask(GEMINI))
    async with claude, claude.messages.stream(**body) as messages:
        assert await messages.get_final_text() == text
    text = (await translated.ask("gemini", Ask(GPT))).text
    options = types.HttpOptions(base_url=translated.url, api_version="v1beta")
    client = genai.Client(api_key=KEY, http_options=options).aio
    body = translated.speakers["gemini"].body(Ask(GPT))
    chunks = [chunk async for chunk in await client.models.generate_content_stream(**body)]
    await client.aclose()
    assert "".join(chunk.text or "" for chunk in chunks) == text


async def test_a_stream_of_gemini_may_be_one_array(translated: Ground) -> None:
    path = f"{translated.url}/v1beta/models/{GPT}:streamGenerateContent"
    wish = {"contents": [{"role": "user", "parts": [{"text": "hello [[output=40]]"}]}]}
    async with httpx2.AsyncClient(trust_env=False) as client:
        found = await client.post(path, json=wish, headers={"x-goog-api-key": KEY})
        assert found.headers["content-type"].startswith("application/json")
        chunks = found.json()
        assert chunks[-1]["usageMetadata"]["candidatesTokenCount"] == 40
        rule = FaultRule("error_event", count=1, variant="overloaded", after_chunks=2)
        translated.simulator.state.faults.set([rule])
        broken = await client.post(path, json=wish, headers={"x-goog-api-key": KEY})
    assert broken.json()[-1]["error"]["code"] == 503


async def test_thoughts_are_shown_to_who_named_the_model(translated: Ground) -> None:
    messages = translated.speakers["anthropic"].sdk.messages
    wish: dict[str, Any] = {
        "model": THINKER,
        "max_tokens": 4000,
        "thinking": {"type": "enabled", "budget_tokens": 2000},
        "messages": [{"role": "user", "content": "[[thinking=30]] [[output=20]]"}],
    }
    found = await asyncio.to_thread(messages.create, **wish)
    assert [block.type for block in found.content] == ["thinking", "text"]
    assert found.usage.output_tokens_details.thinking_tokens == 30
    assert found.usage.output_tokens == 50
    # Sent back, they are left out: nobody else could read them.
    wish["messages"] += [
        {"role": "assistant", "content": found.content},
        {"role": "user", "content": "and now?"},
    ]
    raw = await asyncio.to_thread(messages.with_raw_response.create, **wish)
    assert raw.headers["x-gateway-dropped"] == "messages.content.thinking"
    responses = translated.speakers["responses"].sdk.responses
    wish = {"model": CLAUDE, "input": "[[thinking=30]] hi", "reasoning": {"summary": "auto"}}
    answer = await asyncio.to_thread(responses.create, **wish)
    assert [item.type for item in answer.output] == ["reasoning", "message"]


async def test_what_a_provider_had_cached_is_told_where_the_sdk_looks_for_it(
    translated: Ground,
) -> None:
    long = Ask(GPT, "word " * 3000 + "[[output=5]]")
    messages = translated.speakers["anthropic"].sdk.messages
    body = translated.speakers["anthropic"].body(long)
    await asyncio.to_thread(messages.create, **body)
    again = (await asyncio.to_thread(messages.create, **body)).usage
    assert again.cache_read_input_tokens > 2000
    assert again.input_tokens < 1000
    responses = translated.speakers["responses"]
    longer = responses.body(Ask(GEMINI, "word " * 6000 + "[[output=5]]"))
    await asyncio.to_thread(responses.sdk.responses.create, **longer)
    read = await asyncio.to_thread(responses.sdk.responses.create, **longer)
    assert read.usage.input_tokens_details.cached_tokens > 4000
    gemini = translated.speakers["gemini"]
    found = await asyncio.to_thread(gemini.sdk.models.generate_content, **gemini.body(long))
    assert found.usage_metadata.cached_content_token_count > 2000
    assert found.usage_metadata.prompt_token_count > 3000


async def test_the_accounts_speak_of_the_model_that_answered(translated: Ground) -> None:
    raw = await asyncio.to_thread(
        translated.speakers["chat"].sdk.chat.completions.with_raw_response.create,
        model=CLAUDE,
        messages=HELLO,
    )
    used = raw.parse().usage
    async with admin(translated.url) as asked:
        told = await asked.why(raw.headers["x-gateway-request-id"])
    assert (told["model"], told["provider"], told["dialect"]) == (CLAUDE, "claude", "openai")
    assert told["usage"]["output_tokens"] == used.completion_tokens == 9
    assert told["usage"]["input_tokens"] == used.prompt_tokens
    assert told["priced"] is True


@pytest.mark.parametrize("translation", [Translating.MOVED, Translating.OFF])
async def test_a_model_asked_by_name_stays_where_nothing_is_translated_for_it(
    translated: Ground, valkey_server: ValkeyProcess, translation: Translating
) -> None:
    settings = gateway_settings(translated.simulator.url)
    topology = replace(settings.topology, translation=translation)
    async with running_gateway(replace(settings, topology=topology), valkey_server.url) as gateway:
        speaker = Chat(gateway.url, KEY)
        with pytest.raises(openai.NotFoundError):
            await asyncio.to_thread(speaker.whole, Ask(CLAUDE))
        speaker.sdk.close()
