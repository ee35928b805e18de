"""Writing messages, streamed and not (provider-facts A2)."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import blake2b

from msgspec import Raw

from gateway.simulator.answer import Answer, Finish, Kind, Segment
from gateway.simulator.anthropic.errors import error_event, limit_headers
from gateway.simulator.anthropic.requests import SIGNATURE_PREFIX
from gateway.simulator.call import Call, encode
from gateway.simulator.errors import ApiError, Headers
from gateway.simulator.exchange import SSE
from gateway.simulator.generation import Frame, Usage

_STOP_REASONS = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.TOOLS: "tool_use",
    Finish.STOP_SEQUENCE: "stop_sequence",
}
_DELTAS = {
    Kind.TEXT: b'{"type":"text_delta","text":"%b"}',
    Kind.THINKING: b'{"type":"thinking_delta","thinking":"%b"}',
    Kind.TOOL: b'{"type":"input_json_delta","partial_json":%b}',
}
_DELTA = (
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":%b}\n\n'
)
_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'


class MessageWriter:
    """Writes one answer as a message."""

    content_type = SSE

    def __init__(self, call: Call, answer: Answer, usage: Usage, *, stream: bool) -> None:
        """Prepare to answer `call` with `answer`, reporting `usage`."""
        self.stream = stream
        self._call = call
        self._answer = answer
        self._usage = usage
        self._id = call.state.new_id("msg_")
        self._chunk_tokens = call.state.settings.chunk_tokens

    @property
    def output_tokens(self) -> int:
        """All output."""
        return self._answer.tokens

    def headers(self) -> Headers:
        """The rate-limit headers as of now."""
        lane = self._call.lane
        return [] if lane is None else limit_headers(self._call, lane)

    def body(self) -> bytes:
        """The whole message."""
        message = self._message(
            [self._block(i, s) for i, s in enumerate(self._answer.segments)],
            _STOP_REASONS[self._answer.finish],
            self._answer.stop_sequence,
        )
        if not self._usage.dropped:
            message["usage"] = self._start_usage(self._answer.tokens)
        return encode(message)

    def frames(self) -> Iterator[Frame]:
        """message_start, the blocks, message_delta, message_stop."""
        message = self._message([], None, None)
        if not self._usage.dropped:
            message["usage"] = self._start_usage(min(1, self._answer.tokens))
        yield _event("message_start", {"type": "message_start", "message": message}), 0
        for i, segment in enumerate(self._answer.segments):
            yield from self._block_frames(i, segment)
            if i == 0:
                yield _PING, 0
        delta: dict[str, object] = {
            "type": "message_delta",
            "delta": {
                "stop_reason": _STOP_REASONS[self._answer.finish],
                "stop_sequence": self._answer.stop_sequence,
            },
        }
        if not self._usage.dropped:
            delta["usage"] = self._final_usage()
        yield _event("message_delta", delta), 0
        yield _MESSAGE_STOP, 0

    def error_frame(self, error: ApiError) -> bytes:
        """An error event."""
        return error_event(error, self._call.request_id)

    def _block_frames(self, index: int, segment: Segment) -> Iterator[Frame]:
        start = {
            "type": "content_block_start",
            "index": index,
            "content_block": self._empty_block(index, segment),
        }
        yield _event("content_block_start", start), 0
        shape = _DELTAS[segment.kind]
        for text, tokens in segment.pieces(self._chunk_tokens):
            # Prose is plain ASCII without quotes; tool JSON and structured answers have them.
            piece = text.encode()
            if segment.kind is Kind.TOOL:
                piece = encode(text)
            elif b'"' in piece or b"\\" in piece:
                piece = encode(text)[1:-1]
            yield _DELTA % (index, shape % piece), tokens
        if segment.kind is Kind.THINKING:
            signature = encode({"type": "signature_delta", "signature": _signature(segment)})
            yield _DELTA % (index, signature), 0
        yield _STOP % index, 0

    def _message(
        self, content: list[dict[str, object]], stop: str | None, sequence: str | None
    ) -> dict[str, object]:
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._call.record.model,
            "content": content,
            "stop_reason": stop,
            "stop_sequence": sequence,
        }

    def _block(self, index: int, segment: Segment) -> dict[str, object]:
        if segment.kind is Kind.TEXT:
            return {"type": "text", "text": segment.text}
        if segment.kind is Kind.THINKING:
            signature = _signature(segment)
            return {"type": "thinking", "thinking": segment.text, "signature": signature}
        return {**self._empty_block(index, segment), "input": Raw(segment.text.encode())}

    def _empty_block(self, index: int, segment: Segment) -> dict[str, object]:
        if segment.kind is Kind.TEXT:
            return {"type": "text", "text": ""}
        if segment.kind is Kind.THINKING:
            return {"type": "thinking", "thinking": "", "signature": ""}
        call_id = f"toolu_{self._id[-20:]}{index:02d}"
        return {"type": "tool_use", "id": call_id, "name": segment.tool, "input": {}}

    def _start_usage(self, output: int) -> dict[str, object]:
        usage, use = self._usage, self._usage.use
        return {
            "input_tokens": usage.of(use.uncached),
            "cache_creation_input_tokens": usage.of(use.written),
            "cache_read_input_tokens": usage.of(use.read),
            "cache_creation": {
                "ephemeral_5m_input_tokens": usage.of(use.write_short),
                "ephemeral_1h_input_tokens": usage.of(use.write_long),
            },
            "output_tokens": usage.of(output),
            "output_tokens_details": {"thinking_tokens": usage.of(min(usage.thinking, output))},
            "server_tool_use": None,
            "service_tier": "standard",
            "inference_geo": "global",
        }

    def _final_usage(self) -> dict[str, object]:
        # Cumulative, and without the split of the cache writes (provider-facts A2).
        usage, use = self._usage, self._usage.use
        return {
            "input_tokens": usage.of(use.uncached),
            "cache_creation_input_tokens": usage.of(use.written),
            "cache_read_input_tokens": usage.of(use.read),
            "output_tokens": usage.of(self._answer.tokens),
            "output_tokens_details": {"thinking_tokens": usage.of(usage.thinking)},
        }


def _signature(segment: Segment) -> str:
    digest = blake2b(segment.text.encode(), digest_size=48).digest()
    return SIGNATURE_PREFIX + b64encode(digest).decode()


def _event(name: str, data: dict[str, object]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + encode(data) + b"\n\n"
