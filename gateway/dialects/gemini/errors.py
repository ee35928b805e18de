"""Refusals of the gateway's own, in the shape of provider-facts B11.

`{"error": {code, message, status, details}}` with a `google.rpc` status name, a `RetryInfo` where
waiting helps, and a `QuotaFailure` where it does not.
"""

from collections.abc import Mapping
from math import ceil

import msgspec

from gateway.dialects.codec import Reply
from gateway.dialects.decoding import UNREADABLE
from gateway.domain.outcome import Refusal

JSON_TYPE = (b"content-type", b"application/json; charset=UTF-8")
MAX_RETRY_AFTER_S = 300.0
"""Gemini CLI gives up at once on a longer one (provider-facts B13)."""
UNKNOWN_RETRY_AFTER_S = 1.0
"""Of a 429 or 503, which each carry a retry-after, where no time can be foretold."""
_WITH_RETRY_AFTER = frozenset({429, 503})
_TYPES = "type.googleapis.com/google.rpc."

STATUS_NAMES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "FAILED_PRECONDITION",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    426: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
"""google.rpc.Code names by HTTP status; those without a counterpart take the nearest."""


def refuse(refusal: Refusal) -> Reply:
    """A refusal of the gateway's own, as the official SDKs and Gemini CLI read it.

    The time to wait is told three times, since each client reads another place: `RetryInfo` and
    the text for Gemini CLI (provider-facts B13), `Retry-After` for the Interactions client (B11).
    """
    return Reply(refusal.disposition.status, _headers(refusal), _body(_error_object(refusal)))


def event_of(refusal: Refusal, *, in_array: bool) -> bytes:
    """The same at the end of a stream whose head is out: an event, or an array with one element."""
    return _ending(_error_object(refusal), in_array=in_array)


def event_of_provider(status: int, body: bytes, *, in_array: bool) -> bytes | None:
    """An error of the provider there, in its own words; `None` if it is no error of it.

    Errors of streams may come inside an array, whatever was asked for (provider-facts B11).
    """
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        return None
    if isinstance(found, list) and found:
        found = found[0]
    error = found.get("error") if isinstance(found, dict) else None
    if not isinstance(error, dict):
        return None
    # The code must be a number, or the SDK dies of a TypeError instead (provider-facts B10).
    code = error.get("code")
    return _ending({**error, "code": code if isinstance(code, int) else status}, in_array=in_array)


def _ending(error: Mapping[str, object], *, in_array: bool) -> bytes:
    text = msgspec.json.encode({"error": error})
    return b"[" + text + b"]" if in_array else b"data: " + text + b"\r\n\r\n"


def _error_object(refusal: Refusal) -> dict[str, object]:
    status = refusal.disposition.status
    details = _own_details(refusal)
    message = refusal.message
    wait_s = _obeyed_s(refusal)
    if wait_s is not None and not refusal.disposition.final:
        message = f"{message} Please retry in {_seconds_text(wait_s)}."
    error: dict[str, object] = {
        "code": status,
        "message": message,
        "status": STATUS_NAMES.get(status, "UNKNOWN"),
    }
    if details:
        error["details"] = details
    return error


def _own_details(refusal: Refusal) -> list[dict[str, object]]:
    details: list[dict[str, object]] = []
    if refusal.disposition.final and refusal.disposition.status == 429:
        # Gemini CLI gives up on a daily quota and retries every other 429 (provider-facts B13).
        violation = {
            "quotaMetric": "agent-gateway/spend",
            "quotaId": "GatewaySpendPerDayOrMonth",
        }
        details.append({"@type": _TYPES + "QuotaFailure", "violations": [violation]})
    elif (wait_s := _obeyed_s(refusal)) is not None:
        delay = _seconds_text(wait_s)
        details.append({"@type": _TYPES + "RetryInfo", "retryDelay": delay})
    if refusal.param is not None:
        violations = [{"field": refusal.param, "description": refusal.message}]
        details.append({"@type": _TYPES + "BadRequest", "fieldViolations": violations})
    return details


def _obeyed_s(refusal: Refusal) -> float | None:
    """When to come back, within what clients obey; all of it after a final no."""
    if refusal.retry_after_s is None or refusal.disposition.final:
        return refusal.retry_after_s
    return min(refusal.retry_after_s, MAX_RETRY_AFTER_S)


def _seconds_text(seconds: float) -> str:
    """A duration as proto JSON writes it, to the millisecond, never rounded down."""
    millis = ceil(max(0.0, seconds) * 1000)
    return f"{millis / 1000:.3f}".rstrip("0").rstrip(".") + "s"


def _headers(refusal: Refusal) -> tuple[tuple[bytes, bytes], ...]:
    headers, row = [JSON_TYPE], refusal.disposition
    wait_s = _obeyed_s(refusal)
    if wait_s is None and row.status in _WITH_RETRY_AFTER:
        wait_s = MAX_RETRY_AFTER_S if row.final else UNKNOWN_RETRY_AFTER_S
    if wait_s is not None:
        headers.append((b"retry-after", b"%d" % max(1, ceil(wait_s))))
    if row.final:
        headers.append((b"x-should-retry", b"false"))
    return tuple(headers)


def _body(error: dict[str, object]) -> bytes:
    return msgspec.json.format(msgspec.json.encode({"error": error}), indent=2) + b"\n"


def not_found(message: str) -> Reply:
    """A 404 in Gemini's shape."""
    error: dict[str, object] = {"code": 404, "message": message, "status": "NOT_FOUND"}
    return Reply(404, (JSON_TYPE,), _body(error))
