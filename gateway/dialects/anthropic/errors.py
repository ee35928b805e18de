"""Errors: what the provider's mean, and the gateway's own in Anthropic's shape (facts A3, A9)."""

from math import ceil

import msgspec

from gateway.dialects import sse
from gateway.dialects.codec import RawHeaders, Reply
from gateway.domain.limits import Dimension
from gateway.domain.outcome import ProviderVerdict, Refusal, UpstreamAnswer

from .headers import headroom, retry_after_s, value_of

MAX_RETRY_AFTER_S = 60
"""Claude Code gives up at once on a longer one (facts A9)."""
UNKNOWN_RETRY_AFTER_S = 10
"""Where it cannot be said when trying again helps, and the status demands a `retry-after`."""

_SPEND_CODES = frozenset({"enforced_spend_limit_reached", "contract_spend_limit_reached"})
_SPEND_WORDS = ("you have reached your specified", "credit balance is too low")
_DIMENSION_WORDS = (
    ("input tokens per minute", Dimension.ITPM),
    ("output tokens per minute", Dimension.OTPM),
    ("requests per minute", Dimension.RPM),
)
_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class _Details(msgspec.Struct):
    error_code: str | None = None


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""
    details: _Details | None = None


class _Body(msgspec.Struct):
    error: _Error


_BODY = msgspec.json.Decoder(_Body)


def classify(status: int, headers: RawHeaders, body: bytes, now: float) -> UpstreamAnswer:
    """What an answer of the provider means."""
    if status < 400:
        return UpstreamAnswer(ProviderVerdict.OK)
    error = _parse(body)
    code = (error.details and error.details.error_code) or error.type
    wait_s = retry_after_s(headers, now)
    if status == 429:
        return _limited(error, code, wait_s, headers)
    verdict = _verdict(status, error)
    return UpstreamAnswer(verdict, wait_s, code=code)


def _parse(body: bytes) -> _Error:
    try:
        return _BODY.decode(body).error
    except (ValueError, RecursionError):
        return _Error()


def _verdict(status: int, error: _Error) -> ProviderVerdict:
    if status == 402 or (status == 400 and _is_spend(error.message)):
        return ProviderVerdict.BILLING
    if status == 401:
        return ProviderVerdict.AUTH
    if status in {503, 529} or error.type == "overloaded_error":
        return ProviderVerdict.OVERLOADED
    return ProviderVerdict.PROVIDER_ERROR if status >= 500 else ProviderVerdict.CALLER_ERROR


def _is_spend(message: str) -> bool:
    return any(words in message.lower() for words in _SPEND_WORDS)


def _limited(error: _Error, code: str, wait_s: float | None, headers: RawHeaders) -> UpstreamAnswer:
    """A 429: a rate limit says when to come back, a spend cap does not (facts A3)."""
    told_final = value_of(headers, b"x-should-retry") == b"false"
    if code in _SPEND_CODES or _is_spend(error.message) or told_final:
        return UpstreamAnswer(ProviderVerdict.BILLING, wait_s, code=code)
    exhausted = _exhausted(error.message, headers)
    told_retry = value_of(headers, b"x-should-retry") == b"true"
    if wait_s is None and not exhausted and not told_retry and code != "ramp_limit_exceeded":
        return UpstreamAnswer(ProviderVerdict.BILLING, code=code)
    return UpstreamAnswer(ProviderVerdict.RATE_LIMITED, wait_s, exhausted, code)


def _exhausted(message: str, headers: RawHeaders) -> tuple[str, ...]:
    """The limits that the message names, and those of which nothing remains."""
    text = message.lower()
    named = {dimension for words, dimension in _DIMENSION_WORDS if words in text}
    empty = {room.dimension for room in headroom(headers) if room.remaining == 0}
    return tuple(sorted(named | empty))


def refuse(refusal: Refusal, request_id: str, *, as_stream: bool) -> Reply:
    """A refusal of the gateway's own."""
    disposition = refusal.disposition
    if as_stream:
        data = body(_stream_type(refusal), refusal.message, refusal.param, request_id)
        return Reply(
            200, ((b"content-type", b"text/event-stream"),), sse.encode(data, event="error")
        )
    headers = [(b"content-type", b"application/json"), (b"request-id", request_id.encode())]
    if (wait_s := _wait_s(refusal)) is not None:
        headers.append((b"retry-after", b"%d" % wait_s))
    if disposition.final:
        headers.append((b"x-should-retry", b"false"))
    return Reply(
        disposition.status,
        tuple(headers),
        body(error_type(disposition.status), refusal.message, refusal.param, request_id),
    )


def event_of(error_body: bytes) -> bytes | None:
    """An error of the provider as an event, in its own words; `None` if it is no error of it."""
    if not _parse(error_body).type:
        return None
    try:
        return sse.encode(msgspec.json.format(error_body, indent=-1), event="error")
    except msgspec.DecodeError:
        return None


def error_type(status: int) -> str:
    """Anthropic's name for an HTTP status."""
    return _TYPES.get(status, "api_error" if status >= 500 else "invalid_request_error")


def _stream_type(refusal: Refusal) -> str:
    """The type inside a stream, whose 200 is already out.

    Claude Code tries again after an `overloaded_error` that comes before any content, and gives
    up after a `rate_limit_error` (facts A2), though it tries again after the status 429. So what
    may be tried again is an overload here, whosever limit it was, and only a final no is a limit.
    """
    disposition = refusal.disposition
    if disposition.status == 429 and not disposition.final:
        return "overloaded_error"
    return error_type(disposition.status)


def _wait_s(refusal: Refusal) -> int | None:
    """The `retry-after`: whole seconds, and on every 429 and 503."""
    if refusal.retry_after_s is not None:
        return min(max(1, ceil(min(refusal.retry_after_s, MAX_RETRY_AFTER_S))), MAX_RETRY_AFTER_S)
    if refusal.disposition.status not in {429, 503}:
        return None
    return MAX_RETRY_AFTER_S if refusal.disposition.final else UNKNOWN_RETRY_AFTER_S


def body(kind: str, message: str, param: str | None, request_id: str) -> bytes:
    """An error body. The field at fault stands at the beginning of the message, as it does there."""
    if param and not message.startswith(param):
        message = f"{param}: {message}"
    error = {"type": kind, "message": message.encode(errors="replace").decode()}
    return msgspec.json.encode({"type": "error", "error": error, "request_id": request_id})
