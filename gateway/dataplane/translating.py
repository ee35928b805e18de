"""Calls that a provider of another dialect answers: the request there, the answer back.

The tap meters the provider's own bytes, as ever; the client gets what they mean in its own
dialect. An answer that is not streamed is read whole before its head goes out, so that one which
cannot be told is still an error with a status of its own.

Failure policy: what cannot be said in the other format is refused before anything is sent, or is
no option of a call that has others. An answer that is not what its format promises counts as the
provider's breach of protocol.
"""

from collections.abc import Iterable
from math import ceil

from gateway.dialects.codec import Codec, Reply, Tap
from gateway.dialects.registry import CODECS
from gateway.dialects.translation.format import Caller
from gateway.dialects.translation.translation import (
    ENDPOINTS,
    FORMATS,
    StreamTranslator,
    Translation,
    read,
)
from gateway.dialects.translation.untranslatable import Unreadable
from gateway.domain.call import CallFacts, Dialect, Endpoint, Matched
from gateway.domain.outcome import FailurePhase, Reason, UpstreamFailure
from gateway.domain.topology import Provider
from gateway.domain.translating import TranslatedApi
from gateway.ports import Headers, UpstreamRequest

from .body import decoded
from .call import Call
from .headers import credential
from .parts import Parts
from .target import Target, upstream_target

DROPPED = b"x-gateway-dropped"
_EVENTS = (b"content-type", b"text/event-stream; charset=utf-8")
_WHOLE = (b"content-type", b"application/json")
_ARRAY = (b"content-type", b"application/json; charset=UTF-8")
_REQUEST_ID = {Dialect.ANTHROPIC: b"request-id", Dialect.OPENAI: b"x-request-id"}
_WITH_RETRY_AFTER = frozenset({429, 503})
_LEAST_S = 1
"""What such an answer says where its provider did not say when."""
_COMPACT = "/compact"


def translatable(path: str, matched: Matched) -> bool:
    """Whether calls to this path have a format that is translated."""
    # Compaction answers with what only its own provider can read (provider-facts B8).
    return matched.endpoint in FORMATS and not path.rstrip("/").endswith(_COMPACT)


class Interpreter:
    """Tells one client what the provider of one option says."""

    __slots__ = ("_caller", "_dialect", "translation")

    def __init__(self, translation: Translation, caller: Caller, dialect: Dialect) -> None:
        """`dialect` is the caller's."""
        self.translation = translation
        self._caller = caller
        self._dialect = dialect

    def head(self, request_id: str, *, stream: bool) -> Headers:
        """The head of a success. Of the provider's own fields none means anything to this client.

        Args:
            request_id: The provider's, which the client's SDK shows as its own.
            stream: Whether the answer is streamed.
        """
        kind = _WHOLE
        if stream:
            kind = _ARRAY if self._caller.in_array else _EVENTS
        name = _REQUEST_ID.get(self._dialect)
        if name is None or not request_id:
            return [kind]
        return [kind, (name, request_id.encode("latin-1", "replace"))]

    def meter(self, tap: Tap) -> "TranslatingMeter":
        """For a stream."""
        return TranslatingMeter(tap, self.translation.answering(self._caller))

    def answer(self, body: bytes) -> bytes:
        """A whole answer, for the client.

        Raises:
            UpstreamFailure: It is not one of the provider's format.
        """
        try:
            return self.translation.answer(body, self._caller)
        except Unreadable as fault:
            raise broken(fault) from None

    def failure(self, status: int, body: bytes, retry_after_s: float | None) -> Reply:
        """The provider's error, for the client; its own words in another shape."""
        reply = self.translation.failure(status, body, self._caller)
        if reply.status not in _WITH_RETRY_AFTER:
            return reply
        wait = (b"retry-after", b"%d" % max(_LEAST_S, ceil(retry_after_s or 0.0)))
        return Reply(reply.status, (*reply.headers, wait), reply.body)

    def failure_event(self, status: int, body: bytes) -> bytes:
        """The same at the end of a stream whose head is out."""
        return self.translation.failure_event(status, body, self._caller)


class TranslatingMeter:
    """Shows a tap the provider's bytes, and relays what they mean to the client."""

    __slots__ = ("_tap", "_translator")

    def __init__(self, tap: Tap, translator: StreamTranslator) -> None:
        self._tap = tap
        self._translator = translator

    def feed(self, chunk: bytes) -> bytes:
        """The next bytes.

        Raises:
            UpstreamFailure: They are not what the provider's format promises.
        """
        self._tap.feed(chunk)
        try:
            return self._translator.feed(chunk)
        except Unreadable as fault:
            raise broken(fault) from None

    def finish(self) -> bytes:
        """The rest, if the stream is whole.

        Raises:
            UpstreamFailure: It is not.
        """
        self._tap.finish()
        try:
            tail = self._translator.finish()
        except Unreadable as fault:
            raise broken(fault) from None
        if self._tap.complete or self._tap.failed:
            return tail
        message = "the stream ended before its last event"
        raise UpstreamFailure(Reason.UPSTREAM_CUT, FailurePhase.BODY, message, sent=True)


def broken(fault: Unreadable) -> UpstreamFailure:
    """An answer that cannot be read is the provider's breach of protocol."""
    return UpstreamFailure(Reason.UPSTREAM_PROTOCOL, FailurePhase.BODY, str(fault), sent=True)


def interpret(
    call: Call, codec: Codec, facts: CallFacts, target: Target, parts: Parts
) -> tuple[Interpreter, CallFacts, UpstreamRequest]:
    """Put a call to a provider of another dialect.

    Args:
        call: On its way.
        codec: The caller's.
        facts: Of the caller's body.
        target: Another dialect's.
        parts: Of the data plane.

    Returns:
        How its answers are told, the facts of the body as that provider counts them, and what to
        send there.

    Raises:
        Untranslatable: The call cannot be said there.
    """
    if call.reading is None:
        plain = call.body
        if not call.body_changed:
            plain = decoded(call.request, call.body, parts.settings.max_body_bytes)
        call.reading = read(call.matched, plain)
    provider = target.provider
    translation = call.reading.into(_endpoint(provider), target.model)
    written = translation.written
    there = CODECS[provider.dialect].read(translation.matched, written.body)
    request = UpstreamRequest(
        method="POST",
        target=upstream_target(provider, written.path.encode(), written.query),
        headers=[*_headers(call, provider), *written.headers],
        body=written.body,
        content_length=len(written.body),
    )
    caller = translation.caller(
        call.request_id,
        int(parts.clock.wall()),
        # A conversation that was moved may go back, to a provider that has not signed these.
        shows_thoughts=target.model == facts.model and not call.moved,
        include_usage=facts.usage_requested,
    )
    call.dropped = translation.dropped
    return Interpreter(translation, caller, codec.dialect), there, request


def _endpoint(provider: Provider) -> Endpoint:
    if provider.dialect is Dialect.OPENAI and provider.translated_api is TranslatedApi.RESPONSES:
        return Endpoint.RESPONSES
    return ENDPOINTS[provider.dialect]


def _headers(call: Call, provider: Provider) -> Iterable[tuple[bytes, bytes]]:
    """The caller's own fields are of its dialect; only who it is goes along."""
    yield b"content-type", b"application/json"
    yield b"accept", b"text/event-stream, application/json"
    yield b"accept-encoding", b"identity"  # what is translated must be readable
    if (agent := call.request.fields.get(b"user-agent")) is not None:
        yield b"user-agent", agent
    if provider.api_key is not None:
        yield credential(provider.dialect, provider.api_key)
