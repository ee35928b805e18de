"""Writes requests for generateContent (provider-facts B9, B10, B12)."""

from collections.abc import Iterator, Mapping
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
from gateway.dialects.translation.features import PDF, PLAIN, Carries, Feature, Names
from gateway.dialects.translation.fields import Treatment, object_of
from gateway.dialects.translation.tool_names import checked_name
from gateway.dialects.translation.untranslatable import Dropped, Untranslatable

_CARRIED, _DROPPED, _REFUSED = Treatment.CARRIED, Treatment.DROPPED, Treatment.REFUSED

CARRIES: Final[Carries] = {
    Feature.SYSTEM_INSIDE: _REFUSED,
    Feature.IMAGE_URL: _REFUSED,
    Feature.PDF: _CARRIED,
    Feature.PLAIN_TEXT: _CARRIED,
    Feature.DOCUMENT_URL: _REFUSED,
    Feature.RESULT_IMAGE: _CARRIED,
    Feature.RESULT_FAILED: _CARRIED,
    Feature.THOUGHTS: _DROPPED,
    Feature.TOOL_CHOICE: _CARRIED,
    Feature.PARALLEL: _REFUSED,
    Feature.STRICT: _DROPPED,
    Feature.SCHEMA: _CARRIED,
    Feature.JSON: _CARRIED,
    Feature.STOP: _CARRIED,
    Feature.MAX_OUTPUT: _CARRIED,
    Feature.TEMPERATURE: _CARRIED,
    Feature.TOP_P: _CARRIED,
    Feature.TOP_K: _CARRIED,
    Feature.SEED: _CARRIED,
    Feature.PENALTIES: _CARRIED,
    Feature.THINKING: _CARRIED,
    Feature.USER: _DROPPED,
    Feature.METADATA: _DROPPED,
    Feature.CACHE_KEY: _DROPPED,
    Feature.VERBOSITY: _DROPPED,
}

UNSIGNED: Final = "skip_thought_signature_validator"
"""What Google's guide to thought signatures wants in a conversation that another model began."""

_IMAGES = frozenset({"image/jpeg", "image/png", "image/webp", "image/heic", "image/heif"})
_MAX_NAME = 64
_MAX_STOPS = 5
_LEVELS = {
    Effort.MINIMAL: "LOW",
    Effort.LOW: "LOW",
    Effort.MEDIUM: "MEDIUM",
    Effort.HIGH: "HIGH",
    Effort.XHIGH: "HIGH",
    Effort.MAX: "HIGH",
}
_MODES = {Choosing.AUTO: "AUTO", Choosing.ANY: "ANY", Choosing.NONE: "NONE", Choosing.ONE: "ANY"}


def body(request: Request, names: Names, dropped: Dropped) -> dict[str, object]:
    """The body of a request.

    Raises:
        Untranslatable: This model or format cannot be told.
    """
    turns = _Turns(request, names)
    out: dict[str, object] = {"contents": [turns.content(one) for one in request.messages]}
    if request.system:
        out["systemInstruction"] = {"parts": [{"text": part.text} for part in request.system]}
    if request.tools:
        out["tools"] = [{"functionDeclarations": [_tool(tool) for tool in request.tools]}]
        if request.choice is not None:
            out["toolConfig"] = {"functionCallingConfig": _calling(request.choice)}
    if config := _config(request, names, dropped):
        out["generationConfig"] = config
    return out


def _config(request: Request, names: Names, dropped: Dropped) -> dict[str, object]:
    if len(request.stop) > _MAX_STOPS:
        param = names.get(Feature.STOP)
        raise Untranslatable(f"Gemini takes at most {_MAX_STOPS} stop sequences.", param)
    thinking = None
    if request.thinking is not None:
        thinking = _thinking(request.thinking, request.model, names, dropped)
    found: dict[str, object] = {
        "maxOutputTokens": request.max_output_tokens,
        "temperature": request.temperature,
        "topP": request.top_p,
        "topK": request.top_k,
        "seed": request.seed,
        "presencePenalty": request.presence_penalty,
        "frequencyPenalty": request.frequency_penalty,
        "stopSequences": list(request.stop) or None,
        "thinkingConfig": thinking,
    }
    if request.shape is not None:
        if request.tools and models.gemini_thinks_by_budget(request.model):
            param = names.get(Feature.SCHEMA)
            raise Untranslatable(f"{request.model} takes tools or JSON, not both.", param)
        found["responseMimeType"] = "application/json"
        found["responseJsonSchema"] = request.shape.schema
    return {name: value for name, value in found.items() if value is not None}


