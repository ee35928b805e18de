"""The official anthropic SDK, straight at the provider and through the gateway: no difference."""

from typing import Any

import anthropic
import pytest

from gateway.simulator import FaultRule
from tests.contracts.ground import MODES, TARGETS, Client, Ground, Result, Suite, Target

pytestmark = pytest.mark.asyncio(loop_scope="module")
OLD, NEW = "claude-sonnet-4-6", "claude-sonnet-5"
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}, "days": {"type": "integer"}}}
WEATHER = {"name": "get_weather", "description": "Tells the weather.", "input_schema": SCHEMA}
CLOCK = {"name": "get_time", "input_schema": {"type": "object", "properties": {}}}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="


def make(where: Target, key: str, blocking: bool) -> Any:
    kind = anthropic.Anthropic if blocking else anthropic.AsyncAnthropic
    return kind(base_url=where.url, api_key=key, max_retries=0)


scenario = Suite("anthropic", make, (anthropic.APIError,))


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def ask(content: Any = "hello", model: str = OLD, **more: Any) -> dict[str, Any]:
    return {"model": model, "max_tokens": 400, "messages": [user(content)], **more}


@scenario
async def text(c: Client) -> Result:
    found = await c.call("messages.create", **ask("hello [[output=100]]"))
    assert found.usage.output_tokens == 100
    assert found.stop_reason == "end_turn"
    assert found._request_id
    return found


@scenario
async def text_as_events(c: Client) -> Result:
    events = await c.each("messages.create", **ask("hello [[output=100]]"), stream=True)
    assert [events[0].type, events[-1].type] == ["message_start", "message_stop"]
    return events


@scenario
async def text_through_the_stream_helper(c: Client) -> Result:
    whole = await c.call("messages.create", **ask("hello [[output=100]]"))
    events, found = await c.helped(
        "messages.stream", "get_final_message", **ask("hello [[output=100]]")
    )
    assert found.content[0].text == whole.content[0].text
    return events, found


@scenario
async def other_alphabets(c: Client) -> Result:
    return await c.call("messages.create", **ask("Grüße, 世界 \U0001f680 \u2028 \x00 \\u00e9"))


@scenario
async def a_system_prompt(c: Client) -> Result:
    short = await c.call("messages.create", **ask("hello"))
    found = await c.call("messages.create", **ask("hello", system="Be brief. " * 50))
    assert found.usage.input_tokens > short.usage.input_tokens
    return found


