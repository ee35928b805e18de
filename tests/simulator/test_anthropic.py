"""The official anthropic SDK straight at the simulator."""

import contextlib
from typing import Any

import anthropic
import httpx2
import pytest

from gateway.simulator import RunningSimulator

KEY = "sim-anthropic-key"
OLD, NEW = "claude-sonnet-4-6", "claude-sonnet-5"
WEATHER: anthropic.types.ToolParam = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}},
}


def client(simulator: RunningSimulator, key: str = KEY) -> anthropic.AsyncAnthropic:
    return anthropic.AsyncAnthropic(base_url=simulator.url, api_key=key, max_retries=0)


def user(text: str) -> list[anthropic.types.MessageParam]:
    return [{"role": "user", "content": text}]


async def test_a_message_streamed_and_not_is_the_same(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        plain = await c.messages.create(
            model=OLD, max_tokens=500, messages=user("hello [[output=100]]")
        )
        async with c.messages.stream(
            model=OLD, max_tokens=500, messages=user("hello [[output=100]]")
        ) as stream:
            streamed = await stream.get_final_message()
    assert plain.usage.output_tokens == 100
    assert plain.stop_reason == streamed.stop_reason == "end_turn"
    assert [b.type for b in streamed.content] == ["text"]
    assert plain.content[0].text == streamed.content[0].text  # type: ignore[union-attr]  # text
    assert plain.usage.model_dump(exclude_none=True) == streamed.usage.model_dump(exclude_none=True)
    assert plain.id != streamed.id


def test_the_blocking_client_works_too(blocking_simulator: RunningSimulator) -> None:
    with anthropic.Anthropic(base_url=blocking_simulator.url, api_key=KEY) as c:
        found = c.messages.create(model=OLD, max_tokens=5, messages=user("hi"))
        assert found.stop_reason == "max_tokens"
        assert found.usage.output_tokens == 5
        with c.messages.stream(model=OLD, max_tokens=5, messages=user("hi")) as stream:
            assert "".join(stream.text_stream) == stream.get_final_text()


async def test_tool_use_round_trip(simulator: RunningSimulator) -> None:
    messages = user("use tool get_weather")
    async with client(simulator) as c:
        plain = await c.messages.create(
            model=NEW, max_tokens=500, tools=[WEATHER], messages=messages
        )
        async with c.messages.stream(
            model=NEW, max_tokens=500, tools=[WEATHER], messages=messages
        ) as stream:
            streamed = await stream.get_final_message()
        call = plain.content[0]
        assert isinstance(call, anthropic.types.ToolUseBlock)
        assert plain.stop_reason == "tool_use"
        assert set(call.input) == {"city"}
        assert isinstance(streamed.content[0], anthropic.types.ToolUseBlock)
        assert streamed.content[0].input == call.input
        answer = await c.messages.create(
            model=NEW,
            max_tokens=500,
            tools=[WEATHER],
            messages=[
                *messages,
                {"role": "assistant", "content": [call]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
                    ],
                },
            ],
        )
    assert answer.stop_reason == "end_turn"


