"""What a Messages request looks like from outside (provider-facts A1, A6), for routing.

Failure policy: read only after `requests.read` has taken the body, so what cannot be understood
here is something new, and is named as unknown.
"""

from collections.abc import Iterable

import msgspec

from gateway.dialects.decoding import decode
from gateway.dialects.prompt_signals import Gathered, newest, tools_needed
from gateway.domain.signals import Need, Signals

_KNOWN = frozenset(
    {
        "model", "max_tokens", "messages", "system", "tools", "tool_choice", "stream", "metadata",
        "stop_sequences", "cache_control", "thinking", "output_config", "service_tier",
        "temperature", "top_p", "top_k",
    }
)  # fmt: skip
"""Fields that every Claude model from 4.5 on takes, or that `_fields` looks into."""
_CUSTOM_TOOLS = frozenset({"custom", ""})
_SIGNED = (b'"signature"', b'"redacted_thinking"')
_KINDS = frozenset({"text", "tool_use", "tool_result", "thinking", "redacted_thinking"})
_UNREADABLE = (ValueError, RecursionError)


class _Typed(msgspec.Struct):
    type: str = ""
    effort: str | None = None
    format: msgspec.Raw = msgspec.Raw(b"null")
    disable_parallel_tool_use: bool = False


class _Tool(msgspec.Struct):
    type: str | None = None


class _Block(msgspec.Struct):
    type: str = ""
    text: str = ""
    name: str = ""
    input: msgspec.Raw = msgspec.Raw(b"{}")
    content: msgspec.Raw = msgspec.Raw(b'""')
    is_error: bool = False


class _Role(msgspec.Struct):
    role: str = ""


class _Message(msgspec.Struct):
    role: str = ""
    content: str | list[_Block] = ""


_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_TYPED = msgspec.json.Decoder(_Typed)
_TOOLS = msgspec.json.Decoder(list[_Tool])
_MESSAGE = msgspec.json.Decoder(_Message)
_ROLE = msgspec.json.Decoder(_Role)
_CONTENT = msgspec.json.Decoder(str | list[_Block])


def signals(body: bytes) -> Signals:
    """The signals of a decoded body."""
    found = Gathered()
    try:
        fields = decode(_FIELDS, body)
        _fields(fields, found)
        _messages(_RAWS.decode(fields.get("messages", msgspec.Raw(b"[]"))), found)
    except _UNREADABLE:
        found.unknown.append("body")
    if any(mark in body for mark in _SIGNED):
        found.needs.add(Need.SIGNATURES)
    return found.signals()


def _fields(fields: dict[str, msgspec.Raw], found: Gathered) -> None:
    found.unknown += [name for name in fields if name not in _KNOWN]
    offered = _tools(fields, found)
    choice = _typed(fields, "tool_choice")
    if choice.type in {"any", "tool"}:
        found.needs.add(Need.FORCED_TOOL)
    tools_needed(found.needs, offered, parallel=not choice.disable_parallel_tool_use)
    thinking = _typed(fields, "thinking")
    need = {
        "enabled": Need.THINKING_BUDGET,
        "adaptive": Need.THINKING_ADAPTIVE,
        "between_tools": Need.THINKING_ADAPTIVE,
        "disabled": Need.THINKING_OFF,
    }.get(thinking.type)
    if need is not None:
        found.needs.add(need)
        found.thinking = need is not Need.THINKING_OFF
    elif thinking.type:
        found.unknown.append("thinking")
    _output(_typed(fields, "output_config"), found)
    system = fields.get("system")
    if system is not None:
        # Claude Code's attribution comes first and says nothing (provider-facts A9).
        texts = [text for text in _texts(system) if not text.startswith("x-anthropic-billing")]
        found.system = "\n".join(texts)


def _tools(fields: dict[str, msgspec.Raw], found: Gathered) -> int:
    raw = fields.get("tools")
    if raw is None or bytes(raw) == b"null":
        return 0
    tools = _TOOLS.decode(raw)
    found.unknown += [
        f"tool.{tool.type}" for tool in tools if (tool.type or "") not in _CUSTOM_TOOLS
    ]
    return len(tools)


def _output(config: _Typed, found: Gathered) -> None:
    if config.effort is not None:
        found.needs.add(Need.EFFORT)
    if bytes(config.format) != b"null":
        found.needs.add(Need.STRUCTURED)


def _typed(fields: dict[str, msgspec.Raw], name: str) -> _Typed:
    raw = fields.get(name)
    if raw is None or bytes(memoryview(raw)[:1]) != b"{":
        return _Typed()
    return _TYPED.decode(raw)


def _messages(raws: list[msgspec.Raw], found: Gathered) -> None:
    found.turns = _answers(raws)
    for raw in raws[:2]:  # a system message may come first
        first = _MESSAGE.decode(raw)
        if first.role == "user":
            found.opening = "\n".join(_of_user(first.content))
            break
    for index, raw in newest(raws):
        message = _MESSAGE.decode(raw)
        _media(message.content, found)
        if message.role == "assistant":
            _answer(message.content, found)
        elif index == len(raws) - 1:
            _newest(message.content, found)


def _answers(raws: list[msgspec.Raw]) -> int:
    """How many of the messages are answers."""
    return sum(_ROLE.decode(raw).role == "assistant" for raw in raws)


def _of_user(content: str | list[_Block]) -> Iterable[str]:
    if isinstance(content, str):
        return [content]
    return [block.text for block in content if block.type == "text"]


def _answer(content: str | list[_Block], found: Gathered) -> None:
    found.last_answer = "\n".join(_of_user(content))
    found.last_answer_used_tools = False
    if isinstance(content, list):
        for block in content:
            if block.type == "tool_use":
                found.last_answer_used_tools = True
                found.used(block.name, bytes(block.input), sound=bytes(block.input)[:1] == b"{")


def _newest(content: str | list[_Block], found: Gathered) -> None:
    if isinstance(content, str):
        found.ask(content)
        return
    for block in content:
        if block.type == "text":
            found.ask(block.text)
        elif block.type == "tool_result":
            found.tool_result("\n".join(_texts(block.content)), failed=block.is_error)


def _media(content: str | list[_Block], found: Gathered) -> None:
    if isinstance(content, str):
        return
    for block in content:
        if block.type == "image":
            found.needs.add(Need.VISION)
        elif block.type == "document":
            found.needs.add(Need.DOCUMENTS)
        elif block.type == "tool_result" and b'"image"' in bytes(block.content):
            found.needs.add(Need.VISION)
        elif block.type not in _KINDS:
            found.unknown.append(f"content.{block.type}"[:64])


def _texts(raw: msgspec.Raw) -> list[str]:
    """The texts of a string or a list of blocks."""
    try:
        content = _CONTENT.decode(raw)
    except _UNREADABLE:
        return []
    return list(_of_user(content))