@scenario
async def a_cached_system_prompt_is_written_then_read(c: Client) -> Result:
    rules = {"type": "text", "text": "rule " * 2000}
    system = [rules | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    written = await c.call("messages.create", **ask("one", system=system))
    _, read = await c.helped("messages.stream", "get_final_message", **ask("two", system=system))
    assert written.usage.cache_creation.ephemeral_1h_input_tokens > 2000
    assert read.usage.cache_read_input_tokens == written.usage.cache_creation_input_tokens
    return written, read


@scenario
async def a_tool_and_its_result(c: Client) -> Result:
    first = ask("use tool get_weather", NEW, tools=[WEATHER])
    found = await c.call("messages.create", **first)
    assert found.stop_reason == "tool_use"
    call = found.content[0]
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    turns = [*first["messages"], {"role": "assistant", "content": found.content}, user([result])]
    after = await c.call("messages.create", **first | {"messages": turns})
    assert after.stop_reason == "end_turn"
    return found, after


@scenario
async def parallel_tools(c: Client) -> Result:
    wish = ask("use tool get_weather and use tool get_time", tools=[WEATHER, CLOCK])
    found = await c.call("messages.create", **wish)
    events, streamed = await c.helped("messages.stream", "get_final_message", **wish)
    assert [block.name for block in streamed.content] == ["get_weather", "get_time"]
    assert [block.input for block in streamed.content] == [block.input for block in found.content]
    return found, events, streamed


@scenario
async def a_forced_tool(c: Client) -> Result:
    choice = {"type": "tool", "name": "get_time"}
    found = await c.call("messages.create", **ask(tools=[WEATHER, CLOCK], tool_choice=choice))
    assert found.content[0].name == "get_time"
    return found


@scenario
async def thinking_and_the_signed_turn_after_it(c: Client) -> Result:
    first = ask("[[thinking=40]] [[output=20]]", NEW, thinking={"type": "adaptive"})
    events, found = await c.helped("messages.stream", "get_final_message", **first)
    assert found.content[0].type == "thinking"
    turns = [*first["messages"], {"role": "assistant", "content": found.content}, user("go on")]
    after = await c.call("messages.create", **first | {"messages": turns})
    broken = found.content[0].model_copy(update={"signature": "forged"})
    turns[1] = {"role": "assistant", "content": [broken]}
    refused = await c.error("messages.create", **first | {"messages": turns})
    assert isinstance(refused, anthropic.BadRequestError)
    return events, found, after, refused


@scenario
async def a_thinking_budget(c: Client) -> Result:
    thinking = {"type": "enabled", "budget_tokens": 1024}
    wish = ask("[[thinking=30]] [[output=9]]", thinking=thinking) | {"max_tokens": 2000}
    found = await c.call("messages.create", **wish)
    assert found.usage.output_tokens == 39
    return found


@scenario
async def a_structured_answer(c: Client) -> Result:
    schema = {**SCHEMA, "additionalProperties": False}
    output = {"format": {"type": "json_schema", "schema": schema}, "effort": "low"}
    found = await c.call("messages.create", **ask(output_config=output))
    assert "city" in found.content[0].text
    return found, await c.each("messages.create", **ask(output_config=output), stream=True)


@scenario
async def an_image_and_a_document(c: Client) -> Result:
    source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
    paper = {"type": "base64", "media_type": "application/pdf", "data": PIXEL}
    parts = [{"type": "image", "source": source}, {"type": "document", "source": paper}]
    found = await c.call("messages.create", **ask([*parts, {"type": "text", "text": "what?"}]))
    assert found.usage.input_tokens > 3000
    return found


@scenario
async def a_maximum_of_tokens(c: Client) -> Result:
    found = await c.call("messages.create", **ask() | {"max_tokens": 5})
    assert (found.stop_reason, found.usage.output_tokens) == ("max_tokens", 5)
    return found, await c.each("messages.create", **ask() | {"max_tokens": 5}, stream=True)


@scenario
async def a_stop_sequence(c: Client) -> Result:
    wish = ask("[[output=300]]", stop_sequences=["zz", "ember"])
    found = await c.call("messages.create", **wish)
    assert found.stop_reason == "stop_sequence"
    return found, await c.each("messages.create", **wish, stream=True)


@scenario
async def beta_features(c: Client) -> Result:
    betas = ["context-management-2025-06-27", "made-up-2030-01-01"]
    return await c.call("beta.messages.create", **ask(), betas=betas)


@scenario
async def counted_tokens_are_the_tokens_of_the_call(c: Client) -> Result:
    body = ask("x" * 4000, NEW, system="Be brief.", tools=[WEATHER])
    called = await c.call("messages.create", **body)
    counted = await c.call(
        "messages.count_tokens", **{k: body[k] for k in body if k != "max_tokens"}
    )
    assert counted.input_tokens == called.usage.input_tokens
    return counted, called


@scenario
async def the_models(c: Client) -> Result:
    models = await c.each("models.list", limit=1000)
    one = await c.call("models.retrieve", model_id=NEW)
    missing = await c.error("models.retrieve", model_id="claude-none")
    assert isinstance(missing, anthropic.NotFoundError)
    # The gateway writes its own list, of what the agent may use: what pickers read is the same.
    read = [(m.id, m.display_name, m.type, m.created_at.isoformat()) for m in [*models, one]]
    return read, missing.status_code, missing.type


@scenario
async def batches(c: Client) -> Result:
    requests = [{"custom_id": "a", "params": ask()}, {"custom_id": "b", "params": ask("two")}]
    made = await c.call("messages.batches.create", requests=requests)
    got = await c.call("messages.batches.retrieve", message_batch_id=made.id)
    assert got.request_counts.processing == 2
    missing = await c.error("messages.batches.retrieve", message_batch_id="msgbatch_none")
    return made, got, await c.each("messages.batches.list"), missing


@scenario
async def files(c: Client) -> Result:
    made = await c.call("beta.files.upload", file=("a.txt", b"\x00\xff" * 5000, "text/plain"))
    return made, await c.call("beta.files.retrieve_metadata", file_id=made.id)


@scenario
async def bad_requests(c: Client) -> Result:
    cases: list[tuple[dict[str, Any], type[anthropic.APIStatusError]]] = [
        ({"model": "claude-none"}, anthropic.NotFoundError),
        ({"max_tokens": -1}, anthropic.BadRequestError),
        ({"max_tokens": 999_999}, anthropic.BadRequestError),
        ({"messages": []}, anthropic.BadRequestError),
        ({"messages": [{"role": "robot", "content": "x"}]}, anthropic.BadRequestError),
        ({"tool_choice": {"type": "tool", "name": "none"}}, anthropic.BadRequestError),
        ({"messages": [user("x" * 600_000)]}, anthropic.RequestTooLargeError),
    ]
    found = []
    for change, error in cases:
        # A timeout of its own, or the SDK refuses the large maximum itself.
        raised = await c.error("messages.create", **ask() | change, timeout=60)
        assert isinstance(raised, error), raised
        found.append(raised)
    return found


@scenario
async def requests_that_cannot_be_read(c: Client) -> Result:
    wrong: list[dict[str, Any]] = [{"model": 7}, {"messages": "hello"}, {"max_tokens": "many"}]
    found = [await c.error("messages.create", **ask() | change, timeout=60) for change in wrong]
    assert all(isinstance(raised, anthropic.BadRequestError) for raised in found)
    # The gateway needs these fields itself and says so in its own words.
    return [(raised.status_code, raised.type) for raised in found]


@scenario
async def a_wrong_key(c: Client) -> Result:
    stranger = c.again("sk-ant-unknown")
    raised = await stranger.error("messages.create", **ask())
    assert isinstance(raised, anthropic.AuthenticationError)
    # Who refuses differs, so the text does; what a program can tell does not.
    return raised.status_code, raised.type


@scenario
async def faults_of_the_provider(c: Client) -> Result:
    rules = [
        FaultRule("status", count=1, status=400),
        FaultRule("status", count=1, status=402),
        FaultRule("status", count=1, status=403),
        FaultRule("status", count=1, status=409),
        FaultRule("status", count=1, status=500, message="Ünlucky \u2028"),
        FaultRule("status", count=1, status=503, retry_after_s=7),
        FaultRule("status", count=1, status=529),
        FaultRule("status", count=1, variant="spend_cap"),
        FaultRule("status", count=1, variant="own_spend_limit"),
    ]
    found = []
    for rule in rules:
        for stream in (False, True):
            c.fault(rule)
            raised = await c.error("messages.create", **ask(), stream=stream)
            assert isinstance(raised, anthropic.APIStatusError)
            found.append(raised)
    return found


@scenario
async def an_error_inside_a_stream(c: Client) -> Result:
    c.fault(FaultRule("error_event", count=1, variant="overloaded", after_chunks=2))
    raised = await c.error_in_stream("messages.create", **ask("[[output=90]]"), stream=True)
    assert raised.body["error"]["type"] == "overloaded_error"
    return raised


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
