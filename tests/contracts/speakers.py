"""Four clients that ask the same in their own format, by the official SDKs, and understand answers.

What an SDK gives is validated strictly by its own types: without that, the openai and anthropic
SDKs take whatever comes.
"""

import json
from base64 import b64decode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import anthropic
import openai
from anthropic.types import Message, RawMessageStreamEvent
from google import genai
from google.genai import types
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel, TypeAdapter

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJg"
    "gg=="
)
PAPER = "JVBERi0xLjQKJSVFT0YK"
_EVENTS: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
_RESPONSE_EVENTS: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Ask:
    """A call in no format.

    Attributes:
        tools: Names of tools on offer; each takes `SCHEMA`.
        force: The name of a tool that must be used; `any` for any.
        history: Earlier answers with their calls, each of which was answered by `sunny`.
    """

    model: str
    text: str = "hello [[output=20]]"
    system: str = "Be brief."
    image: bool = False
    paper: bool = False
    tools: tuple[str, ...] = ()
    force: str = ""
    schema: bool = False
    stop: tuple[str, ...] = ()
    most: int = 500
    history: tuple["Told", ...] = ()


@dataclass(frozen=True)
class Told:
    """An answer in no format."""

    text: str
    finish: str
    model: str
    usage: tuple[int, int]
    calls: tuple[tuple[str, str, Json], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)


def valid(kind: type[BaseModel], value: BaseModel) -> None:
    """Whether a value is what its type says."""
    kind.model_validate(value.model_dump(exclude_unset=True, by_alias=True), strict=False)


class Anthropic:
    """The Messages API."""

    def __init__(self, url: str, key: str) -> None:
        self.sdk = anthropic.Anthropic(base_url=url, api_key=key, max_retries=0)

    def body(self, ask: Ask) -> Json:
        """The arguments of a call."""
        content: list[Json] = [{"type": "text", "text": ask.text}]
        if ask.image:
            source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
            content.insert(0, {"type": "image", "source": source})
        if ask.paper:
            source = {"type": "base64", "media_type": "application/pdf", "data": PAPER}
            content.insert(0, {"type": "document", "source": source, "title": "a.pdf"})
        messages: list[Json] = [{"role": "user", "content": content}]
        for told in ask.history:
            uses = [{"type": "tool_use", "id": i, "name": n, "input": a} for i, n, a in told.calls]
            results = [
                {"type": "tool_result", "tool_use_id": i, "content": "sunny"}
                for i, _, _ in told.calls
            ]
            messages += [
                {"role": "assistant", "content": uses},
                {"role": "user", "content": results},
            ]
        found: Json = {
            "model": ask.model,
            "max_tokens": ask.most,
            "system": ask.system,
            "messages": messages,
        }
        if ask.tools:
            found["tools"] = [{"name": n, "input_schema": SCHEMA} for n in ask.tools]
        if ask.force:
            named = {"type": "tool", "name": ask.force}
            found["tool_choice"] = {"type": "any"} if ask.force == "any" else named
        if ask.schema:
            found["output_config"] = {"format": {"type": "json_schema", "schema": SCHEMA}}
        if ask.stop:
            found["stop_sequences"] = list(ask.stop)
        return found

    def whole(self, ask: Ask) -> Told:
        """Ask for a whole answer."""
        raw = self.sdk.messages.with_raw_response.create(**self.body(ask))
        message = raw.parse()
        valid(Message, message)
        return self._told(message, raw.headers)

    def stream(self, ask: Ask) -> Told:
        """Ask for a stream, through the SDK's helper."""
        with self.sdk.messages.stream(**self.body(ask)) as stream:
            for _ in stream:
                pass
            return self._told(stream.get_final_message(), stream.response.headers)

    def events(self, ask: Ask) -> list[Any]:
        """Ask for a stream, and validate each of its events."""
        found = list(self.sdk.messages.create(**self.body(ask), stream=True))
        for event in found:
            _EVENTS.validate_python(event.model_dump(exclude_unset=True, by_alias=True))
        return found

    def _told(self, message: Any, headers: Mapping[str, str]) -> Told:
        blocks = message.content
        used = message.usage
        return Told(
            "".join(block.text for block in blocks if block.type == "text"),
            {"end_turn": "stop", "tool_use": "tools", "max_tokens": "length"}.get(
                message.stop_reason, message.stop_reason
            ),
            message.model,
            (used.input_tokens + (used.cache_read_input_tokens or 0), used.output_tokens),
            tuple((b.id, b.name, b.input) for b in blocks if b.type == "tool_use"),
            headers,
        )


