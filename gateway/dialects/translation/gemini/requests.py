"""Reads what callers of generateContent ask (provider-facts B9).

Proto JSON may be written in camelCase or snake_case; it is brought to the former first.
"""

import re
from collections import deque
from collections.abc import Iterator, Mapping
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
from gateway.dialects.translation.schemas import of_gemini

_CARRIED, _DROPPED, _REFUSED = Treatment.CARRIED, Treatment.DROPPED, Treatment.REFUSED

FIELDS: Final = {
    "model": _CARRIED,
    "contents": _CARRIED,
    "systemInstruction": _CARRIED,
    "tools": _CARRIED,
    "toolConfig": _CARRIED,
    "generationConfig": _CARRIED,
    "labels": _DROPPED,
    "safetySettings": _DROPPED,
    "serviceTier": _DROPPED,
    "store": _DROPPED,
    "cachedContent": _REFUSED,
    "continuationToken": _REFUSED,
}
CONFIG_FIELDS: Final = {
    "maxOutputTokens": _CARRIED,
    "temperature": _CARRIED,
    "topP": _CARRIED,
    "topK": _CARRIED,
    "seed": _CARRIED,
    "presencePenalty": _CARRIED,
    "frequencyPenalty": _CARRIED,
    "stopSequences": _CARRIED,
    "thinkingConfig": _CARRIED,
    "responseMimeType": _CARRIED,
    "responseSchema": _CARRIED,
    "responseJsonSchema": _CARRIED,
    "audioTimestamp": _DROPPED,
    "enableEnhancedCivicAnswers": _DROPPED,
    "mediaResolution": _DROPPED,
    "candidateCount": _REFUSED,
    "imageConfig": _REFUSED,
    "logprobs": _REFUSED,
    "responseFormat": _REFUSED,
    "responseLogprobs": _REFUSED,
    "responseModalities": _REFUSED,
    "speechConfig": _REFUSED,
}
"""Below `generationConfig`."""

NAMES: Final[Names] = {
    Feature.PDF: "contents.parts.inlineData",
    Feature.PLAIN_TEXT: "contents.parts.inlineData",
    Feature.RESULT_IMAGE: "contents.parts.functionResponse.parts",
    Feature.RESULT_FAILED: "contents.parts.functionResponse.response.error",
    Feature.THOUGHTS: "contents.parts.thought",
    Feature.TOOL_CHOICE: "toolConfig.functionCallingConfig",
    Feature.SCHEMA: "generationConfig.responseSchema",
    Feature.JSON: "generationConfig.responseMimeType",
    Feature.STOP: "generationConfig.stopSequences",
    Feature.MAX_OUTPUT: "generationConfig.maxOutputTokens",
    Feature.TEMPERATURE: "generationConfig.temperature",
    Feature.TOP_P: "generationConfig.topP",
    Feature.TOP_K: "generationConfig.topK",
    Feature.SEED: "generationConfig.seed",
    Feature.PENALTIES: "generationConfig.presencePenalty",
    Feature.THINKING: "generationConfig.thinkingConfig",
}

_ROLES = {"": Role.USER, "user": Role.USER, "function": Role.USER, "model": Role.ASSISTANT}
_MODES = {"AUTO": Choosing.AUTO, "ANY": Choosing.ANY, "NONE": Choosing.NONE}
_LEVELS = {
    "MINIMAL": Effort.MINIMAL,
    "LOW": Effort.LOW,
    "MEDIUM": Effort.MEDIUM,
    "HIGH": Effort.HIGH,
    "XHIGH": Effort.XHIGH,
}
_HARMLESS: dict[str, tuple[object, ...]] = {
    "candidateCount": (1,),
    "responseLogprobs": (False,),
    "responseModalities": (["TEXT"],),
}
"""Values that ask for nothing."""