def _thinking(
    thinking: Thinking, model: str, names: Names, dropped: Dropped
) -> dict[str, object] | None:
    found: dict[str, object] = {"includeThoughts": True} if thinking.shown else {}
    effort, budget = thinking.effort, thinking.budget_tokens
    if models.gemini_thinks_by_budget(model):
        if effort is Effort.NONE:
            found["thinkingBudget"] = 0
        elif budget is not None or effort is not None:
            found["thinkingBudget"] = budget or BUDGETS[effort or Effort.MEDIUM]
    elif effort is Effort.NONE:
        dropped.add(names.get(Feature.THINKING, "thinking"))
        found["thinkingLevel"] = "LOW"  # it cannot be turned off
    elif effort is not None or budget is not None:
        found["thinkingLevel"] = _LEVELS[effort or effort_of(budget or 0)]
    return found or None


def _tool(tool: Tool) -> dict[str, object]:
    found: dict[str, object] = {"name": checked_name(tool.name, _MAX_NAME)}
    if tool.description:
        found["description"] = tool.description
    if tool.schema:
        found["parametersJsonSchema"] = dict(tool.schema)
    return found


def _calling(choice: ToolChoice) -> dict[str, object]:
    found: dict[str, object] = {"mode": _MODES[choice.choosing]}
    if choice.choosing is Choosing.ONE:
        found["allowedFunctionNames"] = [choice.name]
    return found


class _Turns:
    """Writes the turns. Results must name their function, which only the call before them tells."""

    def __init__(self, request: Request, names: Names) -> None:
        self._names = names
        self._by_budget = models.gemini_thinks_by_budget(request.model)
        self._called: dict[str, str] = {
            part.id: part.name
            for message in request.messages
            for part in message.parts
            if isinstance(part, ToolCall)
        }

    def content(self, message: Message) -> dict[str, object]:
        """One turn."""
        role = "model" if message.role is Role.ASSISTANT else "user"
        return {"role": role, "parts": list(self._parts(message))}

    def _parts(self, message: Message) -> Iterator[dict[str, object]]:
        signed = self._by_budget
        for part in message.parts:
            found = self._part(part)
            if isinstance(part, ToolCall) and not signed:
                found["thoughtSignature"] = UNSIGNED  # of parallel calls the first only (B10)
                signed = True
            yield found

    def _part(self, part: Part) -> dict[str, object]:
        match part:
            case Text(text):
                return {"text": text}
            case Image() | Document():
                return {"inlineData": self._blob(part)}
            case ToolCall(call_id, name, arguments):
                args = object_of(arguments)
                if args is None:
                    raise Untranslatable(f"The arguments of a call of {name!r} are no JSON object.")
                return {"functionCall": {"id": call_id, "name": name, "args": args}}
            case ToolResult():
                return {"functionResponse": self._result(part)}
            case _:
                raise Untranslatable("Thoughts cannot be sent to another model.")

    def _blob(self, part: Image | Document) -> dict[str, object]:
        known = part.media_type in (_IMAGES if isinstance(part, Image) else {PDF, PLAIN})
        if not known:
            param = self._names.get(Feature.PDF)
            message = f"Media of type {part.media_type!r} cannot be sent to Gemini."
            raise Untranslatable(message, param)
        return {"mimeType": part.media_type, "data": part.data}

    def _result(self, result: ToolResult) -> dict[str, object]:
        name = self._called.get(result.call_id)
        if name is None:
            raise Untranslatable(f"No call {result.call_id[:200]!r} stands before its result.")
        text = "".join(part.text for part in result.content if isinstance(part, Text))
        response: Mapping[str, object] = {"error" if result.failed else "output": text}
        found: dict[str, object] = {"id": result.call_id, "name": name, "response": response}
        media = [part for part in result.content if not isinstance(part, Text)]
        if media and self._by_budget:
            param = self._names.get(Feature.RESULT_IMAGE)
            raise Untranslatable("Gemini before 3 takes no media in a tool's result.", param)
        if media:
            found["parts"] = [{"inlineData": self._blob(part)} for part in media]
        return found
