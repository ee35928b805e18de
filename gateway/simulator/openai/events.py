"""Writing responses, as one object and as events (provider-facts B2, B3)."""

from collections.abc import Iterator
from typing import Any

from gateway.simulator.answer import Answer, Finish, Kind, Segment
from gateway.simulator.call import Body, Call, encode
from gateway.simulator.errors import ApiError, Headers
from gateway.simulator.exchange import SSE
from gateway.simulator.generation import Frame, Usage
from gateway.simulator.openai.errors import limit_headers
from gateway.simulator.reading import items

_ECHOED = (
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "metadata",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "temperature",
    "text",
    "top_p",
    "user",
)
_EMPTY: dict[Kind, tuple[str, Any]] = {
    Kind.TEXT: ("content", []),
    Kind.TOOL: ("arguments", ""),
    Kind.THINKING: ("summary", []),
}


def usage_json(usage: Usage) -> dict[str, Any]:
    """Usage in the responses spelling."""
    prompt, output = usage.of(usage.use.prompt), usage.of(usage.output)
    written = usage.of(usage.use.written)
    details: dict[str, Any] = {
        "cached_tokens": usage.of(usage.use.read),
        "cache_write_tokens": written,
    }
    if written:
        details["cache_write_tokens_details"] = {"ttl_30m_tokens": written, "ttl_12h_tokens": 0}
    return {
        "input_tokens": prompt,
        "input_tokens_details": details,
        "output_tokens": output,
        "output_tokens_details": {"reasoning_tokens": usage.of(usage.thinking)},
        "total_tokens": prompt + output,
    }


