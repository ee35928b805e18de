"""The official google-genai SDK, straight at the provider and through the gateway: no difference.

The Python SDK asks below `/v1`, all others below `/v1beta` (provider-facts B9): each is a suite.
"""

from typing import Any

import pytest
from google import genai
from google.genai import errors, types

from gateway.simulator import FaultRule
from tests.contracts.ground import MODES, TARGETS, Client, Ground, Result, Scenario, Suite, Target

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODEL, NEWER, EMBEDDER = "gemini-2.5-flash", "gemini-3.8-flash", "gemini-embedding-001"
VERSIONS = ("v1", "v1beta")
PIXEL = b"\x89PNG\r\n\x1a\n" + bytes(60)
SCHEMA = {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}}
TOOLS = {
    "function_declarations": [
        {"name": "get_weather", "description": "Tells the weather.", "parameters": SCHEMA},
        {"name": "get_time"},
    ]
}
BY_HAND: dict[str, Any] = {"automatic_function_calling": {"disable": True}}
GENERATE, STREAM = "models.generate_content", "models.generate_content_stream"


def maker(version: str) -> Any:
    def make(where: Target, key: str, blocking: bool) -> Any:
        options = types.HttpOptions(base_url=where.url, api_version=version)
        client = genai.Client(api_key=key, http_options=options)
        return client if blocking else client.aio

    return make


SUITES = {
    version: Suite("gemini", maker(version), (errors.APIError,), name=version)
    for version in VERSIONS
}


def scenario(play: Scenario) -> Scenario:
    for suite in SUITES.values():
        suite(play)
    return play


def ask(contents: Any = "hello", model: str = MODEL, **config: Any) -> dict[str, Any]:
    return {"model": model, "contents": contents, "config": config or None}


def user(*parts: types.Part) -> types.Content:
    return types.Content(role="user", parts=list(parts))


@scenario
async def content(c: Client) -> Result:
    found = await c.call(GENERATE, **ask("hello [[output=100]]"))
    assert found.usage_metadata.candidates_token_count == 100
    return found


@scenario
async def content_as_chunks(c: Client) -> Result:
    whole = await c.call(GENERATE, **ask("hello [[output=100]]"))
    chunks = await c.each(STREAM, **ask("hello [[output=100]]"))
    assert "".join(chunk.text or "" for chunk in chunks) == whole.text
    assert chunks[-1].usage_metadata == whole.usage_metadata
    return chunks


@scenario
async def other_alphabets(c: Client) -> Result:
    return await c.call(GENERATE, **ask("Grüße, 世界 \U0001f680 \u2028 \x00 \\u00e9"))


@scenario
async def a_system_instruction(c: Client) -> Result:
    found = await c.call(GENERATE, **ask(system_instruction="Be brief. " * 50))
    assert found.usage_metadata.prompt_token_count > 100
    return found


@scenario
async def a_cached_prompt(c: Client) -> Result:
    first = await c.call(GENERATE, **ask("word " * 2000))
    again = await c.each(STREAM, **ask("word " * 2000))
    assert again[-1].usage_metadata.cached_content_token_count > 2000
    return first, again


@scenario
async def several_candidates(c: Client) -> Result:
    found = await c.call(GENERATE, **ask(candidate_count=2))
    assert len(found.candidates) == 2
    return found


@scenario
async def a_tool_and_its_result(c: Client) -> Result:
    question = user(types.Part(text="use tool get_weather"))
    found = await c.call(GENERATE, **ask([question], NEWER, tools=[TOOLS], **BY_HAND))
    turn = found.candidates[0].content
    assert turn.parts[0].thought_signature
    part = types.Part.from_function_response(name="get_weather", response={"sky": "blue"})
    talk = [question, turn, user(part)]
    after = await c.call(GENERATE, **ask(talk, NEWER, tools=[TOOLS], **BY_HAND))
    assert after.text
    unsigned = turn.model_copy(deep=True)
    unsigned.parts[0].thought_signature = None
    talk[1] = unsigned
    refused = await c.error(GENERATE, **ask(talk, NEWER, tools=[TOOLS], **BY_HAND))
    return found, after, refused


@scenario
async def parallel_tools(c: Client) -> Result:
    wish = ask("use tool get_weather and use tool get_time", tools=[TOOLS], **BY_HAND)
    found = await c.call(GENERATE, **wish)
    assert [call.name for call in found.function_calls] == ["get_weather", "get_time"]
    return found, await c.each(STREAM, **wish)


@scenario
async def a_forced_tool(c: Client) -> Result:
    forced = {"function_calling_config": {"mode": "ANY", "allowed_function_names": ["get_time"]}}
    found = await c.call(GENERATE, **ask(tools=[TOOLS], tool_config=forced, **BY_HAND))
    assert found.function_calls[0].name == "get_time"
    return found


