"""What a dialect can do: the one interface that all wire formats implement.

A codec is stateless; a tap holds the state of one response. Neither does any I/O. The bytes
that pass through a gateway of the same dialect on both sides are never re-encoded: a codec
reads facts from them, a tap reads usage from them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.domain.call import CallFacts, Dialect, Matched, PromptPrefix, Tie
from gateway.domain.limits import Headroom
from gateway.domain.outcome import Refusal, UpstreamAnswer
from gateway.domain.signals import Signals
from gateway.domain.usage import Usage

RawHeaders = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole response of the gateway's own: status, extra headers, body."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model an agent may use, for the model list.

    Attributes:
        told: The entry as its provider wrote it, passed on as it is; empty where the gateway has
            to make one up, from a configured name.
    """

    model: str
    display_name: str
    created_s: int
    owner: str
    told: bytes = b""


@dataclass(frozen=True, slots=True)
class Outline:
    """Where a prompt might be marked for its provider's cache.

    Attributes:
        head: The end of tools and system prompt; `None` where there is neither.
        cuts: Where it may be cut, the shortest first, its end last.
        least_tokens: The provider caches nothing shorter.
    """

    head: PromptPrefix | None
    cuts: tuple[PromptPrefix, ...]
    least_tokens: int


class Tap(Protocol):
    """Reads usage from one successful response as its (decoded) bytes pass.

    `feed` is on the hot path: it must not parse what cannot hold usage, and must give the same
    result whatever the chunking.
    """

    def feed(self, chunk: bytes) -> bytes:
        """Take the next bytes and return what to relay in their place.

        This is the very same object unless the gateway asked for an extra chunk that the client
        did not ask for (OpenAI `include_usage`); then those bytes are left out, and bytes may be
        held back until it is known whether they belong to it.
        """

    def finish(self) -> bytes:
        """The body has ended, or was cut; return bytes still held back."""

    @property
    def usage(self) -> Usage | None:
        """The usage seen so far, or `None` if the provider has told nothing yet."""

    @property
    def complete(self) -> bool:
        """Whether the answer reached its own end (terminal event, or a whole JSON body)."""

    @property
    def failed(self) -> bool:
        """Whether the stream carried an error event of the provider."""

    @property
    def model(self) -> str:
        """The model that answered, as the provider names it; empty if not told."""

    @property
    def output_bytes(self) -> int:
        """A lower bound of the answer's text in bytes, to settle a stream that was cut."""

    @property
    def at_boundary(self) -> bool:
        """Whether all bytes fed so far end between two events, where others may be put."""


class Codec(Protocol):
    """One wire format."""

    @property
    def dialect(self) -> Dialect:
        """Which one."""

    def match(self, method: str, path: str, query: bytes = b"") -> Matched | None:
        """What a path does, or `None` if the path belongs to another dialect.

        `path` starts with the version (`/v1/messages`); only the path counts, never the query
        (Claude Code adds `?beta=true`, provider-facts A9), except for the form of a Gemini stream.
        Unknown paths below the dialect's own roots match as `Endpoint.PASSTHROUGH`.
        """

    def read(self, matched: Matched, body: bytes) -> CallFacts:
        """Extract the facts from a decoded request body.

        Raises:
            BadCall: Malformed JSON, not an object, no model, or a wrong type in a field that the
                gateway needs; the message names the field.
        """

    def signals(self, matched: Matched, body: bytes) -> Signals:
        """What the prompt of a decoded body looks like from outside, for routing; never raises."""

    def with_usage(self, matched: Matched, body: bytes) -> bytes:
        """The body, changed so that the provider reports usage; the same object if it will."""

    def with_model(self, raw_path: bytes, body: bytes, model: str) -> tuple[bytes, bytes]:
        """Path and (decoded) body of the same request to another model; nothing else changes.

        Raises:
            ValueError: The request does not name its model where it can be changed.
        """

    def outline(self, matched: Matched, body: bytes) -> Outline | None:
        """Where a (decoded) body might be marked for its provider's prompt cache.

        `None` if it is marked already, must not be, or is cached without marks.
        """

    def with_marks(
        self, matched: Matched, body: bytes, *, head: bool, stem: int | None, tail: bool
    ) -> bytes:
        """The body with such marks: all that is changed is added.

        Args:
            matched: What the path does.
            body: Decoded, and without marks.
            head: Behind tools and system prompt.
            stem: Behind the message that so many others follow.
            tail: Behind the newest message of the user.

        Returns:
            The same object if there is no place for any of them.
        """

    def with_cache_key(self, matched: Matched, body: bytes, key: str) -> bytes:
        """The body with a name for its conversation's place in a cache, where that helps.

        The same object if it does not, or the body has one.
        """

    def tie(self, facts: CallFacts, body: bytes) -> Tie | None:
        """What in a (decoded) body keeps its conversation at its model or account, if anything.

        Provider-facts A6, B10, B14. Where this cannot be told for certain it is assumed.
        """

    def tap(self, matched: Matched, facts: CallFacts, content_type: str) -> Tap:
        """A tap for the answer to this call, by what the answer says it is."""

    def max_output_default(self, matched: Matched) -> int | None:
        """What the provider assumes when the request states no maximum; `None`: unbounded."""

    def headroom(self, headers: RawHeaders) -> tuple[Headroom, ...]:
        """What the rate-limit headers of a response say; empty if nothing."""

    def served_tier(self, headers: RawHeaders) -> str:
        """The service tier that a response's headers name, if any; the body's word goes first."""

    def classify(self, status: int, headers: RawHeaders, body: bytes, now: float) -> UpstreamAnswer:
        """What an upstream answer means. `body` is decoded; `now` is in epoch seconds."""

    def refuse(
        self, matched: Matched, refusal: Refusal, request_id: str, *, as_stream: bool = False
    ) -> Reply:
        """The refusal in this dialect's error shape, so that its SDK raises its typed error.

        Sets `content-type`, `retry-after` and `x-should-retry` where they belong; the caller adds
        the `x-gateway-*` headers. The retry-after honours what the dialect's clients obey: at
        most 60 s for Anthropic, 120 s for OpenAI (provider-facts A9, B4); Gemini gets a
        `RetryInfo` detail. With `as_stream` the gateway has already sent a 200 head, and the
        body is the error event of this endpoint's stream (provider-facts A2, B2, B10).
        """

    def error_event(
        self, matched: Matched, status: int, body: bytes, request_id: str
    ) -> bytes | None:
        """A provider's error as the last bytes of a stream whose head is out already.

        The provider's own words, so that the client's SDK raises what it would have raised for
        them, but for the status. `None` if the (decoded) body is no error of this dialect.
        """

    def keepalive(self, matched: Matched, user_agent: str) -> bytes:
        """Bytes that keep this client alive while it waits for a stream (provider-facts B0)."""

    def hurries(self, user_agent: str) -> bool:
        """Whether this client wants the head of any answer within a minute (provider-facts B13)."""

    def list_models(self, entries: Iterable[ModelEntry], path: str, user_agent: str) -> Reply:
        """The model list, or the one model named in the path (404 in this dialect's shape)."""

    def parse_models(self, body: bytes) -> tuple[ModelEntry, ...]:
        """The entries of a provider's own model list; empty for what is not one."""
