"""What a generateContent request looks like from outside (provider-facts B9, B10).

Failure policy: as for the other dialects, what is not understood here is named as unknown.
"""

from typing import Any

import msgspec

from gateway.dialects.decoding import decode
from gateway.dialects.prompt_signals import Gathered, newest, tools_needed
from gateway.domain.signals import Need, Signals

_KNOWN = frozenset(
    {"contents", "systemInstruction", "system_instruction", "tools", "toolConfig", "tool_config",
     "safetySettings", "safety_settings", "generationConfig", "generation_config", "serviceTier"}
)  # fmt: skip
_CONFIG = frozenset(
    {"maxOutputTokens", "candidateCount", "thinkingConfig", "responseSchema", "responseJsonSchema",
     "responseMimeType", "temperature", "topP", "topK", "stopSequences", "seed",
     "presencePenalty", "frequencyPenalty"}
)  # fmt: skip
_PARTS = frozenset({"text", "thought", "thoughtSignature", "functionCall", "functionResponse",
                    "inlineData", "fileData"})  # fmt: skip
_UNREADABLE = (ValueError, RecursionError, TypeError, AttributeError)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_RAWS = msgspec.json.Decoder(list[msgspec.Raw])
_ANY: msgspec.json.Decoder[Any] = msgspec.json.Decoder()
_SIGNED = (b'"thoughtSignature"', b'"thought_signature"')
_NULL = msgspec.Raw(b"null")


class _Role(msgspec.Struct):
    role: str = "user"


_ROLE = msgspec.json.Decoder(_Role)


def signals(body: bytes) -> Signals:
    """The signals of a decoded body."""
    found = Gathered()
    try:
        fields = decode(_FIELDS, body)
        found.unknown += [name for name in fields if name not in _KNOWN]
        _tools(fields, found)
        _config(_object(fields, "generationConfig", "generation_config"), found)
        system = _object(fields, "systemInstruction", "system_instruction")
        found.system = _text(_parts(system))
        _contents(_turns(fields.get("contents", msgspec.Raw(b"[]"))), found)
    except _UNREADABLE:
        found.unknown.append("body")
    if any(mark in body for mark in _SIGNED):
        found.needs.add(Need.SIGNATURES)
    return found.signals()


def _object(fields: dict[str, msgspec.Raw], camel: str, snake: str) -> dict[str, Any]:
    found = _ANY.decode(fields.get(camel) or fields.get(snake) or _NULL)
    return found if isinstance(found, dict) else {}


def _tools(fields: dict[str, msgspec.Raw], found: Gathered) -> None:
    tools = _ANY.decode(fields.get("tools") or _NULL) or []
    offered = 0
    for tool in tools if isinstance(tools, list) else [tools]:
        functions = tool.get("functionDeclarations") or tool.get("function_declarations") or []
        offered += len(functions)
        found.unknown += [
            f"tool.{name}"
            for name in tool
            if name not in {"functionDeclarations", "function_declarations"}
        ]
    tools_needed(found.needs, offered, parallel=True)
    config = _object(fields, "toolConfig", "tool_config")
    calling = config.get("functionCallingConfig") or config.get("function_calling_config") or {}
    if str(calling.get("mode", "AUTO")).upper() in {"ANY", "VALIDATED"}:
        found.needs.add(Need.FORCED_TOOL)


def _config(config: dict[str, Any], found: Gathered) -> None:
    camel = {_camel(name): given for name, given in config.items()}
    found.unknown += [f"generationConfig.{name}" for name in camel if name not in _CONFIG]
    thinking = {_camel(k): v for k, v in (camel.get("thinkingConfig") or {}).items()}
    if "thinkingBudget" in thinking:
        found.needs.add(Need.THINKING_BUDGET)
        found.thinking = thinking["thinkingBudget"] != 0
    if "thinkingLevel" in thinking:
        found.needs.add(Need.EFFORT)
        found.thinking = str(thinking["thinkingLevel"]).lower() not in {"low", "minimal"}
    if any(camel.get(name) for name in ("responseSchema", "responseJsonSchema")):
        found.needs.add(Need.STRUCTURED)
    if int(camel.get("candidateCount") or 1) > 1:
        found.needs.add(Need.CHOICES)


def _turns(raw: msgspec.Raw) -> list[msgspec.Raw]:
    if bytes(memoryview(raw)[:1]) == b"{":
        return [raw]
    return _RAWS.decode(raw)


def _contents(raws: list[msgspec.Raw], found: Gathered) -> None:
    roles = [_ROLE.decode(raw).role for raw in raws]
    found.turns = roles.count("model")
    if raws and roles[0] != "model":
        found.opening = _text(_parts(_ANY.decode(raws[0])))
    for index, raw in newest(raws):
        parts = _parts(_ANY.decode(raw))
        _media(parts, found)
        if roles[index] == "model":
            _answer(parts, found)
        elif index == len(raws) - 1:
            _newest(parts, found)


def _answer(parts: list[dict[str, Any]], found: Gathered) -> None:
    found.last_answer = _text(parts)
    calls = [part["functionCall"] for part in parts if "functionCall" in part]
    found.last_answer_used_tools = bool(calls)
    for call in calls:
        arguments = msgspec.json.encode(call.get("args"), order="deterministic")
        found.used(str(call.get("name")), arguments)


def _newest(parts: list[dict[str, Any]], found: Gathered) -> None:
    for part in parts:
        if "functionResponse" in part:
            response = part["functionResponse"].get("response") or {}
            failed = "error" in response
            found.tool_result(str(response.get("error", "")), failed=failed)
        elif "text" in part:
            found.ask(str(part["text"]))


def _media(parts: list[dict[str, Any]], found: Gathered) -> None:
    for part in parts:
        data = part.get("inlineData") or part.get("fileData")
        if data is not None:
            kind = str(data.get("mimeType") or data.get("mime_type") or "").partition("/")[0]
            need = {"image": Need.VISION, "audio": Need.AUDIO}.get(kind, Need.DOCUMENTS)
            found.needs.add(need)
        found.unknown += [f"part.{name}"[:64] for name in part if name not in _PARTS]


def _parts(content: dict[str, Any]) -> list[dict[str, Any]]:
    parts = content.get("parts") or []
    listed = parts if isinstance(parts, list) else [parts]
    return [{_camel(name): given for name, given in part.items()} for part in listed]


def _text(parts: list[dict[str, Any]]) -> str:
    return "\n".join(str(part["text"]) for part in parts if "text" in part)


def _camel(name: str) -> str:
    """Proto JSON takes both spellings (provider-facts B9)."""
    head, *rest = name.split("_")
    return head + "".join(word.title() for word in rest)
