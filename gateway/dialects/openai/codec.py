"""The OpenAI dialect behind the interface that all dialects share."""

import re
from collections.abc import Iterable

from gateway.dialects import renaming
from gateway.dialects.codec import ModelEntry, Outline, RawHeaders, Reply, Tap
from gateway.dialects.tap import JsonTap, NullTap, SseTap
from gateway.domain.call import CallFacts, Dialect, Endpoint, Matched, Tie
from gateway.domain.limits import Headroom
from gateway.domain.outcome import Refusal, UpstreamAnswer
from gateway.domain.signals import Signals

from . import (
    cache_key,
    errors,
    include_usage,
    models,
    paths,
    refusals,
    requests,
    responses,
    signals,
    streams,
)
from .headers import headroom

COMMENT = b": keep-alive\n\n"
CODEX_KEEPALIVE = b'event: keepalive\ndata: {"type":"keepalive","sequence_number":0}\n\n'
_CODEX = "codex"

_UNARY = {
    Endpoint.CHAT: responses.read_completion,
    Endpoint.EMBEDDINGS: responses.read_completion,
    Endpoint.RESPONSES: responses.read_response,
    Endpoint.COUNT_TOKENS: responses.read_count,
}

_ENCRYPTED = re.compile(rb'"encrypted_content"[ \t\r\n]*:[ \t\r\n]*"')
_HELD = re.compile(rb'"(?:file_id|vector_store_ids|container)"[ \t\r\n]*:[ \t\r\n]*["{\[]')
_TO_MODEL = Tie("encrypted reasoning", to_model=True)
_TO_ACCOUNT = Tie("what the provider holds of it", to_model=False)


class OpenAICodec:
    """Chat Completions, Responses and Embeddings, of OpenAI and of servers that speak like it."""

    __slots__ = ()

    @property
    def dialect(self) -> Dialect:
        """OpenAI."""
        return Dialect.OPENAI

    def match(self, method: str, path: str, query: bytes = b"") -> Matched | None:
        """See `paths.match`."""
        return paths.match(method, path)

    def read(self, matched: Matched, body: bytes) -> CallFacts:
        """The facts of a body.

        Raises:
            BadCall: It cannot be understood.
        """
        return requests.read(matched, body)

    def signals(self, matched: Matched, body: bytes) -> Signals:
        """What the prompt looks like from outside."""
        return signals.signals(matched, body)

    def with_usage(self, matched: Matched, body: bytes) -> bytes:
        """The body of a chat stream, asking for usage; any other body as it is."""
        return include_usage.with_usage(body) if matched.endpoint is Endpoint.CHAT else body

    def with_model(self, raw_path: bytes, body: bytes, model: str) -> tuple[bytes, bytes]:
        """The model stands in the body alone."""
        return raw_path, renaming.in_body(body, model)

    def outline(self, matched: Matched, body: bytes) -> Outline | None:
        """Nothing: prompts are cached without marks (provider-facts B6)."""
        return None

    def with_marks(
        self, matched: Matched, body: bytes, *, head: bool, stem: int | None, tail: bool
    ) -> bytes:
        """The same body: nothing marks it."""
        return body

    def with_cache_key(self, matched: Matched, body: bytes, key: str) -> bytes:
        """The body of a conversation, with its name."""
        named = matched.endpoint in {Endpoint.CHAT, Endpoint.RESPONSES}
        return cache_key.with_key(body, key) if named else body

    def tie(self, facts: CallFacts, body: bytes) -> Tie | None:
        """Encrypted reasoning stays at its model, what the provider holds at the account."""
        if _ENCRYPTED.search(body) is not None:
            return _TO_MODEL
        return _TO_ACCOUNT if facts.server_history or _HELD.search(body) is not None else None

    def tap(self, matched: Matched, facts: CallFacts, content_type: str) -> Tap:
        """A tap by what the answer says it is; where it says nothing, by what was asked for."""
        read = _UNARY.get(matched.endpoint)
        if read is None:
            return NullTap()
        kind = content_type.partition(";")[0].strip().lower()
        streamed = kind == "text/event-stream" or (facts.stream and "json" not in kind)
        if streamed and matched.endpoint is Endpoint.CHAT:
            # Only what the gateway itself asked for is hidden.
            hides = facts.stream and not facts.usage_requested
            return SseTap(streams.CHAT_HIDING_USAGE if hides else streams.CHAT)
        if streamed and matched.endpoint is Endpoint.RESPONSES:
            return SseTap(streams.RESPONSES)
        return JsonTap(read)

    def max_output_default(self, matched: Matched) -> int | None:
        """Unbounded, but for endpoints which generate nothing."""
        return 0 if matched.endpoint in {Endpoint.EMBEDDINGS, Endpoint.COUNT_TOKENS} else None

    def headroom(self, headers: RawHeaders) -> tuple[Headroom, ...]:
        """What `x-ratelimit-*` say."""
        return headroom(headers)

    def served_tier(self, headers: RawHeaders) -> str:
        """Told in the body only."""
        del headers
        return ""

    def classify(self, status: int, headers: RawHeaders, body: bytes, now: float) -> UpstreamAnswer:
        """What an upstream answer means; `now` is in epoch seconds."""
        return errors.classify(status, headers, body, now)

    def refuse(
        self, matched: Matched, refusal: Refusal, request_id: str, *, as_stream: bool = False
    ) -> Reply:
        """The refusal in OpenAI's shape."""
        return refusals.refuse(matched, refusal, request_id, as_stream=as_stream)

    def error_event(
        self, matched: Matched, status: int, body: bytes, request_id: str
    ) -> bytes | None:
        """OpenAI's own error as the event that ends a stream."""
        return refusals.event_of(matched, status, body, request_id)

    def keepalive(self, matched: Matched, user_agent: str) -> bytes:
        """A comment, which SDKs skip; for Codex, whose timer comments do not reset, an event.

        provider-facts B0. Codex names itself in its user agent (`codex_cli_rs/...`,
        `codex_exec/...`), and speaks Responses only.
        """
        is_codex = user_agent[: len(_CODEX)].lower() == _CODEX
        return CODEX_KEEPALIVE if is_codex and matched.endpoint is Endpoint.RESPONSES else COMMENT

    def hurries(self, user_agent: str) -> bool:
        """No: the SDKs wait 600 s, and Codex without end (provider-facts B4, B8)."""
        return False

    def list_models(self, entries: Iterable[ModelEntry], path: str, user_agent: str) -> Reply:
        """The same list for every client; see `models` for what Codex makes of it."""
        del user_agent
        return models.list_models(entries, path)

    def parse_models(self, body: bytes) -> tuple[ModelEntry, ...]:
        """The entries of a provider's own model list; empty for what is not one."""
        return models.parse_models(body)
