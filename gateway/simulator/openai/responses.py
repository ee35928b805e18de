"""`POST /v1/responses` and its siblings (provider-facts B1, B2, B3)."""

from typing import Any

from gateway.simulator.answer import Ask, answer
from gateway.simulator.call import Body, Call
from gateway.simulator.errors import ApiError
from gateway.simulator.generation import generate, usage_of
from gateway.simulator.models import Model
from gateway.simulator.openai.errors import invalid, limit_headers, unknown_model
from gateway.simulator.openai.events import ResponseWriter, usage_json
from gateway.simulator.openai.prompts import (
    OpenAIRequest,
    Prompt,
    admit,
    forced_tools,
    read_tools,
    requested_max,
)
from gateway.simulator.reading import last_text


async def create_response(call: Call) -> None:
    """Answer with items."""
    body = await call.read_json()
    stream = body.get("stream") is True
    await call.meet(body.get("model"), stream=stream)
    if call.model is None:
        raise unknown_model(body.get("model"))
    request = _read(call, body, call.model, stream=stream)
    use = admit(call, request)
    result = answer(request.ask, call.state.settings)
    usage = usage_of(call, use, result.tokens, result.thinking_tokens)
    writer = ResponseWriter(call, body, result, usage, stream=stream)
    await generate(call, writer, use.writes)
    if body.get("store") is not False:
        call.state.keep(writer.id, (writer.final(), request.prompt.tokens + result.tokens))


async def count_input(call: Call) -> None:
    """`POST /v1/responses/input_tokens`."""
    body = await call.read_json()
    await call.meet(body.get("model"))
    if call.model is None:
        raise unknown_model(body.get("model"))
    request = _read(call, body, call.model, stream=False)
    await call.reply({"object": "response.input_tokens", "input_tokens": request.prompt.tokens})


async def compact(call: Call) -> None:
    """`POST /v1/responses/compact`: user messages stay, the rest becomes one opaque item."""
    body = await call.read_json()
    await call.meet(body.get("model"))
    if call.model is None:
        raise unknown_model(body.get("model"))
    request = _read(call, body, call.model, stream=False)
    use = admit(call, request)
    call.produce(32)
    items = body.get("input")
    kept = [
        {
            "id": call.state.new_id("msg_"),
            "type": "message",
            "role": "user",
            "status": "completed",
            "content": _content_list(item.get("content")),
        }
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and item.get("role") == "user"
    ]
    item = {
        "id": call.state.new_id("cmp_"),
        "type": "compaction",
        "encrypted_content": "c2ltdWxhdGVk",
    }
    await call.reply(
        {
            "id": call.state.new_id("resp_"),
            "object": "response.compaction",
            "created_at": int(call.state.wall()),
            "output": [*kept, item],
            "usage": usage_json(usage_of(call, use, 32, 0)),
        },
        None if call.lane is None else limit_headers(call, call.lane),
    )


async def get_response(call: Call) -> None:
    """`GET /v1/responses/{id}`."""
    await call.meet(None)
    name = call.exchange.path.rsplit("/", 1)[-1]
    stored = call.state.stored.get(name)
    if stored is None or not name.startswith("resp_"):
        raise ApiError(404, "invalid_request_error", f"Response with id '{name}' not found.")
    await call.reply(stored[0])


def _content_list(content: Any) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "input_text", "text": content}]
    return content if isinstance(content, list) else []


def _read(call: Call, body: Body, model: Model, *, stream: bool) -> OpenAIRequest:
    prompt = Prompt()
    tools = read_tools(body, prompt)
    turns = _earlier(call, body, prompt)
    if isinstance(body.get("instructions"), str):
        prompt.boundary("developer")
        prompt.text(body["instructions"])
    items = body.get("input")
    if isinstance(items, str):
        items = [{"role": "user", "content": items}]
    if not isinstance(items, list) or not items:
        raise invalid("Missing required parameter: 'input'.", "input", "missing_required_parameter")
    for i, item in enumerate(items):
        _read_item(item, i, prompt)
    wanted = requested_max(body, model, "max_output_tokens")
    reasoning = body.get("reasoning")
    effort = reasoning.get("effort") if isinstance(reasoning, dict) else None
    ask = Ask(
        model=model,
        last_text=_last_text(items),
        turns=turns + len(items),
        max_tokens=wanted or model.max_output_tokens,
        tools=tools,
        forced=forced_tools(body, tools),
        thinking=effort not in (None, "none"),
        json_schema=_schema(body.get("text")),
    )
    return OpenAIRequest(ask, prompt, wanted, str(body.get("prompt_cache_key") or ""), stream)


def _earlier(call: Call, body: Body, prompt: Prompt) -> int:
    """Count the conversation behind `previous_response_id`, which is not in the body."""
    name = body.get("previous_response_id")
    if name is None:
        return 0
    stored = call.state.stored.get(str(name))
    if stored is None:
        raise invalid(
            f"Previous response with id '{name}' not found.",
            "previous_response_id",
            "previous_response_not_found",
        )
    prompt.tokens += stored[1]
    return 2


def _read_item(item: Any, index: int, prompt: Prompt) -> None:
    if not isinstance(item, dict):
        where = f"input[{index}]"
        raise invalid(f"Invalid type for '{where}': expected an object.", where, "invalid_type")
    if "role" in item:
        prompt.boundary(str(item["role"]))
        prompt.content(item.get("content"))
        return
    prompt.boundary(str(item.get("type", "")))
    if isinstance(item.get("output"), str):
        prompt.text(item["output"])
    else:
        prompt.json({k: v for k, v in item.items() if k not in ("id", "status")})


def _last_text(items: list[Any]) -> str:
    last = items[-1]
    if last.get("role") not in ("user", "developer", "system"):
        return ""
    return last_text(last.get("content"))


def _schema(text: Any) -> dict[str, Any] | None:
    inner = text.get("format") if isinstance(text, dict) else None
    if not isinstance(inner, dict):
        return None
    if inner.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    schema = inner.get("schema")
    return schema if isinstance(schema, dict) else None
