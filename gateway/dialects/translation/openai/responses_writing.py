"""Writes requests for the Responses API (provider-facts B1).

The provider is told to keep nothing (`store: false`): nobody could ask for it again.
"""

from collections.abc import Iterator
from typing import Final

from gateway.dialects.translation.canonical import (
    Choosing,
    Document,
    Image,
    Message,
    Part,
    Request,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from gateway.dialects.translation.features import Carries, Feature, Names
from gateway.dialects.translation.fields import Treatment
from gateway.dialects.translation.ids import fitted
from gateway.dialects.translation.tool_names import checked_name
from gateway.dialects.translation.untranslatable import Dropped, Untranslatable

from . import words

CARRIES: Final[Carries] = {
    **words.CARRIES,
    Feature.DOCUMENT_URL: Treatment.CARRIED,
    Feature.RESULT_IMAGE: Treatment.CARRIED,
    Feature.STOP: Treatment.REFUSED,
    Feature.SEED: Treatment.DROPPED,
    Feature.PENALTIES: Treatment.DROPPED,
}
_CHOICES = {Choosing.AUTO: "auto", Choosing.ANY: "required", Choosing.NONE: "none"}


def body(request: Request, names: Names, dropped: Dropped) -> dict[str, object]:
    """The body of a request.

    Raises:
        Untranslatable: This model or format cannot be told.
    """
    out: dict[str, object] = {
        "model": request.model,
        "input": list(_items(request, names)),
        "store": False,
    }
    if len(request.system) == 1:
        out["instructions"] = request.system[0].text
    if request.stream:
        out["stream"] = True
    if request.max_output_tokens is not None:
        out["max_output_tokens"] = request.max_output_tokens
    if request.tools:
        out["tools"] = [_tool(tool) for tool in request.tools]
        if request.choice is not None:
            out["tool_choice"] = _choice(request.choice)
    out |= words.common(request) | words.sampling(request, names, dropped)
    if reasoning := _reasoning(request, names, dropped):
        out["reasoning"] = reasoning
    if text := _text(request):
        out["text"] = text
    return out


def _reasoning(request: Request, names: Names, dropped: Dropped) -> dict[str, object]:
    found: dict[str, object] = {}
    if (effort := words.effort(request, names, dropped)) is not None:
        found["effort"] = effort
    if request.thinking is not None and request.thinking.shown and words.reasons(request):
        found["summary"] = "auto"
    return found


def _text(request: Request) -> dict[str, object]:
    found: dict[str, object] = {}
    if request.verbosity:
        found["verbosity"] = request.verbosity
    if request.shape is not None and request.shape.schema is None:
        found["format"] = {"type": "json_object"}
    elif request.shape is not None:
        found["format"] = {"type": "json_schema", **words.schema_fields(request.shape)}
    return found


def _items(request: Request, names: Names) -> Iterator[dict[str, object]]:
    if len(request.system) > 1:
        for text in request.system:
            yield {"role": "system", "content": text.text}
    for message in request.messages:
        if message.role is Role.ASSISTANT:
            yield from _assistant(message)
        else:
            yield from _user(message, names)


def _user(message: Message, names: Names) -> Iterator[dict[str, object]]:
    for part in message.parts:
        if isinstance(part, ToolResult):
            yield {
                "type": "function_call_output",
                "call_id": fitted(part.call_id),
                "output": _output(part, names),
            }
    said = [_part(part, names) for part in message.parts if not isinstance(part, ToolResult)]
    if said:
        yield {"type": "message", "role": message.role.value, "content": said}


def _output(result: ToolResult, names: Names) -> object:
    content = result.content
    if not content:
        return ""
    if len(content) == 1 and isinstance(content[0], Text):
        return content[0].text
    return [_part(part, names) for part in content]


def _part(part: Part, names: Names) -> dict[str, object]:
    match part:
        case Text(text):
            return {"type": "input_text", "text": text}
        case Image():
            url = words.image_url(part, names)
            return {"type": "input_image", "detail": "auto", "image_url": url}
        case Document(url=url) if url:
            return {"type": "input_file", "file_url": url}
        case Document():
            return {"type": "input_file", **words.file_data(part, names)}
        case _:
            raise Untranslatable("A user cannot call tools.")


def _assistant(message: Message) -> Iterator[dict[str, object]]:
    for part in message.parts:
        match part:
            case Text(text):
                yield {"role": "assistant", "content": text}
            case ToolCall(call_id, name, arguments):
                yield {
                    "type": "function_call",
                    "call_id": fitted(call_id),
                    "name": name,
                    "arguments": arguments or "{}",
                }
            case Image() | Document():
                raise Untranslatable("An image that a model made cannot be sent to another.")
            case _:
                pass  # thoughts: `fit` took them out


def _tool(tool: Tool) -> dict[str, object]:
    found: dict[str, object] = {
        "type": "function",
        "name": checked_name(tool.name, words.MAX_NAME),
        "parameters": dict(tool.schema),
        "strict": tool.strict,
    }
    if tool.description:
        found["description"] = tool.description
    return found


def _choice(choice: ToolChoice) -> object:
    if choice.choosing is Choosing.ONE:
        return {"type": "function", "name": choice.name}
    return _CHOICES[choice.choosing]
