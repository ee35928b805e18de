"""The Anthropic dialect: the Messages API of Claude."""

import re
from collections.abc import Iterable
from functools import partial

from gateway.dialects import renaming
from gateway.dialects.codec import ModelEntry, Outline, RawHeaders, Reply, Tap
from gateway.dialects.tap import JsonTap, NullTap, SseTap
from gateway.domain.call import CallFacts, Dialect, Endpoint, Matched, Tie
from gateway.domain.limits import Headroom
from gateway.domain.outcome import Refusal, UpstreamAnswer
from gateway.domain.signals import Signals

from . import breakpoints, errors, models, prompt, requests, responses, signals, streams
from .headers import headroom

_ROOT = "/v1/"
_POSTED = {
    "/v1/messages": Matched(Endpoint.MESSAGES),
    "/v1/messages/count_tokens": Matched(Endpoint.COUNT_TOKENS),
}
_MODELS = Matched(Endpoint.MODELS)
_PASSTHROUGH = Matched(Endpoint.PASSTHROUGH)

_THINKING = re.compile(rb'"type"[ \t\r\n]*:[ \t\r\n]*"(?:redacted_)?thinking"')
_HELD = re.compile(rb'"(?:file_id|container)"[ \t\r\n]*:[ \t\r\n]*["{]')
_TO_MODEL = Tie("signed thinking", to_model=True)
_TO_ACCOUNT = Tie("what the provider holds of it", to_model=False)


class AnthropicCodec:
    """Implements `gateway.dialects.codec.Codec`."""

    dialect = Dialect.ANTHROPIC

    def match(self, method: str, path: str, query: bytes = b"") -> Matched | None:
        """What a path does (provider-facts A1); the API's only version is `/v1/`."""
        if method == "POST" and (known := _POSTED.get(path)) is not None:
            return known
        if not path.startswith(_ROOT):
            return None
        if method in {"GET", "HEAD"} and (
            path == models.ROOT or path.startswith(models.ROOT + "/")
        ):
            return _MODELS
        return _PASSTHROUGH

    def read(self, matched: Matched, body: bytes) -> CallFacts:
        """Extract the facts from a request body."""
        return requests.read(body, counting=matched.endpoint is Endpoint.COUNT_TOKENS)

    def signals(self, matched: Matched, body: bytes) -> Signals:
        """What the prompt looks like from outside."""
        return signals.signals(body)

    def with_usage(self, matched: Matched, body: bytes) -> bytes:
        """The same body: Anthropic always reports usage."""
        return body

    def with_model(self, raw_path: bytes, body: bytes, model: str) -> tuple[bytes, bytes]:
        """The model stands in the body alone."""
        return raw_path, renaming.in_body(body, model)

    def outline(self, matched: Matched, body: bytes) -> Outline | None:
        """Where the prompt might be marked."""
        return breakpoints.outline(body) if matched.endpoint is Endpoint.MESSAGES else None

    def with_marks(
        self, matched: Matched, body: bytes, *, head: bool, stem: int | None, tail: bool
    ) -> bytes:
        """The body with `cache_control` where it is wanted."""
        return breakpoints.marked(body, head=head, stem=stem, tail=tail)

    def with_cache_key(self, matched: Matched, body: bytes, key: str) -> bytes:
        """The same body: caches go by the prompt alone."""
        return body

    def tie(self, facts: CallFacts, body: bytes) -> Tie | None:
        """Signed thinking stays at its model and account (provider-facts A6), the rest at the account."""
        if _THINKING.search(body) is not None:
            return _TO_MODEL
        return _TO_ACCOUNT if facts.server_history or _HELD.search(body) is not None else None

    def tap(self, matched: Matched, facts: CallFacts, content_type: str) -> Tap:
        """A tap for the answer, by what the answer says it is."""
        kind = content_type.partition(";")[0].strip().lower()
        long_cache = facts.cache_lifetime_s >= prompt.LONG_CACHE_S
        if matched.endpoint is Endpoint.MESSAGES and kind == "text/event-stream":
            return SseTap(streams.rules(long_cache=long_cache))
        if matched.endpoint is Endpoint.MESSAGES and kind == "application/json":
            return JsonTap(partial(responses.read_message, long_cache=long_cache))
        if matched.endpoint is Endpoint.COUNT_TOKENS:
            return JsonTap(responses.read_count)
        return NullTap()

    def max_output_default(self, matched: Matched) -> int | None:
        """`max_tokens` is required, so there is no default."""
        return None

    def headroom(self, headers: RawHeaders) -> tuple[Headroom, ...]:
        """What the rate-limit headers say."""
        return headroom(headers)

    def served_tier(self, headers: RawHeaders) -> str:
        """Told in the body only."""
        del headers
        return ""

    def classify(self, status: int, headers: RawHeaders, body: bytes, now: float) -> UpstreamAnswer:
        """What an upstream answer means."""
        return errors.classify(status, headers, body, now)

    def refuse(
        self, matched: Matched, refusal: Refusal, request_id: str, *, as_stream: bool = False
    ) -> Reply:
        """A refusal in Anthropic's error shape, or as the error event of a stream."""
        return errors.refuse(refusal, request_id, as_stream=as_stream)

    def error_event(
        self, matched: Matched, status: int, body: bytes, request_id: str
    ) -> bytes | None:
        """Anthropic's own error as the event that ends a stream."""
        return errors.event_of(body)

    def keepalive(self, matched: Matched, user_agent: str) -> bytes:
        """A ping event: the same for all clients."""
        return streams.PING

    def hurries(self, user_agent: str) -> bool:
        """No: Claude Code waits 300 s and the SDKs 600 s (provider-facts A2, A9)."""
        return False

    def list_models(self, entries: Iterable[ModelEntry], path: str, user_agent: str) -> Reply:
        """The model list, or one model."""
        return models.list_models(entries, path)

    def parse_models(self, body: bytes) -> tuple[ModelEntry, ...]:
        """The entries of Anthropic's own list."""
        return models.parse_models(body)
