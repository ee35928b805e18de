"""Reads what callers of the Messages API ask (provider-facts A1)."""

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
    Thought,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    merged,
)
from gateway.dialects.translation.features import PDF, PLAIN, Feature, Names
from gateway.dialects.translation.fields import Fields, Treatment, compact
from gateway.dialects.translation.plain_text import encoded

_CARRIED, _DROPPED, _REFUSED = Treatment.CARRIED, Treatment.DROPPED, Treatment.REFUSED

FIELDS: Final = {
    "model": _CARRIED,
    "messages": _CARRIED,
    "system": _CARRIED,
    "max_tokens": _CARRIED,
    "stream": _CARRIED,
    "stop_sequences": _CARRIED,
    "temperature": _CARRIED,
    "top_p": _CARRIED,
    "top_k": _CARRIED,
    "tools": _CARRIED,
    "tool_choice": _CARRIED,
    "thinking": _CARRIED,
    "output_config": _CARRIED,
    "metadata": _CARRIED,
    "cache_control": _DROPPED,
    "context_management": _DROPPED,
    "compaction": _DROPPED,
    "diagnostics": _DROPPED,
    "fallbacks": _DROPPED,
    "billing_policy": _DROPPED,
    "service_tier": _DROPPED,
    "speed": _DROPPED,
    "user_profile_id": _DROPPED,
    "workspace_id": _DROPPED,
    "container": _REFUSED,
    "inference_geo": _REFUSED,
    "mcp_servers": _REFUSED,
    "thread": _REFUSED,
}

NAMES: Final[Names] = {
    Feature.SYSTEM_INSIDE: "messages.role",
    Feature.IMAGE_URL: "messages.content.source",
    Feature.PDF: "messages.content.source",
    Feature.PLAIN_TEXT: "messages.content.source",
    Feature.DOCUMENT_URL: "messages.content.source",
    Feature.RESULT_IMAGE: "messages.content.content",
    Feature.RESULT_FAILED: "messages.content.is_error",
    Feature.THOUGHTS: "messages.content.thinking",
    Feature.TOOL_CHOICE: "tool_choice",
    Feature.PARALLEL: "tool_choice.disable_parallel_tool_use",
    Feature.STRICT: "tools.strict",
    Feature.SCHEMA: "output_config.format",
    Feature.STOP: "stop_sequences",
    Feature.MAX_OUTPUT: "max_tokens",
    Feature.TEMPERATURE: "temperature",
    Feature.TOP_P: "top_p",
    Feature.TOP_K: "top_k",
    Feature.THINKING: "thinking",
    Feature.USER: "metadata.user_id",
}


class _Speaker(Enum):
    USER = "user"
    ASSISTANT = "assistant"
    SYSTEM = "system"


class _Choice(Enum):
    AUTO = "auto"
    ANY = "any"
    NONE = "none"
    TOOL = "tool"


_ROLES = {
    _Speaker.USER: Role.USER,
    _Speaker.ASSISTANT: Role.ASSISTANT,
    _Speaker.SYSTEM: Role.SYSTEM,
}
_CHOICES = {
    _Choice.AUTO: Choosing.AUTO,
    _Choice.ANY: Choosing.ANY,
    _Choice.NONE: Choosing.NONE,
    _Choice.TOOL: Choosing.ONE,
}


def read(body: Fields) -> Request:
    """The request of a body.

    Raises:
        Untranslatable: It cannot be understood, or no other format could say it.
    """
    most = body.whole("max_tokens")
    if most == 0:
        raise body.refused("max_tokens", "only Anthropic takes 0, to warm its prompt cache")
    choice, parallel = _choice(body.inner("tool_choice"))
    output = body.inner("output_config")
    request = Request(
        model=body.text("model"),
        system=tuple(_system(body)),
        messages=merged(_message(one) for one in body.objects("messages")),
        stream=body.flag("stream") is True,
        tools=tuple(_tool(one) for one in body.objects("tools")),
        choice=choice,
        parallel=parallel,
        max_output_tokens=most,
        temperature=body.number("temperature"),
        top_p=body.number("top_p"),
        top_k=body.whole("top_k"),
        stop=body.texts("stop_sequences"),
        thinking=_thinking(body.inner("thinking"), output),
        shape=_shape(output),
        user=_user(body.inner("metadata")),
    )
    if output is not None:
        output.rest()
    body.treat(FIELDS)
    return request