class ResponseWriter:
    """Writes one answer as a response object."""

    content_type = SSE

    def __init__(
        self, call: Call, body: Body, result: Answer, usage: Usage, *, stream: bool
    ) -> None:
        """Prepare to answer `body` with `result`, reporting `usage`."""
        self.stream = stream
        self.id = call.state.new_id("resp_")
        self._call = call
        self._body = body
        self._answer = result
        self._usage = usage
        self._created = int(call.state.wall())
        self._chunk_tokens = call.state.settings.chunk_tokens
        self._sequence = -1

    @property
    def output_tokens(self) -> int:
        """All output."""
        return self._answer.tokens

    def headers(self) -> Headers:
        """The rate-limit headers as of now."""
        lane = self._call.lane
        return [] if lane is None else limit_headers(self._call, lane)

    def body(self) -> bytes:
        """The whole response."""
        return encode(self.final())

    def final(self) -> dict[str, Any]:
        """The response as it is at the end."""
        cut = self._answer.finish is Finish.LENGTH
        response = self._response("incomplete" if cut else "completed")
        response["output"] = [self._item(i, s) for i, s in enumerate(self._answer.segments)]
        if cut:
            response["incomplete_details"] = {"reason": "max_output_tokens"}
        else:
            response["completed_at"] = int(self._call.state.wall())
        if not self._usage.dropped:
            response["usage"] = usage_json(self._usage)
        return response

    def frames(self) -> Iterator[Frame]:
        """created, in_progress, the items, and completed or incomplete."""
        started = self._response("in_progress")
        yield self._event("response.created", {"response": started}), 0
        yield self._event("response.in_progress", {"response": started}), 0
        for i, segment in enumerate(self._answer.segments):
            yield from self._item_frames(i, segment)
        final = self.final()
        yield self._event(f"response.{final['status']}", {"response": final}), 0

    def error_frame(self, error: ApiError) -> bytes:
        """`response.failed`, which every client understands."""
        response = self._response("failed")
        code = error.code or "server_error"
        response["error"] = {"code": code, "message": error.message}
        return self._event("response.failed", {"response": response})

    def _item_frames(self, index: int, segment: Segment) -> Iterator[Frame]:
        done = self._item(index, segment)
        name, empty = _EMPTY[segment.kind]
        opened = {**done, "status": "in_progress", name: empty}
        yield self._event("response.output_item.added", {"output_index": index, "item": opened}), 0
        where = {"item_id": done["id"], "output_index": index}
        if segment.kind is Kind.TEXT:
            yield from self._text_frames(where, segment)
        elif segment.kind is Kind.TOOL:
            yield from self._tool_frames(where, segment)
        else:
            yield from self._reasoning_frames(where, segment)
        yield self._event("response.output_item.done", {"output_index": index, "item": done}), 0

    def _text_frames(self, where: dict[str, Any], segment: Segment) -> Iterator[Frame]:
        at = {**where, "content_index": 0}
        part = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
        yield self._event("response.content_part.added", {**at, "part": part}), 0
        for text, tokens in segment.pieces(self._chunk_tokens):
            fields = {**at, "delta": text, "logprobs": []}
            yield self._event("response.output_text.delta", fields), tokens
        fields = {**at, "text": segment.text, "logprobs": []}
        yield self._event("response.output_text.done", fields), 0
        part = {**part, "text": segment.text}
        yield self._event("response.content_part.done", {**at, "part": part}), 0

    def _tool_frames(self, where: dict[str, Any], segment: Segment) -> Iterator[Frame]:
        for text, tokens in segment.pieces(self._chunk_tokens):
            fields = {**where, "delta": text}
            yield self._event("response.function_call_arguments.delta", fields), tokens
        fields = {**where, "name": segment.tool, "arguments": segment.text}
        yield self._event("response.function_call_arguments.done", fields), 0

    def _reasoning_frames(self, where: dict[str, Any], segment: Segment) -> Iterator[Frame]:
        at = {**where, "summary_index": 0}
        part = {"type": "summary_text", "text": ""}
        yield self._event("response.reasoning_summary_part.added", {**at, "part": part}), 0
        for text, tokens in segment.pieces(self._chunk_tokens):
            fields = {**at, "delta": text}
            yield self._event("response.reasoning_summary_text.delta", fields), tokens
        fields = {**at, "text": segment.text}
        yield self._event("response.reasoning_summary_text.done", fields), 0
        part = {**part, "text": segment.text}
        yield self._event("response.reasoning_summary_part.done", {**at, "part": part}), 0

    def _item(self, index: int, segment: Segment) -> dict[str, Any]:
        tail = f"{self.id[-20:]}{index:02d}"
        if segment.kind is Kind.TEXT:
            text = {
                "type": "output_text",
                "text": segment.text,
                "annotations": [],
                "logprobs": [],
            }
            status = "incomplete" if self._answer.finish is Finish.LENGTH else "completed"
            return {
                "id": f"msg_{tail}",
                "type": "message",
                "role": "assistant",
                "status": status,
                "content": [text],
            }
        if segment.kind is Kind.TOOL:
            return {
                "id": f"fc_{tail}",
                "type": "function_call",
                "status": "completed",
                "call_id": f"call_{tail}",
                "name": segment.tool,
                "arguments": segment.text,
            }
        item = {
            "id": f"rs_{tail}",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": segment.text}],
        }
        if "reasoning.encrypted_content" in items(self._body.get("include")):
            item["encrypted_content"] = "c2ltdWxhdGVk"
        return item

    def _response(self, status: str) -> dict[str, Any]:
        body = self._body
        response = {name: body.get(name) for name in _ECHOED}
        return response | {
            "id": self.id,
            "object": "response",
            "created_at": self._created,
            "status": status,
            "background": False,
            "error": None,
            "incomplete_details": None,
            "model": self._call.record.model,
            "output": [],
            "parallel_tool_calls": body.get("parallel_tool_calls", True),
            "service_tier": "default",
            "store": body.get("store", True),
            "tool_choice": body.get("tool_choice", "auto"),
            "tools": body.get("tools") or [],
            "truncation": body.get("truncation", "disabled"),
            "usage": None,
        }

    def _event(self, kind: str, fields: dict[str, Any]) -> bytes:
        self._sequence += 1
        data = {"type": kind, "sequence_number": self._sequence, **fields}
        return b"event: " + kind.encode() + b"\ndata: " + encode(data) + b"\n\n"
