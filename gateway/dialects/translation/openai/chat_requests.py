"""Reads what callers of Chat Completions ask (provider-facts B1)."""

from collections.abc import Iterator
from enum import Enum
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
    "messages": _CARRIED,
    "stream": _CARRIED,
    "stream_options": _CARRIED,
    "max_completion_tokens": _CARRIED,
    "max_tokens": _CARRIED,
    "temperature": _CARRIED,
    "top_p": _CARRIED,
    "seed": _CARRIED,
    "presence_penalty": _CARRIED,
    "frequency_penalty": _CARRIED,
    "stop": _CARRIED,
    "tools": _CARRIED,
    "tool_choice": _CARRIED,
    "parallel_tool_calls": _CARRIED,
    "reasoning_effort": _CARRIED,
    "response_format": _CARRIED,
    "safety_identifier": _CARRIED,
    "user": _CARRIED,
    "metadata": _CARRIED,
    "prompt_cache_key": _CARRIED,
    "verbosity": _CARRIED,
    "prediction": _DROPPED,
    "prompt_cache_options": _DROPPED,
    "prompt_cache_retention": _DROPPED,
    "service_tier": _DROPPED,
    "store": _DROPPED,
    "audio": _REFUSED,
    "function_call": _REFUSED,
    "functions": _REFUSED,
    "logit_bias": _REFUSED,
    "logprobs": _REFUSED,
    "modalities": _REFUSED,
    "moderation": _REFUSED,
    "n": _REFUSED,
    "top_logprobs": _REFUSED,
    "web_search_options": _REFUSED,
}

NAMES: Final[Names] = {
    Feature.SYSTEM_INSIDE: "messages.role",
    Feature.IMAGE_URL: "messages.content.image_url",
    Feature.PDF: "messages.content.file",
    Feature.PLAIN_TEXT: "messages.content.file",
    Feature.DOCUMENT_URL: "messages.content.file",
    Feature.TOOL_CHOICE: "tool_choice",
    Feature.PARALLEL: "parallel_tool_calls",
    Feature.STRICT: "tools.function.strict",
    Feature.SCHEMA: "response_format",
    Feature.JSON: "response_format",
    Feature.STOP: "stop",
    Feature.MAX_OUTPUT: "max_completion_tokens",
    Feature.TEMPERATURE: "temperature",
    Feature.TOP_P: "top_p",
    Feature.SEED: "seed",
    Feature.PENALTIES: "presence_penalty",
    Feature.THINKING: "reasoning_effort",
    Feature.USER: "user",
    Feature.METADATA: "metadata",
    Feature.CACHE_KEY: "prompt_cache_key",
    Feature.VERBOSITY: "verbosity",
}


class _Speaker(Enum):
    SYSTEM = "system"
    DEVELOPER = "developer"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


_WORDS = {"none": Choosing.NONE, "auto": Choosing.AUTO, "required": Choosing.ANY}
_HARMLESS = {
    "n": (1,),
    "logprobs": (False,),
    "modalities": (["text"],),
    "top_logprobs": (0,),
    "store": (False,),
}
"""Values that ask for nothing."""


def read(body: Fields) -> Request:
    """The request of a body.

    Raises:
        Untranslatable: It cannot be understood, or no other format could say it.
    """
    body.ignore("stream_options")  # for whoever writes the answer
    system, messages = _conversation(body.objects("messages"))
    new, old = body.whole("max_completion_tokens"), body.whole("max_tokens")
    effort = body.one_of(Effort, "reasoning_effort")
    request = Request(
        model=body.text("model"),
        system=system,
        messages=messages,
        stream=body.flag("stream") is True,
        tools=tuple(_tool(one) for one in body.objects("tools")),
        choice=_choice(body),
        parallel=body.flag("parallel_tool_calls"),
        max_output_tokens=old if new is None else new,
        temperature=body.number("temperature"),
        top_p=body.number("top_p"),
        seed=body.whole("seed"),
        presence_penalty=body.number("presence_penalty"),
        frequency_penalty=body.number("frequency_penalty"),
        stop=body.texts("stop"),
        thinking=None if effort is None else Thinking(effort),
        shape=_shape(body.inner("response_format")),
        user=words.user_of(body),
        metadata=body.json("metadata"),
        verbosity=body.text("verbosity"),
        cache_key=body.text("prompt_cache_key"),
    )
    _ignore_harmless(body)
    body.treat(FIELDS)
    return request


def _ignore_harmless(body: Fields) -> None:
    for name, values in _HARMLESS.items():
        if body.peek(name) in values:
            body.ignore(name)


def _conversation(found: list[Fields]) -> tuple[tuple[Text, ...], tuple[Message, ...]]:
    """What instructs at the head, and the turns."""
    system: list[Text] = []
    messages: list[Message] = []
    for one in found:
        speaker = one.one_of(_Speaker, "role") or _Speaker.USER
        message = _message(one, speaker)
        if message.role is Role.SYSTEM and not messages:
            system += words.instructions(message, one)
        else:
            messages.append(message)
    return tuple(system), merged(messages)


def _message(message: Fields, speaker: _Speaker) -> Message:
    parts = tuple(_content(message))
    match speaker:
        case _Speaker.TOOL:
            result = ToolResult(message.text("tool_call_id"), parts)
            found = Message(Role.USER, (result,))
        case _Speaker.ASSISTANT:
            calls = tuple(_call(one) for one in message.objects("tool_calls"))
            refusal = message.text("refusal")
            said = (*parts, Text(refusal)) if refusal else parts
            found = Message(Role.ASSISTANT, said + calls)
            for name in ("audio", "function_call"):
                if message.has(name):
                    raise message.refused(name)
        case _Speaker.USER:
            found = Message(Role.USER, parts)
        case _:
            found = Message(Role.SYSTEM, parts)
    message.rest()
    return found


def _content(message: Fields) -> Iterator[Text | Image | Document]:
    content = message.any("content")
    if isinstance(content, str):
        if content:
            yield Text(content)
        return
    for part in message.within("content", content or []):
        yield _part(part)
        part.rest()


def _part(part: Fields) -> Text | Image | Document:
    match part.text("type"):
        case "text":
            return Text(part.text("text"))
        case "refusal":
            return Text(part.text("refusal"))
        case "image_url":
            image = part.inner("image_url") or part
            image.drop("detail")
            return words.image_of(image.text("url"), image, "url")
        case "file":
            return words.document_of(part.inner("file") or part)
        case _:
            raise part.refused("type")


def _call(call: Fields) -> Part:
    if call.text("type") not in {"", "function"}:
        raise call.refused("type")
    function = call.inner("function") or call
    return ToolCall(call.text("id"), function.text("name"), function.text("arguments"))


def _tool(tool: Fields) -> Tool:
    if tool.text("type") not in {"", "function"}:
        raise tool.refused("type")
    function = tool.inner("function") or tool
    found = Tool(
        function.text("name"),
        function.json("parameters") or {},
        function.text("description"),
        function.flag("strict") is True,
    )
    function.rest()
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
    function = None if choice is None else choice.inner("function")
    if choice is None or choice.text("type") != "function" or function is None:
        raise body.refused("tool_choice")
    return ToolChoice(Choosing.ONE, function.text("name"))


def _shape(form: Fields | None) -> Shape | None:
    if form is None:
        return None
    match form.text("type"):
        case "text":
            return None
        case "json_object":
            return Shape()
        case "json_schema":
            return words.shape_of(form.inner("json_schema") or form)
        case _:
            raise form.refused("type")