async def test_tool_choice_forces_a_tool(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        found = await c.messages.create(
            model=OLD,
            max_tokens=500,
            tools=[WEATHER],
            tool_choice={"type": "any"},
            messages=user("hi"),
        )
    assert found.stop_reason == "tool_use"


async def test_thinking_comes_back_signed_and_its_tokens_are_reported(
    simulator: RunningSimulator,
) -> None:
    text = user("[[thinking=40]] [[output=20]]")
    async with client(simulator) as c:
        async with c.messages.stream(
            model=NEW, max_tokens=500, thinking={"type": "adaptive"}, messages=text
        ) as stream:
            found = await stream.get_final_message()
        thinking = found.content[0]
        assert isinstance(thinking, anthropic.types.ThinkingBlock)
        assert thinking.signature
        assert found.usage.output_tokens == 60
        assert found.usage.output_tokens_details is not None
        assert found.usage.output_tokens_details.thinking_tokens == 40
        again: list[anthropic.types.MessageParam] = [
            *text,
            {"role": "assistant", "content": found.content},
            *user("go on"),
        ]
        await c.messages.create(
            model=NEW, max_tokens=50, thinking={"type": "adaptive"}, messages=again
        )
        broken = thinking.model_copy(update={"signature": "forged"})
        again[1] = {"role": "assistant", "content": [broken]}
        with pytest.raises(anthropic.BadRequestError, match="signature"):
            await c.messages.create(model=NEW, max_tokens=50, messages=again)


async def test_the_counted_tokens_are_the_input_tokens_of_the_call(
    simulator: RunningSimulator,
) -> None:
    async with client(simulator) as c:
        counted = await c.messages.count_tokens(
            model=NEW, system="Be brief.", tools=[WEATHER], messages=user("x" * 4000)
        )
        called = await c.messages.create(
            model=NEW, max_tokens=1, system="Be brief.", tools=[WEATHER], messages=user("x" * 4000)
        )
    assert counted.input_tokens == called.usage.input_tokens > 1300


async def test_a_cached_prefix_is_written_then_read_and_reads_are_free_of_the_input_limit(
    simulator: RunningSimulator,
) -> None:
    system: list[anthropic.types.TextBlockParam] = [
        {
            "type": "text",
            "text": "rule " * 2000,
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
        }
    ]
    async with client(simulator) as c:
        for _ in range(2):
            found = await c.messages.create(
                model=OLD, max_tokens=1, system=system, messages=user("hi")
            )
    assert found.usage.cache_read_input_tokens == 2500
    assert found.usage.cache_creation_input_tokens == 0
    first, second = simulator.state.ledger.log
    assert (first.cache_write_tokens, first.cache_read_tokens) == (2500, 0)
    assert (second.cache_write_tokens, second.cache_read_tokens) == (0, 2500)
    assert first.charged["input_tokens"] == first.input_tokens + 2500
    assert second.charged["input_tokens"] == second.input_tokens == 4


async def test_automatic_caching_marks_the_end_of_the_prompt(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        for _ in range(2):
            found = await c.messages.create(
                model=OLD,
                max_tokens=1,
                cache_control={"type": "ephemeral"},
                messages=user("long " * 1000),
            )
    assert found.usage.input_tokens == 0
    assert found.usage.cache_read_input_tokens == 1253


@pytest.mark.parametrize(
    ("changes", "error", "text"),
    [
        ({"model": "claude-none"}, anthropic.NotFoundError, "model: claude-none"),
        ({"max_tokens": 999_999, "timeout": 30}, anthropic.BadRequestError, "maximum allowed"),
        ({"messages": []}, anthropic.BadRequestError, "messages"),
        ({"messages": [{"role": "nobody", "content": "x"}]}, anthropic.BadRequestError, "role"),
        ({"extra_body": {"temperature": 1}}, anthropic.BadRequestError, "temperature"),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2000},
            anthropic.BadRequestError,
            "adaptive",
        ),
    ],
)
async def test_bad_requests_raise_the_sdks_own_errors(
    simulator: RunningSimulator,
    changes: dict[str, Any],
    error: type[anthropic.APIStatusError],
    text: str,
) -> None:
    arguments: dict[str, Any] = {"model": NEW, "max_tokens": 10, "messages": user("hi")} | changes
    async with client(simulator) as c:
        with pytest.raises(error, match=text) as caught:
            await c.messages.create(**arguments)
    assert caught.value.request_id is not None
    assert caught.value.request_id.startswith("req_")
    assert simulator.state.ledger.totals.wasted == 1
    assert simulator.state.ledger.totals.charged == {}


async def test_only_the_true_key_is_accepted(simulator: RunningSimulator) -> None:
    async with client(simulator, "agent-key") as c:
        with pytest.raises(anthropic.AuthenticationError):
            await c.messages.create(model=OLD, max_tokens=1, messages=user("hi"))
    bearer = anthropic.AsyncAnthropic(base_url=simulator.url, auth_token=KEY, api_key=None)
    async with bearer:
        await bearer.messages.create(model=OLD, max_tokens=1, messages=user("hi"))
    assert simulator.state.ledger.totals.unauthorized == 1
    assert [r.key for r in simulator.state.ledger.log] == ["agent-key", KEY]


async def test_models_files_and_batches(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        names = [m.id async for m in c.models.list(limit=1000)]
        assert NEW in names
        assert (await c.models.retrieve(NEW)).max_tokens == 128_000
        params: anthropic.types.messages.batch_create_params.Request = {
            "custom_id": "a",
            "params": {"model": NEW, "max_tokens": 5, "messages": user("hi")},
        }
        batch = await c.messages.batches.create(requests=[params])
        assert (await c.messages.batches.retrieve(batch.id)).processing_status == "in_progress"
        assert [b.id async for b in c.messages.batches.list()] == [batch.id]
    async with httpx2.AsyncClient(base_url=simulator.url) as h:
        headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01"}
        file = await h.post("/v1/files", headers=headers, content=b"some bytes")
        assert file.json()["size_bytes"] == 10
        assert (await h.head("/")).status_code == 200


async def test_the_query_plays_no_part(simulator: RunningSimulator) -> None:
    async with client(simulator) as c:
        found = await c.messages.create(
            model=OLD, max_tokens=1, messages=user("hi"), extra_query={"beta": "true"}
        )
    assert found.type == "message"


async def test_the_raw_stream_has_the_events_of_the_api_in_order(
    simulator: RunningSimulator,
) -> None:
    async with httpx2.AsyncClient(base_url=simulator.url) as h:
        found = await h.post(
            "/v1/messages",
            headers={"x-api-key": KEY, "anthropic-version": "2023-06-01"},
            json={"model": OLD, "max_tokens": 9, "messages": user("hi"), "stream": True},
        )
    names = [line[7:] for line in found.text.splitlines() if line.startswith("event: ")]
    with contextlib.suppress(ValueError):
        while True:
            names.remove("content_block_delta")
    assert names == [
        "message_start",
        "content_block_start",
        "content_block_stop",
        "ping",
        "message_delta",
        "message_stop",
    ]
    assert found.headers["content-type"].startswith("text/event-stream")