@scenario
async def thoughts(c: Client) -> Result:
    wish = ask("[[thinking=30]] [[output=20]]", thinking_config={"include_thoughts": True})
    found = await c.call(GENERATE, **wish)
    assert found.usage_metadata.thoughts_token_count == 30
    return found, await c.each(STREAM, **wish)


@scenario
async def a_structured_answer(c: Client) -> Result:
    shape: dict[str, Any] = {"response_mime_type": "application/json", "response_schema": SCHEMA}
    found = await c.call(GENERATE, **ask(**shape))
    assert set(found.parsed) == {"city"}
    return found


@scenario
async def an_image(c: Client) -> Result:
    image = types.Part.from_bytes(data=PIXEL, mime_type="image/png")
    found = await c.call(GENERATE, **ask([user(image, types.Part(text="what?"))]))
    assert found.usage_metadata.prompt_token_count > 250
    return found


@scenario
async def a_maximum_of_tokens(c: Client) -> Result:
    found = await c.call(GENERATE, **ask(max_output_tokens=5))
    assert found.candidates[0].finish_reason == types.FinishReason.MAX_TOKENS
    return found, await c.each(STREAM, **ask(max_output_tokens=5))


@scenario
async def a_stop_sequence(c: Client) -> Result:
    wish = ask("[[output=300]]", stop_sequences=["zz", "ember"])
    found = await c.call(GENERATE, **wish)
    assert found.usage_metadata.candidates_token_count < 300
    return found, await c.each(STREAM, **wish)


@scenario
async def counted_tokens_are_the_tokens_of_the_call(c: Client) -> Result:
    counted = await c.call("models.count_tokens", model=MODEL, contents="x" * 4000)
    called = await c.call(GENERATE, **ask("x" * 4000))
    assert counted.total_tokens == called.usage_metadata.prompt_token_count
    return counted, called


@scenario
async def embeddings(c: Client) -> Result:
    many = await c.call("models.embed_content", model=EMBEDDER, contents=["a", "b"])
    assert len(many.embeddings) == 2
    config = {"output_dimensionality": 8}
    one = await c.call("models.embed_content", model=EMBEDDER, contents="a", config=config)
    return many, one


@scenario
async def the_models(c: Client) -> Result:
    models = await c.each("models.list")
    one = await c.call("models.get", model=MODEL)
    missing = await c.error("models.get", model="gemini-none")
    read = [(m.name, m.display_name) for m in [*models, one]]
    return read, missing.code, missing.status


@scenario
async def paths_that_nobody_serves(c: Client) -> Result:
    raised = await c.error("caches.get", name="cachedContents/none")
    assert raised.code == 404
    return raised


@scenario
async def bad_requests(c: Client) -> Result:
    cases = [
        (ask(model="gemini-none"), 404),
        (ask(max_output_tokens=99_999), 400),
        (ask("x" * 600_000), 413),
    ]
    found = []
    for wish, code in cases:
        for method in (c.error(GENERATE, **wish), c.error_in_stream(STREAM, **wish)):
            raised = await method
            assert raised.code == code
            found.append(raised)
    found.append(await c.error("models.count_tokens", model="gemini-none", contents="x"))
    return found


@scenario
async def a_wrong_key(c: Client) -> Result:
    raised = await c.again("AIza-unknown").error(GENERATE, **ask())
    # Google answers 400 to a key it does not know, the gateway 401 like everywhere else.
    assert raised.code in {400, 401}
    return type(raised).__name__


@scenario
async def faults_of_the_provider(c: Client) -> Result:
    rules = [
        FaultRule("status", count=1, status=400),
        FaultRule("status", count=1, status=403),
        FaultRule("status", count=1, status=500, message="Ünlucky \u2028"),
        FaultRule("status", count=1, status=503),
        FaultRule("status", count=1, status=504),
        FaultRule("status", count=1, variant="overloaded"),
    ]
    found = []
    for rule in rules:
        c.fault(rule)
        found.append(await c.error(GENERATE, **ask()))
        c.fault(rule)
        found.append(await c.error_in_stream(STREAM, **ask()))
    assert {type(raised) for raised in found} == {errors.ClientError, errors.ServerError}
    return found


@scenario
async def an_error_inside_a_stream(c: Client) -> Result:
    c.fault(FaultRule("error_event", count=1, variant="overloaded", after_chunks=2))
    raised = await c.error_in_stream(STREAM, **ask("[[output=90]]"))
    assert raised.code == 503
    return raised


NAMES = list(SUITES["v1"].scenarios)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NAMES)
async def test_the_sdk_works(
    ground: Ground, target: str, mode: str, version: str, name: str
) -> None:
    await SUITES[version].played(ground, target, mode, name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NAMES)
async def test_the_gateway_makes_no_difference(
    ground: Ground, mode: str, version: str, name: str
) -> None:
    direct = await SUITES[version].played(ground, "direct", mode, name)
    assert await SUITES[version].played(ground, "gateway", mode, name) == direct
