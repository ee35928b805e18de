"""What an OpenAI request looks like from outside (provider-facts B1), chat and responses alike.

Failure policy: as for the other dialects, what is not understood here is named as unknown.
"""

from typing import Any

import msgspec

from gateway.dialects.decoding import decode
from gateway.dialects.prompt_signals import Gathered, is_object, newest, tools_needed
from gateway.domain.call import Endpoint, Matched
from gateway.domain.signals import Need, Signals

_BOTH = frozenset(
    {
        "model", "stream", "stream_options", "tools", "tool_choice", "parallel_tool_calls", "store",
        "metadata", "service_tier", "user", "safety_identifier", "prompt_cache_key",
        "prompt_cache_retention", "prompt_cache_options", "temperature", "top_p",
    }
)  # fmt: skip
_CHAT = _BOTH | {
    "messages", "max_tokens", "max_completion_tokens", "n", "reasoning_effort", "response_format",
    "stop", "seed", "frequency_penalty", "presence_penalty", "functions", "function_call",
}  # fmt: skip
_RESPONSES = _BOTH | {"input", "instructions", "max_output_tokens", "reasoning", "text", "include",
                      "truncation"}  # fmt: skip
_HARMLESS_INCLUDES = frozenset({"reasoning.encrypted_content"})
_TEXT = frozenset({"text", "input_text", "output_text"})
_UNREADABLE = (ValueError, RecursionError, TypeError, AttributeError)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


class _Role(msgspec.Struct):
    role: str = ""
    type: str = ""


_ROLE = msgspec.json.Decoder(_Role)


def signals(matched: Matched, body: bytes) -> Signals:
    """The signals of a decoded body."""
    found = Gathered()
    try:
        fields = decode(_FIELDS, body)
        responses = matched.endpoint is Endpoint.RESPONSES
        _fields(fields, found, _RESPONSES if responses else _CHAT)
        _items(_conversation(fields, "input" if responses else "messages"), found)
    except _UNREADABLE:
        found.unknown.append("body")
    return found.signals()


def _conversation(fields: dict[str, msgspec.Raw], name: str) -> list[msgspec.Raw]:
    raw = fields.get(name, msgspec.Raw(b"[]"))
    if bytes(memoryview(raw)[:1]) == b'"':  # Responses: a text alone is one message
        return [msgspec.Raw(b'{"role":"user","content":' + bytes(raw) + b"}")]
    return _RAWS.decode(raw)


def _fields(fields: dict[str, msgspec.Raw], found: Gathered, known: frozenset[str]) -> None:
    values = {
        name: _ANY.decode(raw)
        for name, raw in fields.items()
        if name not in {"messages", "input", "model"}
    }
    found.unknown += [
        name for name, given in values.items() if name not in known and given is not None
    ]
    tools = (values.get("tools") or []) + (values.get("functions") or [])
    found.unknown += [
        f"tool.{tool.get('type')}"
        for tool in values.get("tools") or []
        if tool.get("type", "function") != "function"
    ]
    tools_needed(found.needs, len(tools), parallel=values.get("parallel_tool_calls") is not False)
    choice = values.get("tool_choice") or values.get("function_call")
    if choice not in (None, "auto", "none"):
        found.needs.add(Need.FORCED_TOOL)
    _reasoning(values, found)
    form = values.get("response_format") or (values.get("text") or {}).get("format") or {}
    if form.get("type", "text") != "text":
        found.needs.add(Need.STRUCTURED)
    if (values.get("n") or 1) > 1:
        found.needs.add(Need.CHOICES)
    found.unknown += [
        f"include.{one}" for one in values.get("include") or [] if one not in _HARMLESS_INCLUDES
    ]
    if values.get("instructions"):
        found.system = str(values["instructions"])


def _reasoning(values: dict[str, Any], found: Gathered) -> None:
    effort = values.get("reasoning_effort") or (values.get("reasoning") or {}).get("effort")
    if effort is None:
        return
    found.needs.add(Need.EFFORT)
    found.thinking = effort not in {"none", "minimal", "low"}


def _items(raws: list[msgspec.Raw], found: Gathered) -> None:
    heads = [_ROLE.decode(raw) for raw in raws]
    found.turns = _turns(heads)
    _beginning(raws, heads, found)
    last_answer = max((i for i, head in enumerate(heads) if _answers(head)), default=-1)
    for index, raw in newest(raws):
        item = _ANY.decode(raw)
        _media(item.get("content"), found)
        if heads[index].type == "reasoning":
            found.needs.add(Need.SIGNATURES)
        elif _answers(heads[index]):
            _answer(item, found)
        elif index > last_answer:
            _newest(item, heads[index], found)


def _answers(head: _Role) -> bool:
    return head.role == "assistant" or head.type in {"function_call", "custom_tool_call"}


def _turns(heads: list[_Role]) -> int:
    """Answers: items of a model in a row are one."""
    turns, before = 0, False
    for head in heads:
        mine = _answers(head) or head.type == "reasoning"
        turns += mine and not before
        before = mine
    return turns


def _beginning(raws: list[msgspec.Raw], heads: list[_Role], found: Gathered) -> None:
    """The system prompt and the first ask; they stand before the first answer."""
    for index, head in enumerate(heads):
        if head.role in {"system", "developer"} and not found.system:
            found.system = _text(_ANY.decode(raws[index]).get("content"))
        elif head.role == "user":
            found.opening = _text(_ANY.decode(raws[index]).get("content"))
            return
        elif _answers(head):
            return


def _answer(item: dict[str, Any], found: Gathered) -> None:
    calls = [(call.get("function") or {}) for call in item.get("tool_calls") or []]
    if item.get("type") in {"function_call", "custom_tool_call"}:
        calls.append(item)
    if item.get("function_call") and not calls:
        calls.append(item["function_call"])
    text = _text(item.get("content"))
    if text or calls:
        found.last_answer = text or found.last_answer
        found.last_answer_used_tools = bool(calls)
    for call in calls:
        arguments = str(call.get("arguments") or call.get("input") or "")
        sound = item.get("type") == "custom_tool_call" or is_object(arguments or "{}")
        found.used(str(call.get("name")), arguments.encode("utf-8", "replace"), sound=sound)


def _newest(item: dict[str, Any], head: _Role, found: Gathered) -> None:
    if head.role == "user":
        found.ask(_text(item.get("content")))
    elif head.role in {"tool", "function"}:
        found.tool_result(_text(item.get("content")), failed=True)
    elif head.type.endswith("_call_output"):
        found.tool_result(_text(item.get("output")), failed=True)


def _text(content: Any) -> str:
    """The text of a content that is a string or a list of parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(
        str(part.get("text", ""))
        for part in content
        if isinstance(part, dict) and part.get("type") in _TEXT
    )


def _media(content: Any, found: Gathered) -> None:
    if not isinstance(content, list):
        return
    for part in content:
        kind = str(part.get("type", "")) if isinstance(part, dict) else "odd"
        if kind in {"image_url", "input_image"}:
            found.needs.add(Need.VISION)
        elif kind in {"file", "input_file"}:
            found.needs.add(Need.DOCUMENTS)
        elif kind == "input_audio":
            found.needs.add(Need.AUDIO)
        elif kind not in _TEXT and kind not in {"refusal", "summary_text"}:
            found.unknown.append(f"content.{kind}"[:64])
