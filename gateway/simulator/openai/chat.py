"""`POST /v1/chat/completions` (provider-facts B2, B3)."""

from collections.abc import Iterator
from typing import Any

from gateway.simulator.answer import Answer, Ask, Finish, Kind, Segment, answer
from gateway.simulator.call import Body, Call, encode
from gateway.simulator.errors import ApiError, Headers
from gateway.simulator.exchange import SSE
from gateway.simulator.generation import Frame, Usage, generate, usage_of
from gateway.simulator.models import Model
from gateway.simulator.openai.errors import error_body, invalid, limit_headers, unknown_model
from gateway.simulator.openai.prompts import (
    OpenAIRequest,
    Prompt,
    admit,
    forced_tools,
    read_tools,
    requested_max,
)
from gateway.simulator.reading import last_text, strings

_FINISH = {
    Finish.STOP: "stop",
    Finish.LENGTH: "length",
    Finish.TOOLS: "tool_calls",
    Finish.STOP_SEQUENCE: "stop",
}
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_DONE = b"data: [DONE]\n\n"
_MAX_CHOICES = 128


async def chat_completions(call: Call) -> None:
    """Answer a chat."""
    body = await call.read_json()
    stream = body.get("stream") is True
    await call.meet(body.get("model"), stream=stream)
    if call.model is None:
        raise unknown_model(body.get("model"))
    request = _read(body, call.model, stream=stream)
    use = admit(call, request)
    answers = [answer(request.ask, call.state.settings, i) for i in range(request.ask.choices)]
    usage = usage_of(
        call, use, sum(a.tokens for a in answers), sum(a.thinking_tokens for a in answers)
    )
    options = body.get("stream_options")
    include_usage = isinstance(options, dict) and options.get("include_usage") is True
    writer = ChatWriter(call, answers, usage, stream=stream, include_usage=include_usage)
    await generate(call, writer, use.writes)


def _read(body: Body, model: Model, *, stream: bool) -> OpenAIRequest:
    messages = body.get("messages")
    if not isinstance(messages, list):
        raise invalid(
            "Missing required parameter: 'messages'.", "messages", "missing_required_parameter"
        )
    if not messages:
        raise invalid("Invalid 'messages': empty array.", "messages", "empty_array")
    prompt = Prompt()
    tools = read_tools(body, prompt)
    for i, message in enumerate(messages):
        _read_message(message, i, prompt)
    choices = body.get("n") or 1
    if not isinstance(choices, int) or not 1 <= choices <= _MAX_CHOICES:
        raise invalid("Invalid 'n'.", "n")
    wanted = requested_max(body, model, "max_completion_tokens", "max_tokens")
    stop = body.get("stop")
    ask = Ask(
        model=model,
        last_text=_last_text(messages),
        turns=len(messages),
        max_tokens=wanted or model.max_output_tokens,
        tools=tools,
        forced=forced_tools(body, tools),
        thinking=body.get("reasoning_effort") not in (None, "none"),
        stop=[stop] if isinstance(stop, str) else strings(stop),
        choices=choices,
        json_schema=_schema(body.get("response_format")),
    )
    return OpenAIRequest(ask, prompt, wanted, str(body.get("prompt_cache_key") or ""), stream)


def _read_message(message: Any, index: int, prompt: Prompt) -> None:
    if not isinstance(message, dict) or message.get("role") not in _ROLES:
        where = f"messages[{index}].role"
        raise invalid(f"Invalid value for '{where}'.", where, "invalid_value")
    prompt.boundary(message["role"])
    prompt.content(message.get("content"))
    if message.get("tool_calls"):
        prompt.json(message["tool_calls"])


def _last_text(messages: list[Any]) -> str:
    last = messages[-1]
    if last["role"] not in ("user", "system", "developer"):
        return ""
    return last_text(last.get("content"))


def _schema(response_format: Any) -> dict[str, Any] | None:
    if not isinstance(response_format, dict):
        return None
    if response_format.get("type") == "json_object":
        return {"type": "object", "properties": {"answer": {"type": "string"}}}
    inner = response_format.get("json_schema")
    if isinstance(inner, dict) and isinstance(inner.get("schema"), dict):
        found: dict[str, Any] = inner["schema"]
        return found
    return None


