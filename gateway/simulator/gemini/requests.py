"""Reading Gemini bodies (provider-facts B9, B10); names in camel case or snake case."""

import re
from dataclasses import dataclass
from typing import Any

from gateway.simulator.answer import Ask, Tool
from gateway.simulator.call import Body, encode
from gateway.simulator.gemini.errors import invalid
from gateway.simulator.models import Model
from gateway.simulator.reading import items, last_text, objects, strings
from gateway.simulator.tokenizer import byte_length, tokens_of_bytes

IMAGE_TOKENS = 258
_HUMP = re.compile(r"(?<!^)(?=[A-Z])")


@dataclass(frozen=True, slots=True)
class GeminiRequest:
    """A valid request.

    Attributes:
        ask: For the model.
        prompt: The prompt as bytes, for the cache.
        prompt_tokens: Its size.
        include_thoughts: Whether thoughts are shown.
    """

    ask: Ask
    prompt: bytes
    prompt_tokens: int
    include_thoughts: bool


def pick(body: Any, name: str) -> Any:
    """A field under its camel-case or its snake-case name."""
    if not isinstance(body, dict):
        return None
    value = body.get(name)
    return body.get(_HUMP.sub("_", name).lower()) if value is None else value


class _Prompt:
    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.tokens = 0

    def text(self, text: str) -> None:
        self.parts.append(text.encode("utf-8", "surrogatepass"))
        self.tokens += tokens_of_bytes(byte_length(text))

    def json(self, value: object) -> None:
        data = encode(value)
        self.parts.append(data)
        self.tokens += tokens_of_bytes(len(data))

    def content(self, content: Any, where: str) -> None:
        if isinstance(content, str):
            self.text(content)
            return
        parts = content.get("parts") if isinstance(content, dict) else None
        if not isinstance(parts, list):
            raise invalid(f"* {where}.parts: contents.parts must not be empty.")
        self.parts.append(b"\0" + str(content.get("role", "")).encode() + b"\0")
        for part in parts:
            self._part(part, where)

    def _part(self, part: Any, where: str) -> None:
        if not isinstance(part, dict):
            raise invalid(f"Invalid value at '{where}.parts'.")
        if isinstance(part.get("text"), str):
            self.text(part["text"])
        elif pick(part, "inlineData") or pick(part, "fileData"):
            self.parts.append(encode(part))
            self.tokens += IMAGE_TOKENS
        else:
            self.json({k: v for k, v in part.items() if k not in _SIGNATURES})


_SIGNATURES = {"thoughtSignature", "thought_signature"}


def read_generate(body: Body, model: Model) -> GeminiRequest:
    """Validate and read a generateContent body.

    Raises:
        ApiError: 400.
    """
    contents = body.get("contents")
    if isinstance(contents, dict):
        contents = [contents]
    if not isinstance(contents, list) or not contents:
        raise invalid("* GenerateContentRequest.contents: contents is not specified")
    config = pick(body, "generationConfig") or {}
    if not isinstance(config, dict):
        raise invalid("Invalid value at 'generation_config'.")
    prompt = _Prompt()
    tools = _tools(body, prompt)
    system = pick(body, "systemInstruction")
    if system:
        prompt.content(system, "system_instruction")
    for i, content in enumerate(contents):
        prompt.content(content, f"contents[{i}]")
        if model.needs_thought_signature:
            _check_signatures(content, i)
    thinking, budget, include = _thinking(config, model)
    ask = Ask(
        model=model,
        last_text=_last_text(contents),
        turns=len(contents),
        max_tokens=_max_tokens(config, model),
        tools=tools,
        forced=_forced(body, tools),
        thinking=thinking,
        thinking_budget=budget,
        stop=strings(pick(config, "stopSequences")),
        choices=_choices(config),
        json_schema=_schema(config),
    )
    return GeminiRequest(ask, b"".join(prompt.parts), prompt.tokens, include)


def count_contents(contents: Any) -> int:
    """Tokens of contents (or of one content).

    Raises:
        ApiError: 400.
    """
    prompt = _Prompt()
    if isinstance(contents, dict):
        contents = [contents]
    if not isinstance(contents, list) or not contents:
        raise invalid("* contents: contents is not specified")
    for i, content in enumerate(contents):
        prompt.content(content, f"contents[{i}]")
    return prompt.tokens


def _max_tokens(config: Body, model: Model) -> int:
    value = pick(config, "maxOutputTokens")
    if value is None:
        return model.max_output_tokens
    if not isinstance(value, int) or isinstance(value, bool):
        raise invalid("Invalid value at 'generation_config.max_output_tokens' (TYPE_INT32)")
    if not 1 <= value <= model.max_output_tokens:
        raise invalid(
            f"Unable to submit request because it has a maxOutputTokens value of {value} but the "
            f"supported range is from 1 (inclusive) to {model.max_output_tokens + 1} (exclusive)."
        )
    return value


def _choices(config: Body) -> int:
    value = pick(config, "candidateCount") or 1
    if not isinstance(value, int) or not 1 <= value <= 8:
        raise invalid("Invalid value at 'generation_config.candidate_count'")
    return value


def _thinking(config: Body, model: Model) -> tuple[bool, int | None, bool]:
    thinking = pick(config, "thinkingConfig")
    if not isinstance(thinking, dict):
        return False, None, False
    include = bool(pick(thinking, "includeThoughts"))
    budget = pick(thinking, "thinkingBudget")
    if budget == 0:
        return False, None, False
    del model
    return True, budget if isinstance(budget, int) and budget > 0 else None, include


def _tools(body: Body, prompt: _Prompt) -> list[Tool]:
    found = []
    for tool in items(body.get("tools")):
        prompt.json(tool)
        for declared in items(pick(tool, "functionDeclarations")):
            if not isinstance(declared, dict) or not isinstance(declared.get("name"), str):
                raise invalid("* tools.function_declarations.name: Field required")
            schema = declared.get("parameters") or pick(declared, "parametersJsonSchema")
            found.append(Tool(declared["name"], schema if isinstance(schema, dict) else {}))
    return found


def _forced(body: Body, tools: list[Tool]) -> list[str]:
    config = pick(pick(body, "toolConfig"), "functionCallingConfig")
    if str(pick(config, "mode") or "").upper() != "ANY" or not tools:
        return []
    allowed = pick(config, "allowedFunctionNames")
    return [str(allowed[0])] if isinstance(allowed, list) and allowed else [tools[0].name]


def _check_signatures(content: Any, index: int) -> None:
    """Gemini 3 and later: the first function call of a turn must come back signed (B10)."""
    if not isinstance(content, dict):
        return
    for part in items(content.get("parts")):
        call = pick(part, "functionCall")
        if isinstance(call, dict):
            if not pick(part, "thoughtSignature"):
                raise invalid(
                    "Function call is missing a thought_signature in functionCall parts: "
                    f"function call `{call.get('name')}`, position {index}."
                )
            return


def _schema(config: Body) -> Any:
    if pick(config, "responseMimeType") != "application/json":
        return None
    schema = pick(config, "responseSchema") or pick(config, "responseJsonSchema")
    if isinstance(schema, dict):
        return schema
    return {"type": "object", "properties": {"answer": {"type": "string"}}}


def _last_text(contents: list[Any]) -> str:
    last = contents[-1]
    if isinstance(last, str):
        return last
    parts = objects(last.get("parts"))
    if any(pick(p, "functionResponse") for p in parts) or last.get("role") == "model":
        return ""
    return last_text(parts)
