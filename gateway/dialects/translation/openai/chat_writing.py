"""Writes requests for Chat Completions (provider-facts B1)."""

from collections.abc import Iterator

from gateway.dialects.translation import models
from gateway.dialects.translation.canonical import (
    Choosing,
    Document,
    Image,
    Message,
    Request,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.dialects.translation.features import Feature, Names
from gateway.dialects.translation.ids import fitted
from gateway.dialects.translation.tool_names import checked_name
from gateway.dialects.translation.untranslatable import Dropped, Untranslatable

from . import words

_MAX_STOPS = 4
_CHOICES = {Choosing.AUTO: "auto", Choosing.ANY: "required", Choosing.NONE: "none"}


def body(request: Request, names: Names, dropped: Dropped) -> dict[str, object]:
    """The body of a request.

    Raises:
        Untranslatable: This model or format cannot be told.
    """
    out: dict[str, object] = {"model": request.model, "messages": list(_messages(request, names))}
    if request.stream:
        out |= {"stream": True, "stream_options": {"include_usage": True}}
    if request.max_output_tokens is not None:
        # Some servers of other models know the old name only, and OpenAI's new models the new one.
        own = models.is_openais(request.model)
        out["max_completion_tokens" if own else "max_tokens"] = request.max_output_tokens
    if request.tools:
        out["tools"] = [_tool(tool) for tool in request.tools]
        if request.choice is not None:
            out["tool_choice"] = _choice(request.choice)
    out |= words.common(request) | words.sampling(request, names, dropped)
    if request.stop:
        out["stop"] = _stops(request, names)
    for name, value in (
        ("seed", request.seed),
        ("presence_penalty", request.presence_penalty),
        ("frequency_penalty", request.frequency_penalty),
        ("reasoning_effort", words.effort(request, names, dropped)),
        ("verbosity", request.verbosity or None),
    ):
        if value is not None:
            out[name] = value
    if request.shape is not None and request.shape.schema is None:
        out["response_format"] = {"type": "json_object"}
    elif request.shape is not None:
        schema = words.schema_fields(request.shape)
        out["response_format"] = {"type": "json_schema", "json_schema": schema}
    return out


def _stops(request: Request, names: Names) -> list[str]:
    param = names.get(Feature.STOP)
    if models.gpt_reasons(request.model):
        raise Untranslatable(f"{request.model} takes no stop sequences.", param)
    if len(request.stop) > _MAX_STOPS:
        raise Untranslatable(f"OpenAI takes at most {_MAX_STOPS} stop sequences.", param)
    return list(request.stop)


def _messages(request: Request, names: Names) -> Iterator[dict[str, object]]:
    for text in request.system:
        yield {"role": "system", "content": text.text}
    for message in request.messages:
        if message.role is Role.ASSISTANT:
            yield _assistant(message)
        else:
            yield from _user(message, names)


def _user(message: Message, names: Names) -> Iterator[dict[str, object]]:
    """Results are messages of their own, before what the user says."""
    for part in message.parts:
        if isinstance(part, ToolResult):
            texts = tuple(one for one in part.content if isinstance(one, Text))
            yield {
                "role": "tool",
                "tool_call_id": fitted(part.call_id),
                "content": words.joined(texts),
            }
    said = [part for part in message.parts if not isinstance(part, ToolResult)]
    if not said:
        return
    content: object = [_part(part, names) for part in said]
    if len(said) == 1 and isinstance(said[0], Text):
        content = said[0].text
    yield {"role": message.role.value, "content": content}


def _part(part: object, names: Names) -> dict[str, object]:
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Image():
            return {"type": "image_url", "image_url": {"url": words.image_url(part, names)}}
        case Document():
            return {"type": "file", "file": words.file_data(part, names)}
        case _:
            raise Untranslatable("A user cannot call tools.")


def _assistant(message: Message) -> dict[str, object]:
    texts = tuple(part for part in message.parts if isinstance(part, Text))
    found: dict[str, object] = {
        "role": "assistant",
        "content": words.joined(texts) if texts else None,
    }
    calls = [_call(part) for part in message.parts if isinstance(part, ToolCall)]
    if calls:
        found["tool_calls"] = calls
    if any(isinstance(part, Image | Document) for part in message.parts):
        raise Untranslatable("An image that a model made cannot be sent to another.")
    return found


def _call(call: ToolCall) -> dict[str, object]:
    return {
        "id": fitted(call.id),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }


def _tool(tool: Tool) -> dict[str, object]:
    function: dict[str, object] = {
        "name": checked_name(tool.name, words.MAX_NAME),
        "parameters": dict(tool.schema),
    }
    if tool.description:
        function["description"] = tool.description
    if tool.strict:
        function["strict"] = True
    return {"type": "function", "function": function}


def _choice(choice: ToolChoice) -> object:
    if choice.choosing is Choosing.ONE:
        return {"type": "function", "function": {"name": choice.name}}
    return _CHOICES[choice.choosing]