class ChatWriter:
    """Writes answers as a chat completion."""

    content_type = SSE

    def __init__(
        self,
        call: Call,
        answers: list[Answer],
        usage: Usage,
        *,
        stream: bool,
        include_usage: bool,
    ) -> None:
        """Prepare; `include_usage` is the stream option of that name."""
        self.stream = stream
        self._call = call
        self._answers = answers
        self._usage = usage
        self._include_usage = include_usage and not usage.dropped
        self._id = call.state.new_id("chatcmpl-")
        self._created = int(call.state.wall())
        self._chunk_tokens = call.state.settings.chunk_tokens

    @property
    def output_tokens(self) -> int:
        """All output of all choices."""
        return sum(a.tokens for a in self._answers)

    def headers(self) -> Headers:
        """The rate-limit headers as of now."""
        lane = self._call.lane
        return [] if lane is None else limit_headers(self._call, lane)

    def body(self) -> bytes:
        """The whole completion."""
        completion = self._envelope("chat.completion")
        completion["choices"] = [self._choice(i, a) for i, a in enumerate(self._answers)]
        if not self._usage.dropped:
            completion["usage"] = usage_json(self._usage)
        return encode(completion)

    def frames(self) -> Iterator[Frame]:
        """Chunks of each choice in turn, then usage if asked for, then `[DONE]`."""
        for index, result in enumerate(self._answers):
            first = {"role": "assistant", "content": "", "refusal": None}
            yield self._chunk(index, first, None), 0
            calls = 0
            for segment in result.segments:
                if segment.kind is Kind.TOOL:
                    yield from self._tool_frames(index, calls, segment)
                    calls += 1
                else:
                    yield from self._text_frames(index, segment)
            yield self._chunk(index, {}, _FINISH[result.finish]), 0
        if self._include_usage:
            last = self._envelope("chat.completion.chunk")
            last |= {"choices": [], "usage": usage_json(self._usage)}
            yield b"data: " + encode(last) + b"\n\n", 0
        yield _DONE, 0

    def error_frame(self, error: ApiError) -> bytes:
        """An error inside the stream."""
        return b"data: " + encode(error_body(error)) + b"\n\n"

    def _text_frames(self, index: int, segment: Segment) -> Iterator[Frame]:
        if segment.kind is Kind.THINKING:
            # Reasoning is billed and not shown.
            for _, tokens in segment.pieces(self._chunk_tokens):
                yield b"", tokens
            return
        for text, tokens in segment.pieces(self._chunk_tokens):
            yield self._chunk(index, {"content": text}, None), tokens

    def _tool_frames(self, index: int, number: int, segment: Segment) -> Iterator[Frame]:
        start = {
            "index": number,
            "id": self._tool_id(number),
            "type": "function",
            "function": {"name": segment.tool, "arguments": ""},
        }
        yield self._chunk(index, {"tool_calls": [start]}, None), 0
        for text, tokens in segment.pieces(self._chunk_tokens):
            delta = {"index": number, "function": {"arguments": text}}
            yield self._chunk(index, {"tool_calls": [delta]}, None), tokens

    def _tool_id(self, number: int) -> str:
        return f"call_{self._id[-20:]}{number:02d}"

    def _chunk(self, index: int, delta: dict[str, Any], finish: str | None) -> bytes:
        chunk = self._envelope("chat.completion.chunk")
        choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish}
        chunk["choices"] = [choice]
        if self._include_usage:
            chunk["usage"] = None
        return b"data: " + encode(chunk) + b"\n\n"

    def _envelope(self, kind: str) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": kind,
            "created": self._created,
            "model": self._call.record.model,
            "service_tier": "default",
            "system_fingerprint": "fp_simulated",
        }

    def _choice(self, index: int, result: Answer) -> dict[str, Any]:
        texts = [s.text for s in result.segments if s.kind is Kind.TEXT]
        message: dict[str, Any] = {
            "role": "assistant",
            "content": "".join(texts) if texts else None,
            "refusal": None,
            "annotations": [],
        }
        tools = [s for s in result.segments if s.kind is Kind.TOOL]
        if tools:
            message["tool_calls"] = [
                {
                    "id": self._tool_id(i),
                    "type": "function",
                    "function": {"name": s.tool, "arguments": s.text},
                }
                for i, s in enumerate(tools)
            ]
        finish = _FINISH[result.finish]
        return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}


def usage_json(usage: Usage) -> dict[str, Any]:
    """Usage in the chat spelling; cached and written tokens are part of the prompt's."""
    prompt, output = usage.of(usage.use.prompt), usage.of(usage.output)
    details = {"cached_tokens": usage.of(usage.use.read), "audio_tokens": 0}
    if usage.use.written:
        details["cache_write_tokens"] = usage.of(usage.use.written)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": details,
        "completion_tokens_details": {
            "reasoning_tokens": usage.of(usage.thinking),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
