"""What a Gemini answer tells: the same object whole, as one event of a stream, or in an array.

Failure policy: a value of an unknown shape hides no other; what cannot be parsed teaches nothing.
"""

from typing import TypeVar

import msgspec

from gateway.dialects.tap import JsonTap, Seen
from gateway.domain.usage import Usage

from .headers import plain_tier

_T = TypeVar("_T")
_ABSENT = msgspec.Raw(b"")  # `Raw | None` would take nothing but null


class _Part(msgspec.Struct, gc=False):
    text: str = ""
    function_call: msgspec.Raw = msgspec.field(name="functionCall", default=_ABSENT)


class _Content(msgspec.Struct, gc=False):
    parts: list[_Part] = []


class _Candidate(msgspec.Struct, gc=False):
    content: _Content | None = None
    finish_reason: str | None = msgspec.field(name="finishReason", default=None)
    index: int = 0


class _Feedback(msgspec.Struct, gc=False):
    block_reason: str | None = msgspec.field(name="blockReason", default=None)


class _Count(msgspec.Struct, gc=False):
    modality: str = ""
    tokens: int = msgspec.field(name="tokenCount", default=0)


def _audio(counts: list[_Count]) -> int:
    found = 0
    for one in counts:
        if one.modality == "AUDIO":
            found += one.tokens
    return max(0, found)


class UsageMetadata(msgspec.Struct, gc=False, rename="camel"):
    """Token counts as Gemini reports them, cumulative over a stream (provider-facts B10)."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0
    service_tier: str | None = None
    prompt_tokens_details: list[_Count] = []
    cache_tokens_details: list[_Count] = []
    candidates_tokens_details: list[_Count] = []

    def normalised(self) -> Usage:
        """In the gateway's own terms.

        The prompt includes what was cached; the candidates exclude the thoughts, and both are
        output; what tools put into the prompt is input (provider-facts B10).
        """
        cached = max(0, self.cached_content_token_count)
        thoughts = max(0, self.thoughts_token_count)
        fresh = max(0, self.prompt_token_count - cached)
        return Usage(
            input_tokens=fresh + max(0, self.tool_use_prompt_token_count),
            cache_read_tokens=cached,
            output_tokens=max(0, self.candidates_token_count) + thoughts,
            reasoning_tokens=thoughts,
            service_tier=plain_tier(self.service_tier or ""),
            audio_input_tokens=max(
                0, _audio(self.prompt_tokens_details) - _audio(self.cache_tokens_details)
            ),
            audio_output_tokens=_audio(self.candidates_tokens_details),
        )


class Answer(msgspec.Struct, gc=False):
    """One `GenerateContentResponse`, or the part of it in one event."""

    candidates: list[_Candidate] = []
    usage: UsageMetadata | None = msgspec.field(name="usageMetadata", default=None)
    model: str = msgspec.field(name="modelVersion", default="")
    feedback: _Feedback | None = msgspec.field(name="promptFeedback", default=None)
    error: msgspec.Raw = _ABSENT


_ANSWER = msgspec.json.Decoder(Answer, strict=False)
_FIELDS = msgspec.json.Decoder(dict[str, msgspec.Raw])
_UNREADABLE = (msgspec.MsgspecError, UnicodeError, RecursionError)


def parse(data: bytes) -> Answer | None:
    """Read one answer; `None` if it is not an object."""
    try:
        return _ANSWER.decode(data)
    except msgspec.ValidationError:
        return _salvage(data)
    except _UNREADABLE:
        return None


def _salvage(data: bytes) -> Answer | None:
    """Read field by field, leaving out those of an unknown shape."""
    try:
        fields = _FIELDS.decode(data)
    except _UNREADABLE:
        return None
    return Answer(
        candidates=_field(fields, "candidates", list[_Candidate]) or [],
        usage=_field(fields, "usageMetadata", UsageMetadata),
        model=_field(fields, "modelVersion", str) or "",
        feedback=_field(fields, "promptFeedback", _Feedback),
        error=fields.get("error", _ABSENT),
    )


def _field(fields: dict[str, msgspec.Raw], name: str, kind: type[_T]) -> _T | None:
    raw = fields.get(name)
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw, type=kind, strict=False)
    except _UNREADABLE:
        return None


class Reading:
    """What the answers of one response have told so far.

    An answer is complete when every candidate seen has a finish reason, or when the prompt was
    blocked, which is a success without candidates (provider-facts B10).

    Attributes:
        failed: An error came in the stream.
        model: The model that answered.
        text_bytes: Lower bound of the output as it stands in the JSON: the characters of text,
            and the bytes of function calls.
    """

    __slots__ = ("_blocked", "_finished", "_metadata", "_open", "failed", "model", "text_bytes")

    def __init__(self) -> None:
        self.failed = False
        self.model = ""
        self.text_bytes = 0
        self._metadata: UsageMetadata | None = None
        self._blocked = False
        self._open: set[int] = set()
        self._finished: set[int] = set()

    def take(self, answer: Answer) -> None:
        """The next answer of this response."""
        if answer.usage is not None:
            self._metadata = answer.usage  # cumulative: the last one counts, none is added
        if answer.model:
            self.model = answer.model
        for candidate in answer.candidates:
            self._take_candidate(candidate)
        if answer.feedback is not None and answer.feedback.block_reason:
            self._blocked = True
        if answer.error is not _ABSENT and bytes(answer.error) != b"null":
            self.failed = True

    def _take_candidate(self, candidate: _Candidate) -> None:
        if candidate.content is not None:
            for part in candidate.content.parts:
                self.text_bytes += len(part.text)
                if part.function_call is not _ABSENT:
                    self.text_bytes += len(memoryview(part.function_call))
        if candidate.finish_reason:
            self._finished.add(candidate.index)
            self._open.discard(candidate.index)
        elif candidate.index not in self._finished:
            self._open.add(candidate.index)

    @property
    def usage(self) -> Usage | None:
        """The usage told last."""
        return None if self._metadata is None else self._metadata.normalised()

    @property
    def complete(self) -> bool:
        """Whether nothing more is to come."""
        return self._blocked or (bool(self._finished) and not self._open)


def read_whole(seen: Seen, body: bytes) -> None:
    """A unary answer, for `JsonTap`."""
    answer = parse(body)
    if answer is None:
        return
    reading = Reading()
    reading.take(answer)
    seen.usage = reading.usage
    seen.model = reading.model
    seen.text_bytes = reading.text_bytes
    seen.complete = True


def read_count(seen: Seen, body: bytes) -> None:
    """The answer of `countTokens`, which uses none."""
    seen.complete = parse(body) is not None
    seen.usage = Usage()


class SilentTap(JsonTap):
    """Reads a unary answer whose bytes are not text: vectors, counts, pictures."""

    __slots__ = ()

    @property
    def output_bytes(self) -> int:
        """None: the length of a vector says nothing of tokens."""
        return 0
