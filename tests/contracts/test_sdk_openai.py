"""The official openai SDK, straight at the provider and through the gateway: no difference."""

from typing import Any

import openai
import pytest

from gateway.simulator import FaultRule
from tests.contracts.ground import MODES, TARGETS, Client, Ground, Result, Suite, Target

pytestmark = pytest.mark.asyncio(loop_scope="module")
MODEL, THINKER, EMBEDDER = "gpt-4o-mini", "o4-mini", "text-embedding-3-small"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk"
WEATHER = {"type": "function", "function": {"name": "get_weather", "parameters": SCHEMA}}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": NOTHING}}
FUNCTION = {"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": False}


def make(where: Target, key: str, blocking: bool) -> Any:
    kind = openai.OpenAI if blocking else openai.AsyncOpenAI
    return kind(base_url=f"{where.url}/v1", api_key=key, max_retries=0)


scenario = Suite("openai", make, (openai.APIError,))


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def ask(content: Any = "hello", model: str = MODEL, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [user(content)], **more}


CREATE, RESPOND = "chat.completions.create", "responses.create"


@scenario
async def a_chat(c: Client) -> Result:
    found = await c.call(CREATE, **ask("hello [[output=100]]"))
    assert found.usage.completion_tokens == 100
    assert found._request_id
    return found


@scenario
async def a_chat_as_chunks_without_usage(c: Client) -> Result:
    chunks = await c.each(CREATE, **ask("hello [[output=100]]"), stream=True)
    assert all(chunk.choices and chunk.usage is None for chunk in chunks)
    return chunks


@scenario
async def a_chat_as_chunks_with_usage(c: Client) -> Result:
    wish = ask("hello [[output=100]]", stream_options={"include_usage": True})
    chunks = await c.each(CREATE, **wish, stream=True)
    assert chunks[-1].choices == []
    assert chunks[-1].usage.completion_tokens == 100
    return chunks


@scenario
async def a_chat_as_chunks_with_other_options(c: Client) -> Result:
    options = {"include_usage": False, "include_obfuscation": False}
    chunks = await c.each(CREATE, **ask("hello", stream_options=options), stream=True)
    assert all(chunk.choices for chunk in chunks)
    return chunks


@scenario
async def a_chat_through_the_stream_helper(c: Client) -> Result:
    whole = await c.call(CREATE, **ask("hello [[output=100]]"))
    events, found = await c.helped(
        "chat.completions.stream", "get_final_completion", **ask("hello [[output=100]]")
    )
    assert found.choices[0].message.content == whole.choices[0].message.content
    return events, found


@scenario
async def other_alphabets(c: Client) -> Result:
    return await c.call(CREATE, **ask("Grüße, 世界 \U0001f680 \u2028 \x00 \\u00e9"))


@scenario
async def system_and_developer_prompts(c: Client) -> Result:
    rules = [{"role": role, "content": "Be brief. " * 50} for role in ("system", "developer")]
    found = await c.call(CREATE, model=MODEL, messages=[*rules, user("hi")])
    assert found.usage.prompt_tokens > 200
    return found


@scenario
async def a_cached_prompt(c: Client) -> Result:
    first = await c.call(CREATE, **ask("word " * 2000, prompt_cache_key="k"))
    wish = ask("word " * 2000, prompt_cache_key="k", stream_options={"include_usage": True})
    again = await c.each(CREATE, **wish, stream=True)
    assert again[-1].usage.prompt_tokens_details.cached_tokens > 2000
    return first, again


@scenario
async def several_choices(c: Client) -> Result:
    found = await c.call(CREATE, **ask(n=3))
    assert len(found.choices) == 3
    return found, await c.each(CREATE, **ask(n=3), stream=True)


@scenario
async def a_tool_and_its_result(c: Client) -> Result:
    first = ask("use tool get_weather", tools=[WEATHER])
    found = await c.call(CREATE, **first)
    assert found.choices[0].finish_reason == "tool_calls"
    said = found.choices[0].message
    result = {"role": "tool", "tool_call_id": said.tool_calls[0].id, "content": "sunny"}
    after = await c.call(CREATE, **first | {"messages": [*first["messages"], said, result]})
    assert after.choices[0].finish_reason == "stop"
    return found, after


@scenario
async def parallel_tools(c: Client) -> Result:
    wish = ask("use tool get_weather and use tool get_time", tools=[WEATHER, CLOCK])
    found = await c.call(CREATE, **wish, parallel_tool_calls=True)
    chunks = await c.each(CREATE, **wish, stream=True)
    calls = found.choices[0].message.tool_calls
    assert [call.function.name for call in calls] == ["get_weather", "get_time"]
    return found, chunks