_OPAQUE = frozenset(
    {
        *("args", "response", "parameters", "parametersJsonSchema", "responseSchema"),
        *("responseJsonSchema", "labels", "partMetadata"),
    }
)
"""What is below these is not Gemini's to spell."""
_SNAKE = re.compile(r"_([a-z])")


def in_camel_case(value: object) -> object:
    """A body with its own names in camelCase."""
    if isinstance(value, Mapping):
        found = {}
        for name, one in value.items():
            camel = _SNAKE.sub(lambda hit: hit[1].upper(), str(name))
            found[camel] = one if camel in _OPAQUE else in_camel_case(one)
        return found
    return [in_camel_case(one) for one in value] if isinstance(value, list) else value


def read(body: Fields, model: str, *, stream: bool) -> Request:
    """The request of a body whose names are in camelCase.

    Raises:
        Untranslatable: It cannot be understood, or no other format could say it.
    """
    body.ignore("model")
    config = body.inner("generationConfig") or Fields(
        {}, body.path("generationConfig"), body.account
    )
    request = Request(
        model=model,
        system=tuple(_system(body)),
        messages=_Turns().read(body),
        stream=stream,
        tools=tuple(_tools(body)),
        choice=_choice(body.inner("toolConfig")),
        max_output_tokens=config.whole("maxOutputTokens"),
        temperature=config.number("temperature"),
        top_p=config.number("topP"),
        top_k=config.whole("topK"),
        seed=config.whole("seed"),
        presence_penalty=config.number("presencePenalty"),
        frequency_penalty=config.number("frequencyPenalty"),
        stop=config.texts("stopSequences"),
        thinking=_thinking(config.inner("thinkingConfig")),
        shape=_shape(config),
    )
    for name, values in _HARMLESS.items():
        if config.peek(name) in values:
            config.ignore(name)
    config.treat(CONFIG_FIELDS)
    body.treat(FIELDS)
    return request


def _system(body: Fields) -> Iterator[Text]:
    found = body.any("systemInstruction")
    if isinstance(found, str):
        yield Text(found)
    elif found is not None:
        content = Fields(found, body.path("systemInstruction"), body.account)
        for part in content.objects("parts"):
            if not part.has("text"):
                raise part.refused(part.first() or "text", "instructions are words")
            yield Text(part.text("text"))
            part.rest()


class _Turns:
    """Reads the turns. Calls without an id get one by their place, and so do their results."""

    def __init__(self) -> None:
        self._open: dict[str, deque[str]] = {}

    def read(self, body: Fields) -> tuple[Message, ...]:
        """All turns."""
        found = body.any("contents")
        listed = found if isinstance(found, list) else [found] if found else []
        return merged(
            self._turn(Fields(one, f"contents[{i}]", body.account), i)
            for i, one in enumerate(listed)
        )

    def _turn(self, content: Fields, index: int) -> Message:
        role = content.text("role")
        if role not in _ROLES:
            raise content.wrong("role", "one of: user, model")
        parts = [
            self._part(part, f"call_{index}_{number}")
            for number, part in enumerate(content.objects("parts"))
        ]
        content.rest()
        return Message(_ROLES[role], tuple(part for part in parts if part is not None))

    def _part(self, part: Fields, name: str) -> Part | None:
        part.ignore("thoughtSignature")
        found: Part | None
        if (text := part.any("text")) is not None:
            found = self._said(part, str(text))
        elif (call := part.inner("functionCall")) is not None:
            found = self._call(call, name)
        elif (answered := part.inner("functionResponse")) is not None:
            found = self._result(answered)
        elif (blob := part.inner("inlineData")) is not None:
            found = _media(blob)
        elif part.has("thought"):
            found = None
        else:
            raise part.refused(part.first() or "text")
        part.rest()
        return found

    @staticmethod
    def _said(part: Fields, text: str) -> Part | None:
        thought = part.flag("thought")
        if not text:
            return None
        return Thought(text) if thought else Text(text)

    def _call(self, call: Fields, made_id: str) -> ToolCall:
        name = call.text("name")
        call_id = call.text("id") or made_id
        self._open.setdefault(name, deque()).append(call_id)
        return ToolCall(call_id, name, compact(call.json("args") or {}))

    def _result(self, answered: Fields) -> ToolResult:
        name, call_id = answered.text("name"), answered.text("id")
        waiting = self._open.get(name, deque())
        if call_id in waiting:
            waiting.remove(call_id)
        elif not call_id:
            if not waiting:
                raise answered.refused("name", f"no call of {name!r} stands before it")
            call_id = waiting.popleft()
        response = answered.json("response") or {}
        media = [_shown(part) for part in answered.objects("parts")]
        text = _text_of(response)
        content: tuple[Text | Image | Document, ...] = (Text(text),) if text else ()
        answered.rest()
        return ToolResult(call_id, (*content, *media), failed="error" in response)


