"""Reads what callers of the Responses API ask (provider-facts B1)."""

from collections.abc import Iterator
from typing import Final

from gateway.dialects.translation.canonical import (
    Choosing,
    Document,
    Effort,
    Image,
    Message,
    Part,
    Request,
    Role,
    Shape,
    Text,
    Thinking,
    Thought,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    merged,
)
from gateway.dialects.translation.features import Feature, Names
from gateway.dialects.translation.fields import Fields, Treatment

from . import words

_CARRIED, _DROPPED, _REFUSED = Treatment.CARRIED, Treatment.DROPPED, Treatment.REFUSED

FIELDS: Final = {
    "model": _CARRIED,
    "input": _CARRIED,
    "instructions": _CARRIED,
    "stream": _CARRIED,
    "stream_options": _CARRIED,
    "max_output_tokens": _CARRIED,
    "temperature": _CARRIED,
    "top_p": _CARRIED,
    "tools": _CARRIED,
    "tool_choice": _CARRIED,
    "parallel_tool_calls": _CARRIED,
    "reasoning": _CARRIED,
    "text": _CARRIED,
    "safety_identifier": _CARRIED,
    "user": _CARRIED,
    "metadata": _CARRIED,
    "prompt_cache_key": _CARRIED,
    "access_programs": _DROPPED,
    "background_options": _DROPPED,
    "context_management": _DROPPED,
    "include": _DROPPED,
    "max_tool_calls": _DROPPED,
    "prompt_cache_options": _DROPPED,
    "prompt_cache_retention": _DROPPED,
    "service_tier": _DROPPED,
    "store": _DROPPED,
    "truncation": _DROPPED,
    "background": _REFUSED,
    "conversation": _REFUSED,
    "image": _REFUSED,
    "moderation": _REFUSED,
    "previous_response_id": _REFUSED,
    "prompt": _REFUSED,
    "top_logprobs": _REFUSED,
}

NAMES: Final[Names] = {
    Feature.SYSTEM_INSIDE: "input.role",
    Feature.IMAGE_URL: "input.content.image_url",
    Feature.PDF: "input.content.file_data",
    Feature.PLAIN_TEXT: "input.content.file_data",
    Feature.DOCUMENT_URL: "input.content.file_url",
    Feature.RESULT_IMAGE: "input.output",
    Feature.THOUGHTS: "input.summary",
    Feature.TOOL_CHOICE: "tool_choice",
    Feature.PARALLEL: "parallel_tool_calls",
    Feature.STRICT: "tools.strict",
    Feature.SCHEMA: "text.format",
    Feature.JSON: "text.format",
    Feature.MAX_OUTPUT: "max_output_tokens",
    Feature.TEMPERATURE: "temperature",
    Feature.TOP_P: "top_p",
    Feature.THINKING: "reasoning",
    Feature.USER: "user",
    Feature.METADATA: "metadata",
    Feature.CACHE_KEY: "prompt_cache_key",
    Feature.VERBOSITY: "text.verbosity",
}

ECHOED: Final = (
    *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "parallel_tool_calls"),
    *("prompt_cache_key", "reasoning", "safety_identifier", "temperature", "text"),
    *("tool_choice", "tools", "top_p", "truncation", "user"),
)
"""What a response repeats of its request."""

_ROLES = {
    "user": Role.USER,
    "assistant": Role.ASSISTANT,
    "system": Role.SYSTEM,
    "developer": Role.SYSTEM,
}
_WORDS = {"none": Choosing.NONE, "auto": Choosing.AUTO, "required": Choosing.ANY}
_HARMLESS: dict[str, tuple[object, ...]] = {
    "background": (False,),
    "store": (False,),
    "top_logprobs": (0,),
}
"""Values that ask for nothing."""


def read(body: Fields) -> tuple[Request, dict[str, object]]:
    """The request of a body, and what its answer repeats of it.

    Raises:
        Untranslatable: It cannot be understood, or no other format could say it.
    """
    echoed = {name: body.peek(name) for name in ECHOED if body.has(name)}
    body.ignore("stream_options")
    text = body.inner("text")
    instructions = body.text("instructions")
    system, messages = _conversation(body)
    request = Request(
        model=body.text("model"),
        system=((Text(instructions),) if instructions else ()) + system,
        messages=messages,
        stream=body.flag("stream") is True,
        tools=tuple(_tool(one) for one in body.objects("tools")),
        choice=_choice(body),
        parallel=body.flag("parallel_tool_calls"),
        max_output_tokens=body.whole("max_output_tokens"),
        temperature=body.number("temperature"),
        top_p=body.number("top_p"),
        thinking=_thinking(body.inner("reasoning")),
        shape=None if text is None else _shape(text.inner("format")),
        user=words.user_of(body),
        metadata=body.json("metadata"),
        verbosity="" if text is None else text.text("verbosity"),
        cache_key=body.text("prompt_cache_key"),
    )
    if text is not None:
        text.rest()
    for name, values in _HARMLESS.items():
        if body.peek(name) in values:
            body.ignore(name)
    body.treat(FIELDS)
    return request, echoed