@scenario
async def a_forced_tool(c: Client) -> Result:
    choice = {"type": "function", "function": {"name": "get_time"}}
    found = await c.call(CREATE, **ask(tools=[WEATHER, CLOCK], tool_choice=choice))
    assert found.choices[0].message.tool_calls[0].function.name == "get_time"
    return found


@scenario
async def reasoning(c: Client) -> Result:
    wish = ask("[[thinking=30]] [[output=20]]", THINKER, reasoning_effort="low")
    found = await c.call(CREATE, **wish)
    assert found.usage.completion_tokens_details.reasoning_tokens == 30
    return found, await c.each(CREATE, **wish, stream=True)


@scenario
async def a_structured_answer(c: Client) -> Result:
    shape = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA, "strict": True}}
    found = await c.call(CREATE, **ask(response_format=shape))
    assert "city" in found.choices[0].message.content
    return found


@scenario
async def an_image(c: Client) -> Result:
    parts: list[Any] = [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
    ]
    found = await c.call(CREATE, **ask(parts))
    assert found.usage.prompt_tokens > 700
    return found


@scenario
async def a_maximum_of_tokens(c: Client) -> Result:
    found = [
        await c.call(CREATE, **ask(max_tokens=5)),
        await c.call(CREATE, **ask(max_completion_tokens=5)),
    ]
    assert [one.choices[0].finish_reason for one in found] == ["length", "length"]
    return found, await c.each(CREATE, **ask(max_tokens=5), stream=True)


@scenario
async def a_stop_sequence(c: Client) -> Result:
    wish = ask("[[output=300]]", stop=["zz", "ember"])
    found = await c.call(CREATE, **wish)
    assert found.usage.completion_tokens < 300
    return found, await c.each(CREATE, **wish, stream=True)


@scenario
async def a_response(c: Client) -> Result:
    wish: dict[str, Any] = {"model": "gpt-5", "input": "[[thinking=30]] [[output=50]] please"}
    wish |= {"reasoning": {"effort": "low"}, "instructions": "Be brief."}
    found = await c.call(RESPOND, **wish)
    events = await c.each(RESPOND, **wish, stream=True)
    assert found.usage.output_tokens == 80
    assert events[-1].response.output_text == found.output_text
    return found, events


@scenario
async def a_response_through_the_stream_helper(c: Client) -> Result:
    return await c.helped("responses.stream", "get_final_response", model="gpt-5", input="hello")


@scenario
async def a_response_calls_a_function_and_takes_its_output(c: Client) -> Result:
    first = {"model": MODEL, "input": "use tool get_weather", "tools": [FUNCTION]}
    events, found = await c.helped("responses.stream", "get_final_response", **first)
    call = found.output[0]
    assert call.type == "function_call"
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}
    after = await c.call(
        RESPOND, model=MODEL, previous_response_id=found.id, input=[output], tools=[FUNCTION]
    )
    assert after.output[0].type == "message"
    return events, found, after