def _text_of(response: Mapping[str, object]) -> str:
    """A function's response as text: of the usual single field its value, else all of it."""
    if len(response) == 1:
        name, value = next(iter(response.items()))
        if name in {"output", "result", "error"}:
            return value if isinstance(value, str) else compact(value)
    return compact(response) if response else ""


def _shown(part: Fields) -> Image | Document:
    """What a function's response shows."""
    blob = part.inner("inlineData")
    if blob is None:
        raise part.refused(part.first() or "inlineData")
    return _media(blob)


def _media(blob: Fields) -> Image | Document:
    media_type, data = blob.text("mimeType").lower(), blob.text("data")
    name = blob.text("displayName")
    if media_type.startswith("image/"):
        return Image(media_type, data)
    if media_type in {PDF, PLAIN}:
        return Document(media_type, data, name=name)
    raise blob.refused("mimeType", f"{media_type!r} is known to Gemini only")


def _tools(body: Fields) -> Iterator[Tool]:
    for tool in body.objects("tools"):
        for declared in tool.objects("functionDeclarations"):
            own = declared.json("parameters")
            schema = declared.json("parametersJsonSchema")
            if schema is None:
                schema = {} if own is None else of_gemini(own)
            yield Tool(declared.text("name"), schema, declared.text("description"))
            declared.rest()
        if (name := tool.first()) is not None:
            raise tool.refused(name, "it is a tool of Gemini's own")


def _choice(config: Fields | None) -> ToolChoice | None:
    calling = None if config is None else config.inner("functionCallingConfig")
    if config is not None:
        config.rest()
    if calling is None:
        return None
    mode, allowed = calling.text("mode").upper(), calling.texts("allowedFunctionNames")
    calling.rest()
    if mode in {"", "MODE_UNSPECIFIED"}:
        return None
    if mode == "ANY" and len(allowed) == 1:
        return ToolChoice(Choosing.ONE, allowed[0])
    if allowed or mode not in _MODES:
        raise calling.refused("allowedFunctionNames" if allowed else "mode")
    return ToolChoice(_MODES[mode])


def _thinking(config: Fields | None) -> Thinking | None:
    if config is None:
        return None
    shown = config.flag("includeThoughts") is True
    level = config.text("thinkingLevel").upper()
    budget = config.number("thinkingBudget")
    config.rest()
    if budget == 0:
        return Thinking(Effort.NONE)
    tokens = int(budget) if budget is not None and budget > 0 else None
    effort = _LEVELS.get(level)
    if effort is None and tokens is None and not shown:
        return None
    return Thinking(effort, tokens, shown)


def _shape(config: Fields) -> Shape | None:
    kind = config.text("responseMimeType")
    own, schema = config.json("responseSchema"), config.json("responseJsonSchema")
    if kind in {"", "text/plain"}:
        return None
    if kind != "application/json":
        raise config.refused("responseMimeType")
    return Shape(schema if own is None else of_gemini(own))