class Chat:
    """Chat Completions."""

    def __init__(self, url: str, key: str) -> None:
        self.sdk = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def body(self, ask: Ask) -> Json:
        """The arguments of a call."""
        content: list[Json] = [{"type": "text", "text": ask.text}]
        if ask.image:
            url = f"data:image/png;base64,{PIXEL}"
            content.insert(0, {"type": "image_url", "image_url": {"url": url}})
        if ask.paper:
            file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PAPER}"}
            content.insert(0, {"type": "file", "file": file})
        messages: list[Json] = [
            {"role": "system", "content": ask.system},
            {"role": "user", "content": content},
        ]
        for told in ask.history:
            calls = [
                {
                    "id": i,
                    "type": "function",
                    "function": {"name": n, "arguments": json.dumps(a)},
                }
                for i, n, a in told.calls
            ]
            messages.append({"role": "assistant", "tool_calls": calls})
            messages += [
                {"role": "tool", "tool_call_id": i, "content": "sunny"} for i, _, _ in told.calls
            ]
        found: Json = {
            "model": ask.model,
            "max_completion_tokens": ask.most,
            "messages": messages,
        }
        if ask.tools:
            found["tools"] = [
                {"type": "function", "function": {"name": n, "parameters": SCHEMA}}
                for n in ask.tools
            ]
        if ask.force:
            named = {"type": "function", "function": {"name": ask.force}}
            found["tool_choice"] = "required" if ask.force == "any" else named
        if ask.schema:
            schema = {"name": "trip", "schema": SCHEMA, "strict": True}
            found["response_format"] = {"type": "json_schema", "json_schema": schema}
        if ask.stop:
            found["stop"] = list(ask.stop)
        return found

    def whole(self, ask: Ask) -> Told:
        """Ask for a whole answer."""
        raw = self.sdk.chat.completions.with_raw_response.create(**self.body(ask))
        completion = raw.parse()
        valid(ChatCompletion, completion)
        return self._told(completion, raw.headers)

    def stream(self, ask: Ask) -> Told:
        """Ask for a stream, through the SDK's helper."""
        options: Any = {"include_usage": True}
        with self.sdk.chat.completions.stream(**self.body(ask), stream_options=options) as stream:
            for _ in stream:
                pass
            return self._told(stream.get_final_completion(), stream._response.headers)

    def events(self, ask: Ask) -> list[Any]:
        """Ask for a stream, and validate each of its events."""
        found = list(self.sdk.chat.completions.create(**self.body(ask), stream=True))
        for chunk in found:
            valid(ChatCompletionChunk, chunk)
            assert chunk.choices, "usage that nobody asked for"
        return found

    def _told(self, completion: Any, headers: Mapping[str, str]) -> Told:
        choice = completion.choices[0]
        calls = choice.message.tool_calls or ()
        return Told(
            choice.message.content or "",
            {"tool_calls": "tools"}.get(choice.finish_reason, choice.finish_reason),
            completion.model,
            (completion.usage.prompt_tokens, completion.usage.completion_tokens),
            tuple((c.id, c.function.name, json.loads(c.function.arguments)) for c in calls),
            headers,
        )


class Responses:
    """The Responses API."""

    def __init__(self, url: str, key: str) -> None:
        self.sdk = openai.OpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0)

    def body(self, ask: Ask) -> Json:
        """The arguments of a call."""
        content: list[Json] = [{"type": "input_text", "text": ask.text}]
        if ask.image:
            url = f"data:image/png;base64,{PIXEL}"
            content.insert(0, {"type": "input_image", "detail": "auto", "image_url": url})
        if ask.paper:
            file = {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PAPER}"}
            content.insert(0, {"type": "input_file", **file})
        items: list[Json] = [{"role": "user", "content": content}]
        for told in ask.history:
            items += [
                {"type": "function_call", "call_id": i, "name": n, "arguments": json.dumps(a)}
                for i, n, a in told.calls
            ]
            items += [
                {"type": "function_call_output", "call_id": i, "output": "sunny"}
                for i, _, _ in told.calls
            ]
        found: Json = {
            "model": ask.model,
            "max_output_tokens": ask.most,
            "instructions": ask.system,
            "input": items,
        }
        if ask.tools:
            found["tools"] = [
                {"type": "function", "name": n, "parameters": SCHEMA, "strict": False}
                for n in ask.tools
            ]
        if ask.force:
            named = {"type": "function", "name": ask.force}
            found["tool_choice"] = "required" if ask.force == "any" else named
        if ask.schema:
            found["text"] = {"format": {"type": "json_schema", "name": "trip", "schema": SCHEMA}}
        return found

    def whole(self, ask: Ask) -> Told:
        """Ask for a whole answer."""
        raw = self.sdk.responses.with_raw_response.create(**self.body(ask))
        response = raw.parse()
        valid(Response, response)
        return self._told(response, raw.headers)

    def stream(self, ask: Ask) -> Told:
        """Ask for a stream, through the SDK's helper."""
        with self.sdk.responses.stream(**self.body(ask)) as stream:
            for _ in stream:
                pass
            return self._told(stream.get_final_response(), stream._response.headers)

    def events(self, ask: Ask) -> list[Any]:
        """Ask for a stream, and validate each of its events."""
        found = list(self.sdk.responses.create(**self.body(ask), stream=True))
        for number, event in enumerate(found):
            _RESPONSE_EVENTS.validate_python(event.model_dump(exclude_unset=True, by_alias=True))
            assert event.sequence_number == number
        return found

    def _told(self, response: Any, headers: Mapping[str, str]) -> Told:
        calls = [item for item in response.output if item.type == "function_call"]
        finish = "length" if response.status == "incomplete" else "stop"
        return Told(
            response.output_text,
            "tools" if calls else finish,
            response.model,
            (response.usage.input_tokens, response.usage.output_tokens),
            tuple((c.call_id, c.name, json.loads(c.arguments)) for c in calls),
            headers,
        )


