"""The official openai SDK straight at the simulator."""

from typing import Any

import openai
import pytest

from gateway.simulator import RunningSimulator

KEY = "sim-openai-key"
MODEL = "gpt-4o-mini"
PARAMETERS: dict[str, object] = {"type": "object", "properties": {"city": {"type": "string"}}}
CHAT_TOOL: Any = {
    "type": "function",
    "function": {"name": "get_weather", "parameters": PARAMETERS},
}
TOOL: Any = {
    "type": "function",
    "name": "get_weather",
    "parameters": PARAMETERS,
    "strict": False,
}


def client(simulator: RunningSimulator, key: str = KEY) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=simulator.openai_url, api_key=key, max_retries=0)


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


async def collected(stream: openai.AsyncStream[Any]) -> list[Any]:
    return [event async for event in stream]


async def test_a_chat_streamed_and_not_is_the_same(simulator: RunningSimulator) -> None:
    messages = user("hello [[output=100]]")
    async with client(simulator) as c:
        plain = await c.chat.completions.create(model=MODEL, messages=messages)
        chunks = await collected(
            await c.chat.completions.create(
                model=MODEL,
                messages=messages,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert plain.usage is not None
    assert plain.usage.completion_tokens == 100
    assert plain.choices[0].finish_reason == "stop"
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage == plain.usage
    assert all(c.usage is None for c in chunks[:-1])
    assert chunks[-2].choices[0].finish_reason == "stop"


async def test_without_the_option_a_chat_stream_says_nothing_of_usage(
    simulator: RunningSimulator,
) -> None:
    async with client(simulator) as c:
        chunks = await collected(
            await c.chat.completions.create(model=MODEL, messages=user("hi"), stream=True)
        )
    assert all(c.choices and c.usage is None for c in chunks)


def test_the_blocking_client_works_too(blocking_simulator: RunningSimulator) -> None:
    with openai.OpenAI(base_url=blocking_simulator.openai_url, api_key=KEY) as c:
        found = c.chat.completions.create(
            model=MODEL, messages=user("hi"), max_completion_tokens=5, n=2
        )
        assert [x.finish_reason for x in found.choices] == ["length", "length"]
        assert found.usage is not None
        assert found.usage.completion_tokens == 10
        events = list(c.responses.create(model=MODEL, input="hi", stream=True))
    assert events[-1].type == "response.completed"


async def test_chat_tools_streamed_and_not(simulator: RunningSimulator) -> None:
    messages = user("use tool get_weather")
    async with client(simulator) as c:
        plain = await c.chat.completions.create(model=MODEL, messages=messages, tools=[CHAT_TOOL])
        async with c.chat.completions.stream(
            model=MODEL, messages=messages, tools=[CHAT_TOOL]
        ) as stream:
            streamed = await stream.get_final_completion()
    calls, other = plain.choices[0].message.tool_calls, streamed.choices[0].message.tool_calls
    assert plain.choices[0].finish_reason == "tool_calls"
    assert calls is not None
    assert other is not None
    assert calls[0].function.arguments == other[0].function.arguments  # type: ignore[union-attr]  # function call


async def test_chat_reasoning_is_billed_and_not_shown(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        found = await c.chat.completions.create(
            model="o4-mini",
            messages=user("[[thinking=30]] [[output=20]]"),
            reasoning_effort="low",
        )
    assert found.usage is not None
    assert found.usage.completion_tokens == 50
    assert found.usage.completion_tokens_details is not None
    assert found.usage.completion_tokens_details.reasoning_tokens == 30


async def test_a_response_streamed_and_not_is_the_same(simulator: RunningSimulator) -> None:
    question = "[[thinking=30]] [[output=50]] please"
    async with client(simulator) as c:
        plain = await c.responses.create(model="gpt-5", input=question, reasoning={"effort": "low"})
        events = await collected(
            await c.responses.create(
                model="gpt-5", input=question, reasoning={"effort": "low"}, stream=True
            )
        )
        async with c.responses.stream(model="gpt-5", input=question) as stream:
            helped = await stream.get_final_response()
    assert [e.sequence_number for e in events] == list(range(len(events)))
    assert [e.type for e in events][:3] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
    ]
    final = events[-1].response
    assert final.output_text == plain.output_text
    assert [item.type for item in plain.output] == ["reasoning", "message"]
    assert final.usage == plain.usage
    assert plain.usage is not None
    assert plain.usage.output_tokens == 80
    assert plain.usage.output_tokens_details.reasoning_tokens == 30
    assert helped.output_text == plain.output_text


async def test_a_response_calls_functions_and_takes_their_output(
    simulator: RunningSimulator,
) -> None:
    async with client(simulator) as c:
        async with c.responses.stream(
            model=MODEL, input="use tool get_weather", tools=[TOOL]
        ) as stream:
            found = await stream.get_final_response()
        call = found.output[0]
        assert call.type == "function_call"
        after = await c.responses.create(
            model=MODEL,
            previous_response_id=found.id,
            input=[{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}],
            tools=[TOOL],
        )
    assert after.output[0].type == "message"
    assert after.usage is not None
    assert found.usage is not None
    assert after.usage.input_tokens > found.usage.input_tokens


async def test_a_response_cut_by_its_maximum_is_incomplete(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        found = await c.responses.create(model=MODEL, input="hi", max_output_tokens=16)
        events = await collected(
            await c.responses.create(model=MODEL, input="hi", max_output_tokens=16, stream=True)
        )
    assert found.status == "incomplete"
    assert events[-1].type == "response.incomplete"


async def test_counting_compacting_and_fetching_responses(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        counted = await c.responses.input_tokens.count(model=MODEL, input="hello " * 100)
        called = await c.responses.create(model=MODEL, input="hello " * 100)
        assert called.usage is not None
        assert counted.input_tokens == called.usage.input_tokens
        assert (await c.responses.retrieve(called.id)).output_text == called.output_text
        compacted = await c.responses.compact(model="gpt-5", input=user("long story"))
        assert compacted.output[-1].type == "compaction"


async def test_cached_tokens_are_part_of_the_prompt_and_count_toward_the_limit(
    simulator: RunningSimulator,
) -> None:
    async with client(simulator) as c:
        for _ in range(2):
            found = await c.chat.completions.create(
                model=MODEL, messages=user("word " * 2000), max_tokens=10
            )
    assert found.usage is not None
    assert found.usage.prompt_tokens == 2504
    assert found.usage.prompt_tokens_details is not None
    assert found.usage.prompt_tokens_details.cached_tokens == 2432
    assert [r.charged["tokens"] for r in simulator.state.ledger.log] == [2500, 2500]
    assert simulator.state.ledger.log[1].cache_read_tokens == 2432


@pytest.mark.parametrize(("maximum", "charge"), [(None, 25), (20, 25), (400, 400)])
async def test_the_charge_is_the_larger_of_the_maximum_and_the_characters(
    simulator: RunningSimulator, maximum: int | None, charge: int
) -> None:
    async with client(simulator) as c:
        await c.chat.completions.create(
            model=MODEL, messages=user("é" * 100), max_tokens=maximum or openai.omit
        )
    assert simulator.state.ledger.log[0].charged["tokens"] == charge


async def test_embeddings_come_packed_and_plain(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        packed = await c.embeddings.create(model="text-embedding-3-small", input=["a", "b"])
        plain = await c.embeddings.create(
            model="text-embedding-3-small", input="a", encoding_format="float"
        )
    assert len(packed.data) == 2
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding, abs=1e-6)
    assert packed.data[0].embedding != packed.data[1].embedding
    assert packed.usage.prompt_tokens == 2


@pytest.mark.parametrize(
    ("changes", "error", "code"),
    [
        ({"model": "gpt-none"}, openai.NotFoundError, "model_not_found"),
        ({"max_tokens": 99_999}, openai.BadRequestError, None),
        ({"max_tokens": 0}, openai.BadRequestError, "integer_below_min_value"),
        ({"messages": []}, openai.BadRequestError, "empty_array"),
        ({"messages": user("x" * 600_000)}, openai.BadRequestError, "context_length_exceeded"),
    ],
)
async def test_bad_requests_raise_the_sdks_own_errors(
    simulator: RunningSimulator,
    changes: dict[str, Any],
    error: type[openai.APIStatusError],
    code: str | None,
) -> None:
    async with client(simulator) as c:
        with pytest.raises(error) as caught:
            await c.chat.completions.create(**({"model": MODEL, "messages": user("hi")} | changes))
    assert caught.value.code == code
    assert caught.value.request_id is not None


async def test_only_the_true_key_is_accepted(simulator: RunningSimulator) -> None:
    async with client(simulator, "agent-key") as c:
        with pytest.raises(openai.AuthenticationError) as caught:
            await c.chat.completions.create(model=MODEL, messages=user("hi"))
    assert caught.value.code == "invalid_api_key"
    assert simulator.state.ledger.totals.unauthorized == 1


async def test_models_files_and_batches(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        assert MODEL in [m.id async for m in c.models.list()]
        assert (await c.models.retrieve(MODEL)).id == MODEL
        file = await c.files.create(file=b"{}", purpose="batch")
        batch = await c.batches.create(
            input_file_id=file.id, endpoint="/v1/responses", completion_window="24h"
        )
        assert (await c.batches.retrieve(batch.id)).id == batch.id


async def test_json_schema_answers_parse(simulator: RunningSimulator) -> None:
    schema: Any = {"type": "json_schema", "json_schema": {"name": "x", "schema": PARAMETERS}}
    async with client(simulator) as c:
        found = await c.chat.completions.create(
            model=MODEL, messages=user("hi"), response_format=schema
        )
    assert "city" in (found.choices[0].message.content or "")
