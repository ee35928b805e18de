"""Writes requests for the Messages API (provider-facts A1, A6)."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from gateway.dialects.translation import models
from gateway.dialects.translation.canonical import (
    Choosing,
    Document,
    Effort,
    Image,
    Message,
    Part,
    Request,
    Role,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.dialects.translation.efforts import BUDGETS, effort_of
from gateway.dialects.translation.features import PLAIN, Carries, Feature, Names, forced
from gateway.dialects.translation.fields import Treatment, object_of
from gateway.dialects.translation.ids import fitted
from gateway.dialects.translation.plain_text import decoded
from gateway.dialects.translation.schemas import closed
from gateway.dialects.translation.tool_names import checked_name
from gateway.dialects.translation.untranslatable import Dropped, Untranslatable

_CARRIED, _DROPPED, _REFUSED = Treatment.CARRIED, Treatment.DROPPED, Treatment.REFUSED

CARRIES: Final[Carries] = {
    Feature.SYSTEM_INSIDE: _CARRIED,
    Feature.IMAGE_URL: _CARRIED,
    Feature.PDF: _CARRIED,
    Feature.PLAIN_TEXT: _CARRIED,
    Feature.DOCUMENT_URL: _CARRIED,
    Feature.RESULT_IMAGE: _CARRIED,
    Feature.RESULT_FAILED: _CARRIED,
    Feature.THOUGHTS: _DROPPED,
    Feature.TOOL_CHOICE: _CARRIED,
    Feature.PARALLEL: _CARRIED,
    Feature.STRICT: _CARRIED,
    Feature.SCHEMA: _CARRIED,
    Feature.JSON: _REFUSED,
    Feature.STOP: _CARRIED,
    Feature.MAX_OUTPUT: _CARRIED,
    Feature.TEMPERATURE: _CARRIED,
    Feature.TOP_P: _CARRIED,
    Feature.TOP_K: _CARRIED,
    Feature.SEED: _DROPPED,
    Feature.PENALTIES: _DROPPED,
    Feature.THINKING: _CARRIED,
    Feature.USER: _CARRIED,
    Feature.METADATA: _DROPPED,
    Feature.CACHE_KEY: _DROPPED,
    Feature.VERBOSITY: _DROPPED,
}

_IMAGES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_MAX_NAME = 128
_MAX_TEMPERATURE = 1.0
_LEAST_BUDGET = 1024
_CHOICES = {
    Choosing.AUTO: "auto",
    Choosing.ANY: "any",
    Choosing.NONE: "none",
    Choosing.ONE: "tool",
}


def body(request: Request, names: Names, dropped: Dropped) -> dict[str, object]:
    """The body of a request.

    Raises:
        Untranslatable: This model or format cannot be told.
    """
    most = request.max_output_tokens
    if most is None:
        most = models.bounded_output(request.model, models.CLAUDE_MAX_OUTPUT)
    out: dict[str, object] = {
        "model": request.model,
        "max_tokens": most,
        "messages": [one for m in request.messages for one in _message(m, names)],
    }
    if request.system:
        out["system"] = _system(request.system)
    if request.stream:
        out["stream"] = True
    if request.tools:
        out["tools"] = [_tool(tool) for tool in request.tools]
        if (choice := _choice(request, names)) is not None:
            out["tool_choice"] = choice
    thinking, effort = _thinking(request, most, names, dropped)
    if thinking is not None:
        out["thinking"] = thinking
    if output := _output(request, effort):
        out["output_config"] = output
    out |= _sampling(request, names, dropped, thinks=_is_on(thinking))
    if request.stop:
        out["stop_sequences"] = list(request.stop)
    if request.user:
        out["metadata"] = {"user_id": request.user}
    return out


def _output(request: Request, effort: str | None) -> dict[str, object]:
    found: dict[str, object] = {} if effort is None else {"effort": effort}
    if request.shape is not None and request.shape.schema is not None:
        found["format"] = {"type": "json_schema", "schema": closed(request.shape.schema)}
    return found


def _system(parts: tuple[Text, ...]) -> object:
    if len(parts) == 1:
        return parts[0].text
    return [{"type": "text", "text": part.text} for part in parts]


def _message(message: Message, names: Names) -> Iterable[dict[str, object]]:
    blocks = [block for part in message.parts for block in _block(part, message.role, names)]
    if blocks:
        yield {"role": message.role.value, "content": blocks}


def _block(part: Part, role: Role, names: Names) -> Iterable[dict[str, object]]:
    match part:
        case Text(text):
            if text.strip():  # an empty one is refused
                yield {"type": "text", "text": text}
        case Image() | Document() if role is not Role.USER:
            raise Untranslatable("An image that a model made cannot be sent to another.")
        case Image():
            yield _image(part, names)
        case Document():
            yield _document(part, names)
        case ToolCall(call_id, name, arguments):
            found = object_of(arguments)
            if found is None:
                raise Untranslatable(f"The arguments of a call of {name!r} are no JSON object.")
            yield {"type": "tool_use", "id": fitted(call_id), "name": name, "input": found}
        case ToolResult():
            yield _result(part, names)
        case _:
            pass  # thoughts: `fit` took them out


def _image(image: Image, names: Names) -> dict[str, object]:
    if image.url:
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    if image.media_type not in _IMAGES:
        raise _unknown_type(image.media_type, names)
    source = {"type": "base64", "media_type": image.media_type, "data": image.data}
    return {"type": "image", "source": source}


def _document(document: Document, names: Names) -> dict[str, object]:
    source: dict[str, object]
    if document.url:
        source = {"type": "url", "url": document.url}
    elif document.media_type == PLAIN and (text := decoded(document.data)) is not None:
        source = {"type": "text", "media_type": PLAIN, "data": text}
    elif document.media_type == "application/pdf":
        source = {"type": "base64", "media_type": document.media_type, "data": document.data}
    else:
        raise _unknown_type(document.media_type, names)
    found: dict[str, object] = {"type": "document", "source": source}
    if document.name:
        found["title"] = document.name
    return found


def _unknown_type(media_type: str, names: Names) -> Untranslatable:
    return Untranslatable(
        f"Media of type {media_type!r} cannot be sent to Anthropic.", names.get(Feature.PDF)
    )


def _result(result: ToolResult, names: Names) -> dict[str, object]:
    found: dict[str, object] = {"type": "tool_result", "tool_use_id": fitted(result.call_id)}
    content = [block for part in result.content for block in _block(part, Role.USER, names)]
    if content:
        found["content"] = content
    if result.failed:
        found["is_error"] = True
    return found


def _tool(tool: Tool) -> dict[str, object]:
    found: dict[str, object] = {
        "name": checked_name(tool.name, _MAX_NAME),
        "input_schema": {"type": "object", **tool.schema},
    }
    if tool.description:
        found["description"] = tool.description
    if tool.strict:
        found["strict"] = True
    return found


def _choice(request: Request, names: Names) -> dict[str, object] | None:
    choice = request.choice
    if choice is None:
        if request.parallel is not False:
            return None
        choice = ToolChoice(Choosing.AUTO)
    if forced(request) and not models.claude_can_be_forced(request.model):
        param = names.get(Feature.TOOL_CHOICE)
        raise Untranslatable(f"{request.model} cannot be made to use a tool.", param)
    found: dict[str, object] = {"type": _CHOICES[choice.choosing]}
    if choice.choosing is Choosing.ONE:
        found["name"] = choice.name
    if request.parallel is False and choice.choosing is not Choosing.NONE:
        found["disable_parallel_tool_use"] = True
    return found


def _thinking(
    request: Request, most: int, names: Names, dropped: Dropped
) -> tuple[dict[str, object] | None, str | None]:
    """The setting and the effort, as this model takes them."""
    thinking = request.thinking
    if thinking is None:
        return None, None
    by_budget = models.claude_thinks_by_budget(request.model)
    if thinking.effort is Effort.NONE:
        if by_budget:
            return None, None  # off unless asked for
        if models.claude_can_stop_thinking(request.model):
            return {"type": "disabled"}, None
        dropped.add(names.get(Feature.THINKING, "thinking"))
        return None, None
    if forced(request):
        dropped.add(names.get(Feature.THINKING, "thinking"))  # Claude does one or the other
        return None, None
    if not by_budget:
        display = "summarized" if thinking.shown else "omitted"
        return {"type": "adaptive", "display": display}, _effort(thinking)
    budget = min(_budget(thinking), most - 1)
    if budget < _LEAST_BUDGET or _in_a_tool_loop(request):
        dropped.add(names.get(Feature.THINKING, "thinking"))
        return None, None
    return {"type": "enabled", "budget_tokens": budget}, None


def _budget(thinking: Thinking) -> int:
    if thinking.budget_tokens is not None:
        return max(_LEAST_BUDGET, thinking.budget_tokens)
    return BUDGETS[thinking.effort or Effort.HIGH]


def _effort(thinking: Thinking) -> str | None:
    if thinking.effort is not None:
        return (Effort.LOW if thinking.effort is Effort.MINIMAL else thinking.effort).value
    if thinking.budget_tokens is None:
        return None
    return effort_of(thinking.budget_tokens).value


def _in_a_tool_loop(request: Request) -> bool:
    """Whether a turn with tool calls is under way, which would have to begin with signed thoughts."""
    last = request.messages[-1] if request.messages else None
    return last is not None and any(isinstance(part, ToolResult) for part in last.parts)


def _is_on(thinking: Mapping[str, object] | None) -> bool:
    return thinking is not None and thinking["type"] != "disabled"


def _sampling(
    request: Request, names: Names, dropped: Dropped, *, thinks: bool
) -> dict[str, object]:
    """Claude samples in its own way while it thinks, and takes one of temperature and top-p."""
    if thinks:
        for feature, value in (
            (Feature.TEMPERATURE, request.temperature),
            (Feature.TOP_P, request.top_p),
            (Feature.TOP_K, request.top_k),
        ):
            if value is not None:
                dropped.add(names.get(feature, feature.value))
        request = replace(request, temperature=None, top_p=None, top_k=None)
    found: dict[str, object] = {}
    if request.temperature is not None:
        if request.temperature > _MAX_TEMPERATURE:
            dropped.add(names.get(Feature.TEMPERATURE, "temperature"))
        found["temperature"] = min(request.temperature, _MAX_TEMPERATURE)
    if request.top_p is not None:
        if found:
            dropped.add(names.get(Feature.TOP_P, "top_p"))
        else:
            found["top_p"] = request.top_p
    if request.top_k is not None:
        found["top_k"] = request.top_k
    return found
