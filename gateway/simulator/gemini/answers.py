"""Writing generateContent answers: whole, as SSE, or as a streamed JSON array (B9, B10)."""

from base64 import b64encode
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any

from msgspec import Raw

from gateway.simulator.answer import Answer, Finish, Kind, Segment
from gateway.simulator.call import Call, encode
from gateway.simulator.errors import ApiError, Headers
from gateway.simulator.exchange import JSON
from gateway.simulator.gemini.errors import error_body
from gateway.simulator.generation import Frame, Usage

_FINISH = {
    Finish.STOP: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.TOOLS: "STOP",
    Finish.STOP_SEQUENCE: "STOP",
}


class GeminiWriter:
    """Writes answers as candidates."""

    def __init__(
        self,
        call: Call,
        answers: list[Answer],
        usage: Usage,
        *,
        stream: bool,
        sse: bool,
        include_thoughts: bool,
    ) -> None:
        """Prepare; `sse` is `alt=sse`, else a stream is one JSON array."""
        self.stream = stream
        self.content_type = b"text/event-stream" if sse else JSON
        self._sse = sse
        self._call = call
        self._answers = answers
        self._usage = usage
        self._include_thoughts = include_thoughts
        self._id = call.state.new_id("sim")
        self._chunk_tokens = call.state.settings.chunk_tokens

    @property
    def output_tokens(self) -> int:
        """All output, thoughts included."""
        return sum(a.tokens for a in self._answers)

    def headers(self) -> Headers:
        """The served tier; Gemini sends no limit headers (B12)."""
        return [(b"x-gemini-service-tier", b"standard")]

    def body(self) -> bytes:
        """The whole answer."""
        candidates = [
            self._candidate(i, [p for s in a.segments for p in self._parts(s)], a.finish)
            for i, a in enumerate(self._answers)
        ]
        thoughts = self._usage.thinking
        return encode(self._answer(candidates, self._usage.output - thoughts, thoughts))

    def frames(self) -> Iterator[Frame]:
        """Chunks with cumulative usage; the last one of a candidate has its finish reason."""
        first = True
        for chunk, tokens in self._chunks():
            if self._sse:
                yield b"data: " + chunk + b"\r\n\r\n", tokens
            else:
                yield (b"[" if first else b",\r\n") + chunk, tokens
            first = False
        if not self._sse:
            yield b"]", 0

    def error_frame(self, error: ApiError) -> bytes:
        """An error inside the stream."""
        data = encode(error_body(error))
        return b"data: " + data + b"\r\n\r\n" if self._sse else b",\r\n" + data + b"]"

    def _chunks(self) -> Iterator[Frame]:
        shown = thoughts = 0
        for index, result in enumerate(self._answers):
            for segment in result.segments:
                for parts, tokens in self._pieces(segment):
                    if segment.kind is Kind.THINKING:
                        thoughts += tokens
                    else:
                        shown += tokens
                    candidate = self._candidate(index, parts, None)
                    yield encode(self._answer([candidate], shown, thoughts)), tokens
            last = self._candidate(index, [{"text": ""}], result.finish)
            yield encode(self._answer([last], shown, thoughts)), 0

    def _pieces(self, segment: Segment) -> Iterator[tuple[list[dict[str, Any]], int]]:
        if segment.kind is Kind.TOOL:
            yield self._parts(segment), segment.tokens
            return
        for text, tokens in segment.pieces(self._chunk_tokens):
            if segment.kind is Kind.TEXT:
                yield [{"text": text}], tokens
            else:
                yield ([{"text": text, "thought": True}] if self._include_thoughts else []), tokens

    def _parts(self, segment: Segment) -> list[dict[str, Any]]:
        if segment.kind is Kind.TEXT:
            return [{"text": segment.text}]
        if segment.kind is Kind.THINKING:
            return [{"text": segment.text, "thought": True}] if self._include_thoughts else []
        call = {"name": segment.tool, "args": Raw(segment.text.encode())}
        part: dict[str, Any] = {"functionCall": call}
        if self._call.model is not None and self._call.model.needs_thought_signature:
            digest = blake2b(segment.text.encode(), digest_size=48).digest()
            part["thoughtSignature"] = b64encode(digest).decode()
        return [part]

    def _candidate(
        self, index: int, parts: list[dict[str, Any]], finish: Finish | None
    ) -> dict[str, Any]:
        candidate: dict[str, Any] = {"content": {"parts": parts, "role": "model"}, "index": index}
        if finish is not None:
            candidate["finishReason"] = _FINISH[finish]
        return candidate

    def _answer(
        self, candidates: list[dict[str, Any]], shown: int, thoughts: int
    ) -> dict[str, Any]:
        answer: dict[str, Any] = {"candidates": candidates}
        if not self._usage.dropped:
            answer["usageMetadata"] = self._usage_json(shown, thoughts)
        answer["modelVersion"] = self._call.record.model
        answer["responseId"] = self._id
        return answer

    def _usage_json(self, shown: int, thoughts: int) -> dict[str, Any]:
        usage = self._usage
        prompt = usage.of(usage.use.prompt)
        shown, thoughts = usage.of(shown), usage.of(thoughts)
        found: dict[str, Any] = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": shown,
            "totalTokenCount": prompt + shown + thoughts,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        }
        if usage.use.read:
            found["cachedContentTokenCount"] = usage.of(usage.use.read)
        if usage.thinking:
            found["thoughtsTokenCount"] = thoughts
        return found
