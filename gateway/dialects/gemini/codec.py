"""The Gemini wire format behind the interface that all dialects share."""

import re
from collections.abc import Iterable

from gateway.dialects import renaming
from gateway.dialects.codec import ModelEntry, Outline, RawHeaders, Reply, Tap
from gateway.dialects.tap import JsonTap, NullTap
from gateway.domain.call import CallFacts, Dialect, Endpoint, Matched, Tie
from gateway.domain.limits import Headroom
from gateway.domain.outcome import Refusal, UpstreamAnswer
from gateway.domain.signals import Signals

from . import errors, models, paths, requests, responses, signals, streams, verdicts
from .headers import headroom, served_tier

KEEPALIVE = b"\r\n\r\n"
"""Blank lines are all that every Gemini client survives (provider-facts B0)."""
_CLI = "GeminiCLI/"

_SIGNED = re.compile(rb'"thought_?[sS]ignature"[ \t\r\n]*:[ \t\r\n]*"')
_HELD = re.compile(rb'"file_?[uU]ri"[ \t\r\n]*:[ \t\r\n]*"https://generativelanguage')
_TO_CACHE = Tie("its cached content", to_model=True)
_TO_MODEL = Tie("a thought signature", to_model=True)
_TO_ACCOUNT = Tie("an uploaded file", to_model=False)


class GeminiCodec:
    """Stateless; one instance serves all calls."""

    dialect = Dialect.GEMINI

    def match(self, method: str, path: str, query: bytes = b"") -> Matched | None:
        """See `paths.match`."""
        return paths.match(method, path, query)

    def read(self, matched: Matched, body: bytes) -> CallFacts:
        """See `requests.read`.

        Raises:
            BadCall: The body cannot be understood; the message names the field.
        """
        return requests.read(matched, body)

    def signals(self, matched: Matched, body: bytes) -> Signals:
        """What the prompt looks like from outside."""
        return signals.signals(body)

    def with_usage(self, matched: Matched, body: bytes) -> bytes:
        """The same body: Gemini always reports usage."""
        return body

    def with_model(self, raw_path: bytes, body: bytes, model: str) -> tuple[bytes, bytes]:
        """The model stands in the path alone."""
        return renaming.in_path(raw_path, model), body

    def outline(self, matched: Matched, body: bytes) -> Outline | None:
        """Nothing: prompts are cached without marks (provider-facts B12)."""
        return None

    def with_marks(
        self, matched: Matched, body: bytes, *, head: bool, stem: int | None, tail: bool
    ) -> bytes:
        """The same body: nothing marks it."""
        return body

    def with_cache_key(self, matched: Matched, body: bytes, key: str) -> bytes:
        """The same body: caches go by the prompt alone."""
        return body

    def tie(self, facts: CallFacts, body: bytes) -> Tie | None:
        """Thought signatures and explicit caches stay at their model and key (provider-facts B10)."""
        if facts.server_history:
            return _TO_CACHE
        if _SIGNED.search(body) is not None:
            return _TO_MODEL
        return _TO_ACCOUNT if _HELD.search(body) is not None else None

    def tap(self, matched: Matched, facts: CallFacts, content_type: str) -> Tap:
        """By endpoint, and for streams by what the answer says it is."""
        if matched.endpoint is Endpoint.COUNT_TOKENS:
            return responses.SilentTap(responses.read_count)
        if matched.endpoint not in {Endpoint.GENERATE, Endpoint.EMBEDDINGS}:
            return NullTap()
        if content_type.lstrip().lower().startswith("text/event-stream"):
            return streams.EventTap()
        if matched.stream:
            return streams.ArrayTap()
        has_text = facts.text_only_output and matched.endpoint is Endpoint.GENERATE
        return (JsonTap if has_text else responses.SilentTap)(responses.read_whole)

    def max_output_default(self, matched: Matched) -> int | None:
        """The models' own maximum (provider-facts B12); other endpoints produce nothing."""
        return requests.MAX_OUTPUT_TOKENS if matched.endpoint is Endpoint.GENERATE else 0

    def headroom(self, headers: RawHeaders) -> tuple[Headroom, ...]:
        """Nothing: Gemini sends no such headers (provider-facts B12)."""
        return headroom(headers)

    def served_tier(self, headers: RawHeaders) -> str:
        """From `x-gemini-service-tier` (provider-facts B12)."""
        return served_tier(headers)

    def classify(self, status: int, headers: RawHeaders, body: bytes, now: float) -> UpstreamAnswer:
        """See `verdicts.classify`."""
        return verdicts.classify(status, headers, body, now)

    def refuse(
        self,
        matched: Matched,
        refusal: Refusal,
        request_id: str,
        *,
        as_stream: bool = False,
    ) -> Reply:
        """See `errors.refuse` and `errors.event_of`."""
        if as_stream:
            return Reply(200, (), errors.event_of(refusal, in_array=matched.in_array))
        return errors.refuse(refusal)

    def error_event(
        self, matched: Matched, status: int, body: bytes, request_id: str
    ) -> bytes | None:
        """Google's own error as the event, or the element, that ends a stream."""
        return errors.event_of_provider(status, body, in_array=matched.in_array)

    def keepalive(self, matched: Matched, user_agent: str) -> bytes:
        """Blank lines, for every client, and between the elements of an array."""
        return KEEPALIVE

    def hurries(self, user_agent: str) -> bool:
        """Gemini CLI wants a head within 60 s (provider-facts B13)."""
        return user_agent.startswith(_CLI)

    def list_models(self, entries: Iterable[ModelEntry], path: str, user_agent: str) -> Reply:
        """See `models.list_models`."""
        return models.list_models(entries, path)

    def parse_models(self, body: bytes) -> tuple[ModelEntry, ...]:
        """See `models.parse_models`."""
        return models.parse_models(body)
