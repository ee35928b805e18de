"""The official google-genai SDK straight at the simulator."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types

from gateway.simulator import RunningSimulator

KEY = "sim-gemini-key"
MODEL, NEWER = "gemini-2.5-flash", "gemini-3.8-flash"
WEATHER = types.Tool(
    function_declarations=[
        types.FunctionDeclaration(
            name="get_weather",
            parameters=types.Schema(
                type=types.Type.OBJECT, properties={"city": types.Schema(type=types.Type.STRING)}
            ),
        )
    ]
)


@contextmanager
def blocking(
    simulator: RunningSimulator, key: str = KEY, version: str = ""
) -> Iterator[genai.Client]:
    options = types.HttpOptions(base_url=simulator.url, api_version=version or None)
    client = genai.Client(api_key=key, http_options=options)
    try:
        yield client
    finally:
        client.close()


@asynccontextmanager
async def client(
    simulator: RunningSimulator, key: str = KEY, version: str = ""
) -> AsyncIterator[Any]:
    with blocking(simulator, key, version) as c:
        try:
            yield c.aio
        finally:
            await c.aio.aclose()


@pytest.mark.parametrize("version", ["v1", "v1beta"])
async def test_content_streamed_and_not_is_the_same(
    simulator: RunningSimulator, version: str
) -> None:
    text = "hello [[output=100]]"
    async with client(simulator, version=version) as c:
        plain = await c.models.generate_content(model=MODEL, contents=text)
        chunks = [
            chunk
            async for chunk in await c.models.generate_content_stream(model=MODEL, contents=text)
        ]
    assert plain.usage_metadata.candidates_token_count == 100
    assert "".join(chunk.text or "" for chunk in chunks) == plain.text
    counts = [chunk.usage_metadata.candidates_token_count for chunk in chunks]
    assert counts == sorted(counts)
    assert chunks[-1].usage_metadata == plain.usage_metadata
    assert chunks[-1].candidates[0].finish_reason == types.FinishReason.STOP


def test_the_blocking_client_works_too(blocking_simulator: RunningSimulator) -> None:
    with blocking(blocking_simulator) as c:
        found = c.models.generate_content(
            model=MODEL,
            contents="hi",
            config=types.GenerateContentConfig(max_output_tokens=5),
        )
        assert found.candidates is not None
        assert found.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
        chunks = list(c.models.generate_content_stream(model=MODEL, contents="hi [[output=20]]"))
    assert chunks[-1].usage_metadata is not None
    assert chunks[-1].usage_metadata.candidates_token_count == 20


async def test_function_calls_come_signed_from_newer_models_and_must_go_back_so(
    simulator: RunningSimulator,
) -> None:
    config = types.GenerateContentConfig(
        tools=[WEATHER],
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
    )
    question = types.Content(role="user", parts=[types.Part(text="use tool get_weather")])
    async with client(simulator) as c:
        found = await c.models.generate_content(model=NEWER, contents=[question], config=config)
        assert found.function_calls[0].name == "get_weather"
        turn = found.candidates[0].content
        assert turn.parts[0].thought_signature
        result = types.Content(
            role="user",
            parts=[types.Part.from_function_response(name="get_weather", response={"sky": "blue"})],
        )
        after = await c.models.generate_content(
            model=NEWER, contents=[question, turn, result], config=config
        )
        assert after.text
        turn.parts[0].thought_signature = None
        with pytest.raises(errors.ClientError, match="thought_signature"):
            await c.models.generate_content(
                model=NEWER, contents=[question, turn, result], config=config
            )


async def test_thoughts_are_counted_apart_and_shown_on_request(simulator: RunningSimulator) -> None:
    text = "[[thinking=30]] [[output=20]]"
    config = types.GenerateContentConfig(
        thinking_config=types.ThinkingConfig(include_thoughts=True)
    )
    async with client(simulator) as c:
        found = await c.models.generate_content(model=MODEL, contents=text, config=config)
    usage = found.usage_metadata
    assert (usage.candidates_token_count, usage.thoughts_token_count) == (20, 30)
    assert usage.total_token_count == usage.prompt_token_count + 50
    assert found.candidates[0].content.parts[0].thought
    assert simulator.state.ledger.log[0].output_tokens == 50


async def test_counting_and_embedding(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        counted = await c.models.count_tokens(model=MODEL, contents="x" * 400)
        assert counted.total_tokens == 100
        found = await c.models.embed_content(model="gemini-embedding-001", contents=["a", "b"])
        assert len(found.embeddings) == 2
        models = [m.name async for m in await c.models.list()]
        assert f"models/{MODEL}" in models
        assert (await c.models.get(model=MODEL)).input_token_limit == 1_048_576


async def test_implicit_caching_is_reported_within_the_prompt(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        for _ in range(2):
            found = await c.models.generate_content(model=MODEL, contents="word " * 2000)
    usage = found.usage_metadata
    assert usage.prompt_token_count == 2500
    assert usage.cached_content_token_count == 2432
    assert [r.charged["input_tokens"] for r in simulator.state.ledger.log] == [2500, 2500]


async def test_without_alt_sse_a_stream_is_one_json_array(simulator: RunningSimulator) -> None:
    path = f"/v1beta/models/{MODEL}:streamGenerateContent"
    body = {"contents": [{"parts": [{"text": "hi [[output=50]]"}]}]}
    async with httpx2.AsyncClient(base_url=simulator.url) as h:
        found = await h.post(path, params={"key": KEY}, json=body)
        assert len(found.json()) > 5
        sse = await h.post(path, params={"key": KEY, "alt": "sse"}, json=body)
        refused = await h.post(path, params={"key": KEY}, json={})
    assert sse.text.startswith("data: {")
    assert sse.text.endswith("\r\n\r\n")
    assert refused.json()[0]["error"]["status"] == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("model", "config", "code"),
    [
        ("gemini-none", {}, 404),
        (MODEL, {"max_output_tokens": 99_999}, 400),
    ],
)
async def test_bad_requests_raise_the_sdks_own_errors(
    simulator: RunningSimulator, model: str, config: Any, code: int
) -> None:
    async with client(simulator) as c:
        with pytest.raises(errors.ClientError) as caught:
            await c.models.generate_content(model=model, contents="hi", config=config)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 403),
        ({"x-goog-api-key": "wrong"}, 400),
        ({"x-goog-api-key": KEY}, 200),
        ({"authorization": f"Bearer {KEY}"}, 200),
    ],
)
async def test_only_the_true_key_is_accepted(
    simulator: RunningSimulator, headers: dict[str, str], status: int
) -> None:
    async with httpx2.AsyncClient(base_url=simulator.url, headers=headers) as h:
        found = await h.get("/v1beta/models")
    assert found.status_code == status
    assert simulator.state.ledger.totals.unauthorized == (status != 200)