class Gemini:
    """generateContent."""

    def __init__(self, url: str, key: str) -> None:
        options = types.HttpOptions(base_url=url, api_version="v1beta")
        self.sdk = genai.Client(api_key=key, http_options=options)

    def body(self, ask: Ask) -> Json:
        """The arguments of a call."""
        parts: list[Any] = [types.Part(text=ask.text)]
        if ask.image:
            blob = types.Blob(mime_type="image/png", data=b64decode(PIXEL))
            parts.insert(0, types.Part(inline_data=blob))
        if ask.paper:
            blob = types.Blob(mime_type="application/pdf", data=b64decode(PAPER))
            parts.insert(0, types.Part(inline_data=blob))
        contents: list[Any] = [types.Content(role="user", parts=parts)]
        for told in ask.history:
            calls = [types.FunctionCall(id=i, name=n, args=a) for i, n, a in told.calls]
            model_parts = [types.Part(function_call=call) for call in calls]
            if model_parts:
                model_parts[0].thought_signature = b"c2lnbmF0dXJl"
            results = [
                types.Part(
                    function_response=types.FunctionResponse(
                        id=i, name=n, response={"output": "sunny"}
                    )
                )
                for i, n, _ in told.calls
            ]
            contents += [
                types.Content(role="model", parts=model_parts),
                types.Content(role="user", parts=results),
            ]
        config = types.GenerateContentConfig(
            system_instruction=ask.system,
            max_output_tokens=ask.most,
            stop_sequences=list(ask.stop) or None,
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        )
        if ask.tools:
            declared = [
                types.FunctionDeclaration(name=n, parameters_json_schema=SCHEMA) for n in ask.tools
            ]
            config.tools = [types.Tool(function_declarations=declared)]
        if ask.force:
            config.tool_config = types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(
                    mode=types.FunctionCallingConfigMode.ANY,
                    allowed_function_names=None if ask.force == "any" else [ask.force],
                )
            )
        if ask.schema:
            config.response_mime_type = "application/json"
            config.response_json_schema = SCHEMA
        return {"model": ask.model, "contents": contents, "config": config}

    def whole(self, ask: Ask) -> Told:
        """Ask for a whole answer."""
        found = self.sdk.models.generate_content(**self.body(ask))
        headers = (found.sdk_http_response and found.sdk_http_response.headers) or {}
        return self._told([found], headers)

    def stream(self, ask: Ask) -> Told:
        """Ask for a stream."""
        return self._told(self.events(ask), {})

    def events(self, ask: Ask) -> list[Any]:
        """Ask for a stream; this SDK validates all that it gives."""
        return list(self.sdk.models.generate_content_stream(**self.body(ask)))

    def _told(self, chunks: list[Any], headers: Mapping[str, str]) -> Told:
        parts = [part for chunk in chunks for part in chunk.candidates[0].content.parts or ()]
        calls = [part.function_call for part in parts if part.function_call]
        finish = chunks[-1].candidates[0].finish_reason
        used = chunks[-1].usage_metadata
        named = {"STOP": "stop", "MAX_TOKENS": "length"}.get(finish.name, finish.name)
        return Told(
            "".join(part.text for part in parts if part.text and not part.thought),
            "tools" if calls else named,
            chunks[-1].model_version,
            (
                used.prompt_token_count,
                (used.candidates_token_count or 0) + (used.thoughts_token_count or 0),
            ),
            tuple((call.id or "", call.name, call.args) for call in calls),
            headers,
        )


SPEAKERS: Mapping[str, Callable[[str, str], Any]] = {
    "anthropic": Anthropic,
    "chat": Chat,
    "responses": Responses,
    "gemini": Gemini,
}
