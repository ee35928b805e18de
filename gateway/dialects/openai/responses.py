"""What whole JSON answers tell, and usage as OpenAI counts it (provider-facts B3).

Its details are subsets: cached and written tokens are part of the prompt, reasoning is part of
the output. `Usage` keeps the cached parts out of `input_tokens`, so they are subtracted here.
"""

from typing import TypeVar

import msgspec
from msgspec import Struct

from gateway.dialects.decoding import UNREADABLE, decode
from gateway.dialects.tap import Seen
from gateway.domain.usage import Usage


class _WriteDetails(Struct):
    ttl_12h_tokens: int | None = None


class _InputDetails(Struct):
    audio_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    cache_write_tokens_details: _WriteDetails | None = None


class _OutputDetails(Struct):
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None


class ChatUsage(Struct):
    """Usage of chat completions and embeddings."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None

    def normalised(self, tier: str) -> Usage:
        """As the gateway counts."""
        return _usage(
            self.prompt_tokens,
            self.prompt_tokens_details,
            self.completion_tokens,
            self.completion_tokens_details,
            tier,
        )


class ResponseUsage(Struct):
    """Usage of the Responses API."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    input_tokens_details: _InputDetails | None = None
    output_tokens_details: _OutputDetails | None = None

    def normalised(self, tier: str) -> Usage:
        """As the gateway counts."""
        return _usage(
            self.input_tokens,
            self.input_tokens_details,
            self.output_tokens,
            self.output_tokens_details,
            tier,
        )


class Completion(Struct):
    """A chat completion, or an embeddings answer."""

    model: str | None = None
    service_tier: str | None = None
    usage: ChatUsage | None = None


class Response(Struct):
    """A response, whole or inside a stream's lifecycle event, or a compaction."""

    model: str | None = None
    service_tier: str | None = None
    usage: ResponseUsage | None = None


_Answer = TypeVar("_Answer", Completion, Response)

_completion = msgspec.json.Decoder(Completion)
_response = msgspec.json.Decoder(Response)


def read_completion(seen: Seen, body: bytes) -> None:
    """Read a chat completion or embeddings."""
    _read(seen, body, _completion)


def read_response(seen: Seen, body: bytes) -> None:
    """Read a response or a compaction."""
    _read(seen, body, _response)


def read_count(seen: Seen, body: bytes) -> None:
    """Read a token count. The tokens were counted and not used, so the usage is none at all."""
    _read(seen, body, _response)
    if seen.complete:
        seen.usage = Usage()


def note(seen: Seen, answer: Completion | Response) -> None:
    """Write down what an answer, or a part of it, tells."""
    seen.model = answer.model or seen.model
    if answer.usage is not None:
        # The tier of the answer is the one that is billed (provider-facts B1).
        seen.usage = answer.usage.normalised(answer.service_tier or "")


def _read(seen: Seen, body: bytes, decoder: msgspec.json.Decoder[_Answer]) -> None:
    try:
        note(seen, decode(decoder, body))
    except UNREADABLE:
        return
    seen.complete = True


def _usage(
    prompt: int | None,
    prompt_details: _InputDetails | None,
    output: int | None,
    output_details: _OutputDetails | None,
    tier: str,
) -> Usage:
    cached = written = written_long = reasoning = heard = spoken = 0
    if prompt_details is not None:
        cached = _natural(prompt_details.cached_tokens)
        written = _natural(prompt_details.cache_write_tokens)
        heard = _natural(prompt_details.audio_tokens)
        if prompt_details.cache_write_tokens_details is not None:
            written_long = _natural(prompt_details.cache_write_tokens_details.ttl_12h_tokens)
    if output_details is not None:
        reasoning = _natural(output_details.reasoning_tokens)
        spoken = _natural(output_details.audio_tokens)
    fresh = max(0, _natural(prompt) - cached - written)
    return Usage(
        input_tokens=fresh,
        cache_read_tokens=cached,
        cache_write_tokens=written,
        cache_write_1h_tokens=min(written, written_long),
        output_tokens=_natural(output),
        reasoning_tokens=reasoning,
        service_tier=tier,
        audio_input_tokens=min(heard, fresh),  # which of the cached ones were audio is not told
        audio_output_tokens=spoken,
    )


def _natural(value: int | None) -> int:
    return max(0, value or 0)