@scenario
async def a_response_with_a_schema_and_an_image(c: Client) -> Result:
    text = {"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}}
    parts = [{"type": "input_text", "text": "hi"}, {"type": "input_image", "image_url": PIXEL}]
    found = await c.call(RESPOND, model=MODEL, input=[user(parts)], text=text)
    assert "city" in found.output_text
    return found


@scenario
async def a_response_cut_by_its_maximum(c: Client) -> Result:
    wish = {"model": MODEL, "input": "hi", "max_output_tokens": 16}
    found = await c.call(RESPOND, **wish)
    assert found.status == "incomplete"
    return found, await c.each(RESPOND, **wish, stream=True)


@scenario
async def responses_counted_kept_and_compacted(c: Client) -> Result:
    wish = {"model": MODEL, "input": "hello " * 100}
    made = await c.call(RESPOND, **wish)
    counted = await c.call("responses.input_tokens.count", **wish)
    assert counted.input_tokens == made.usage.input_tokens
    got = await c.call("responses.retrieve", response_id=made.id)
    missing = await c.error("responses.retrieve", response_id="resp_none")
    compacted = await c.call("responses.compact", model="gpt-5", input=[user("long story")])
    return made, counted, got, missing, compacted


@scenario
async def embeddings(c: Client) -> Result:
    create = "embeddings.create"
    packed = await c.call(create, model=EMBEDDER, input=["a", "b"])
    assert packed.usage.prompt_tokens == 2
    plain = await c.call(create, model=EMBEDDER, input="a", encoding_format="float", dimensions=8)
    ids = await c.call(create, model=EMBEDDER, input=[[1, 2], [3]], dimensions=8)
    return packed, plain, ids


@scenario
async def the_models(c: Client) -> Result:
    models = await c.each("models.list")
    one = await c.call("models.retrieve", model=MODEL)
    missing = await c.error("models.retrieve", model="gpt-none")
    assert isinstance(missing, openai.NotFoundError)
    read = [(m.id, m.object, m.created) for m in [*models, one]]
    return read, missing.status_code, missing.code, missing.type


@scenario
async def files_and_batches(c: Client) -> Result:
    file = await c.call("files.create", file=("a.jsonl", b"\x00\xff{}" * 9000), purpose="batch")
    batch = await c.call(
        "batches.create",
        input_file_id=file.id,
        endpoint="/v1/responses",
        completion_window="24h",
        metadata={"who": "me"},
    )
    got = await c.call("batches.retrieve", batch_id=batch.id)
    listed = await c.each("files.list"), await c.each("batches.list")
    return file, batch, got, listed, await c.error("files.retrieve", file_id="file-none")


@scenario
async def paths_that_nobody_serves(c: Client) -> Result:
    raised = await c.error("moderations.create", input="hello")
    assert isinstance(raised, openai.NotFoundError)
    return raised


@scenario
async def bad_requests(c: Client) -> Result:
    cases: list[tuple[dict[str, Any], type[openai.APIStatusError], str | None]] = [
        ({"model": "gpt-none"}, openai.NotFoundError, "model_not_found"),
        ({"max_tokens": 99_999}, openai.BadRequestError, None),
        ({"max_tokens": 0}, openai.BadRequestError, "integer_below_min_value"),
        ({"messages": []}, openai.BadRequestError, "empty_array"),
        ({"messages": [{"role": "robot"}]}, openai.BadRequestError, "invalid_value"),
        ({"messages": [user("x" * 515_000)]}, openai.BadRequestError, "context_length_exceeded"),
        ({"messages": [user("x" * 600_000)]}, openai.APIStatusError, None),
    ]
    found = []
    for change, error, code in cases:
        raised = await c.error(CREATE, **ask() | change)
        assert isinstance(raised, error), raised
        assert raised.code == code
        found.append(raised)
    found.append(await c.error(RESPOND, model=MODEL, input=[]))
    found.append(await c.error("embeddings.create", model=EMBEDDER, input="x", dimensions=9999))
    return found


@scenario
async def requests_that_cannot_be_read(c: Client) -> Result:
    wrong: list[dict[str, Any]] = [{"n": 0.5}, {"messages": "hello"}, {"max_tokens": "many"}]
    found = [await c.error(CREATE, **ask() | change) for change in wrong]
    assert all(isinstance(raised, openai.BadRequestError) for raised in found)
    # The gateway needs these fields itself and says so in its own words.
    return [(raised.status_code, raised.type) for raised in found]


@scenario
async def a_wrong_key(c: Client) -> Result:
    raised = await c.again("sk-unknown").error(CREATE, **ask())
    assert isinstance(raised, openai.AuthenticationError)
    return raised.status_code, raised.code, raised.type


@scenario
async def faults_of_the_provider(c: Client) -> Result:
    rules = [
        FaultRule("status", count=1, status=400),
        FaultRule("status", count=1, status=403),
        FaultRule("status", count=1, status=409),
        FaultRule("status", count=1, status=500, message="Ünlucky \u2028"),
        FaultRule("status", count=1, status=503, retry_after_s=7),
        FaultRule("status", count=1, variant="overloaded"),
        FaultRule("status", count=1, variant="insufficient_quota"),
        FaultRule("status", count=1, variant="spend_cap"),
    ]
    calls = [(CREATE, ask()), (CREATE, ask(stream=True))]
    calls.append((RESPOND, {"model": MODEL, "input": "hi"}))
    found = []
    for rule in rules:
        for method, wish in calls:
            c.fault(rule)
            raised = await c.error(method, **wish)
            assert isinstance(raised, openai.APIStatusError)
            found.append(raised)
    return found


@scenario
async def an_error_inside_a_stream(c: Client) -> Result:
    rule = FaultRule("error_event", count=1, variant="overloaded", after_chunks=2)
    c.fault(rule)
    raised = await c.error_in_stream(CREATE, **ask("[[output=90]]"), stream=True)
    assert isinstance(raised, openai.APIError)
    c.fault(rule)
    return raised, await c.each(RESPOND, model=MODEL, input="[[output=90]]", stream=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", scenario.scenarios)
async def test_the_sdk_works(ground: Ground, target: str, mode: str, name: str) -> None:
    await scenario.played(ground, target, mode, name)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", scenario.scenarios)
async def test_the_gateway_makes_no_difference(ground: Ground, mode: str, name: str) -> None:
    direct = await scenario.played(ground, "direct", mode, name)
    assert await scenario.played(ground, "gateway", mode, name) == direct