def _conversation(body: Fields) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """What instructs at the head, and the turns."""
    found = body.any("input")
    if isinstance(found, str):
        return (), (Message(Role.USER, (Text(found),)),)
    system: list[Text] = []
    messages: list[Message] = []
    for item in body.within("input", found or []):
        message = _item(item)
        item.rest()
        if message.role is Role.SYSTEM and not messages:
            system += words.instructions(message, item)
        else:
            messages.append(message)
    return tuple(system), merged(messages)


def _item(item: Fields) -> Message:
    kind = item.text("type")
    item.ignore("id", "status", "phase")
    match kind:
        case "" | "message":
            role = item.text("role")
            if role not in _ROLES:
                raise item.wrong("role", f"one of: {', '.join(_ROLES)}")
            return Message(_ROLES[role], tuple(_content(item, "content")))
        case "function_call":
            call = ToolCall(item.text("call_id"), item.text("name"), item.text("arguments"))
            return Message(Role.ASSISTANT, (call,))
        case "function_call_output":
            result = ToolResult(item.text("call_id"), tuple(_content(item, "output")))
            return Message(Role.USER, (result,))
        case "reasoning":
            return Message(Role.ASSISTANT, tuple(_thoughts(item)))
        case _:
            raise item.refused("type", f"{kind!r} items are OpenAI's own")


def _thoughts(item: Fields) -> Iterator[Part]:
    for summary in (*item.objects("summary"), *item.objects("content")):
        summary.ignore("type")
        yield Thought(summary.text("text"))


def _content(item: Fields, name: str) -> Iterator[Text | Image | Document]:
    content = item.any(name)
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for part in item.within(name, content or []):
        yield _part(part)
        part.rest()


def _part(part: Fields) -> Text | Image | Document:
    match part.text("type"):
        case "input_text" | "output_text" | "text":
            for name in ("annotations", "logprobs"):
                if part.peek(name) == []:
                    part.ignore(name)
            return Text(part.text("text"))
        case "refusal":
            return Text(part.text("refusal"))
        case "input_image":
            if part.has("file_id"):
                raise part.refused("file_id", "a file kept at OpenAI stays there")
            if part.peek("detail") == "auto":
                part.ignore("detail")
            return words.image_of(part.text("image_url"), part, "image_url")
        case "input_file":
            return words.document_of(part)
        case _:
            raise part.refused("type")


def _tool(tool: Fields) -> Tool:
    kind = tool.text("type")
    if kind != "function":
        raise tool.refused("type", f"{kind!r} is a tool of OpenAI's own")
    found = Tool(
        tool.text("name"),
        tool.json("parameters") or {},
        tool.text("description"),
        tool.flag("strict") is True,
    )
    tool.rest()
    return found


def _choice(body: Fields) -> ToolChoice | None:
    value = body.peek("tool_choice")
    if value is None:
        return None
    if isinstance(value, str) and value in _WORDS:
        body.ignore("tool_choice")
        return ToolChoice(_WORDS[value])
    choice = body.inner("tool_choice")
    if choice is None or choice.text("type") != "function":
        raise body.refused("tool_choice")
    return ToolChoice(Choosing.ONE, choice.text("name"))


def _thinking(reasoning: Fields | None) -> Thinking | None:
    if reasoning is None:
        return None
    effort = reasoning.one_of(Effort, "effort")
    shown = bool(reasoning.text("summary", "generate_summary"))
    reasoning.rest()
    return Thinking(effort, None, shown) if effort is not None or shown else None


def _shape(form: Fields | None) -> Shape | None:
    if form is None:
        return None
    match form.text("type"):
        case "text":
            return None
        case "json_object":
            return Shape()
        case "json_schema":
            return words.shape_of(form)
        case _:
            raise form.refused("type")