def _system(body: Fields) -> Iterator[Text]:
    found = body.any("system")
    if isinstance(found, str):
        if found:
            yield Text(found)
    elif found is not None:
        for part in body.within("system", found):
            if part.text("type") != "text":
                raise part.refused("type")
            yield Text(part.text("text"))
            part.rest()


def _message(message: Fields) -> Message:
    role = _ROLES[message.one_of(_Speaker, "role") or _Speaker.USER]
    content = message.any("content")
    if isinstance(content, str):
        return Message(role, (Text(content),) if content else ())
    parts = message.within("content", content or [])
    return Message(role, tuple(part for one in parts if (part := _part(one)) is not None))


def _part(block: Fields) -> Part | None:
    kind = block.text("type")
    part: Part | None
    match kind:
        case "text":
            part = Text(block.text("text"))
        case "image":
            part = _image(block)
        case "document":
            part = _document(block)
        case "tool_use":
            call = compact(block.json("input") or {})
            part = ToolCall(block.text("id"), block.text("name"), call)
        case "tool_result":
            part = _result(block)
        case "thinking":
            part = Thought(block.text("thinking"))
            block.ignore("signature")
        case "redacted_thinking":
            block.drop("data")
            return None
        case _:
            raise block.refused("type", f"{kind!r} blocks are Anthropic's own")
    block.rest()
    return part


def _image(block: Fields) -> Image:
    source = block.inner("source") or Fields({}, block.path("source"), block.account)
    match source.text("type"):
        case "base64":
            return Image(source.text("media_type"), source.text("data"))
        case "url":
            return Image(url=source.text("url"))
        case _:
            raise source.refused("type", "a file kept at Anthropic stays there")


def _document(block: Fields) -> Document:
    source = block.inner("source") or Fields({}, block.path("source"), block.account)
    name = block.text("title")
    match source.text("type"):
        case "base64":
            return Document(source.text("media_type") or PDF, source.text("data"), name=name)
        case "text":
            return Document(PLAIN, encoded(source.text("data")), name=name)
        case "url":
            return Document(PDF, url=source.text("url"), name=name)
        case _:
            raise source.refused("type")


def _result(block: Fields) -> ToolResult:
    call_id, failed = block.text("tool_use_id"), block.flag("is_error") is True
    content = block.any("content")
    if isinstance(content, str):
        return ToolResult(call_id, (Text(content),) if content else (), failed)
    found: list[Text | Image | Document] = []
    for one in block.within("content", content or []):
        part = _part(one)
        if not isinstance(part, Text | Image | Document):
            raise one.refused("type")
        found.append(part)
    return ToolResult(call_id, tuple(found), failed)


def _tool(tool: Fields) -> Tool:
    kind = tool.text("type")
    if kind not in {"", "custom"}:
        raise tool.refused("type", f"{kind!r} is a tool of Anthropic's own")
    found = Tool(
        tool.text("name"),
        tool.json("input_schema") or {},
        tool.text("description"),
        tool.flag("strict") is True,
    )
    tool.rest()
    return found


def _choice(choice: Fields | None) -> tuple[ToolChoice | None, bool | None]:
    if choice is None:
        return None, None
    kind = _CHOICES[choice.one_of(_Choice, "type") or _Choice.AUTO]
    parallel = False if choice.flag("disable_parallel_tool_use") else None
    name = choice.text("name")
    choice.rest()
    return ToolChoice(kind, name if kind is Choosing.ONE else ""), parallel


def _thinking(thinking: Fields | None, output: Fields | None) -> Thinking | None:
    effort = None if output is None else output.one_of(Effort, "effort")
    if thinking is None:
        return None if effort is None else Thinking(effort)
    kind = thinking.text("type")
    shown = thinking.text("display") != "omitted"
    budget = thinking.whole("budget_tokens")
    thinking.rest()
    match kind:
        case "disabled":
            return Thinking(Effort.NONE)
        case "enabled":
            return Thinking(effort, budget, shown)
        case "adaptive" | "between_tools":
            return Thinking(effort, None, shown)
        case _:
            raise thinking.refused("type")


def _shape(output: Fields | None) -> Shape | None:
    form = None if output is None else output.inner("format")
    if form is None:
        return None
    if form.text("type") != "json_schema":
        raise form.refused("type")
    found = Shape(form.json("schema") or {})
    form.rest()
    return found


def _user(metadata: Fields | None) -> str:
    if metadata is None:
        return ""
    user = metadata.text("user_id")
    metadata.rest()
    return user
