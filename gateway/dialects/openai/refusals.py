r"""The gateway's own refusals in OpenAI's shape, so that its SDKs raise their typed errors.

A refusal before the head has a status, which the SDK maps to an exception class. After the head
it can only be an event of the stream (provider-facts B2, B8):

- Chat: `data: {"error": {...}}`, for which the SDKs raise `APIError`.
- Responses: `event: response.failed`. Codex acts on the code in `response.error` and reads the
  delay from the text "try again in 12s"; it gives up on `insufficient_quota` and retries
  `rate_limit_exceeded`. The SDKs only yield this event, and their stream helper stumbles over a
  stream that starts with it; an `error` beside the `response`, which others ignore, makes them
  raise `APIError` there too.
"""

from collections.abc import Mapping
from math import ceil

import msgspec

from gateway.dialects import sse
from gateway.dialects.codec import Reply
from gateway.dialects.decoding import UNREADABLE
from gateway.domain.call import Endpoint, Matched
from gateway.domain.outcome import Reason, Refusal

MAX_RETRY_AFTER_S = 120
"""provider-facts B4: over two minutes the SDKs do not retry at all."""
UNKNOWN_RETRY_AFTER_S = 1
"""Every 429 and 503 carries a retry-after. Where no time can be foretold it is the least one, or
for a final answer, which SDKs do not retry, the longest that they would obey."""

JSON = (b"content-type", b"application/json")
EVENT_STREAM = (b"content-type", b"text/event-stream; charset=utf-8")
NO_RETRY = (b"x-should-retry", b"false")

_WITH_RETRY_AFTER = frozenset({429, 503})

_RATE_LIMITED = ("rate_limit_error", "rate_limit_exceeded")
_TYPES_AND_CODES: dict[Reason, tuple[str, str]] = {
    Reason.UNAUTHORIZED: ("invalid_request_error", "invalid_api_key"),
    Reason.UNKNOWN_MODEL: ("invalid_request_error", "model_not_found"),
    Reason.SPEND: ("insufficient_quota", "insufficient_quota"),
    Reason.AGENT_BUDGET: _RATE_LIMITED,
    Reason.TEAM_BUDGET: _RATE_LIMITED,
    Reason.QUEUE_FULL: _RATE_LIMITED,
    Reason.QUEUE_TIMEOUT: _RATE_LIMITED,
    Reason.LANE_BLOCKED: _RATE_LIMITED,
}
"""The words that clients know. Elsewhere the type follows from the status, and the code is the
reason itself."""


def refuse(
    matched: Matched, refusal: Refusal, request_id: str, *, as_stream: bool = False
) -> Reply:
    """The refusal as a response, or as the last event of a stream whose head is out."""
    if as_stream:
        if matched.endpoint is Endpoint.RESPONSES:
            code, message = _stream_code(refusal), _told_in_stream(refusal, request_id)
            error = {**_error(refusal, message), "code": code}
            body = _response_failed(code, message, error, request_id)
        else:
            body = sse.encode(
                _encoded({"error": _error(refusal, _told_in_stream(refusal, request_id))})
            )
        return Reply(200, (EVENT_STREAM,), body)
    row = refusal.disposition
    headers = [JSON]
    wait_s = _retry_after_s(refusal)
    if wait_s is not None:
        headers.append((b"retry-after", b"%d" % wait_s))
    if row.final:
        headers.append(NO_RETRY)
    return Reply(row.status, tuple(headers), _encoded({"error": _error(refusal, refusal.message)}))


def event_of(matched: Matched, status: int, error_body: bytes, request_id: str) -> bytes | None:
    """An error of the provider at the end of a stream whose head is out, in its own words.

    `None` if it is no error of this dialect. Older vLLM sends the error's members bare.
    """
    try:
        found = msgspec.json.decode(error_body)
    except UNREADABLE:
        return None
    error = found.get("error", found) if isinstance(found, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    if matched.endpoint is not Endpoint.RESPONSES:
        return sse.encode(_encoded({"error": error}))
    code = error.get("code")
    if not isinstance(code, str):
        code = "server_error" if status >= 500 else "invalid_prompt"  # what Codex takes as final
    return _response_failed(code, error["message"], error, request_id)


def error_body(message: str, kind: str, code: str | None, param: str | None) -> bytes:
    """An error object of this dialect."""
    return _encoded({"error": {"message": message, "type": kind, "param": param, "code": code}})


def _error(refusal: Refusal, message: str) -> dict[str, str | None]:
    kind, code = _type_and_code(refusal)
    return {"message": message, "type": kind, "param": refusal.param, "code": code}


def _type_and_code(refusal: Refusal) -> tuple[str, str]:
    known = _TYPES_AND_CODES.get(refusal.reason)
    if known is not None:
        return known
    status = refusal.disposition.status
    return ("server_error" if status >= 500 else "invalid_request_error"), refusal.reason.value


def _retry_after_s(refusal: Refusal) -> int | None:
    """Whole seconds, rounded up, as long as the SDKs obey."""
    if refusal.retry_after_s is None:
        if refusal.disposition.status not in _WITH_RETRY_AFTER:
            return None
        return MAX_RETRY_AFTER_S if refusal.disposition.final else UNKNOWN_RETRY_AFTER_S
    return max(1, ceil(min(refusal.retry_after_s, MAX_RETRY_AFTER_S)))


def _told_in_stream(refusal: Refusal, request_id: str) -> str:
    """The message with what headers would have told: delay, reason, request."""
    wait_s = None if refusal.disposition.final else _retry_after_s(refusal)
    again = "" if wait_s is None else f" Please try again in {wait_s}s."
    return f"{refusal.message}{again} ({refusal.reason}, {request_id})"


def _stream_code(refusal: Refusal) -> str:
    """The code of a failed response, by what Codex does about it (provider-facts B8)."""
    if refusal.reason is Reason.SPEND:
        return "insufficient_quota"
    if refusal.disposition.final:
        return "invalid_prompt"
    return "server_error" if refusal.retry_after_s is None else "rate_limit_exceeded"


def _response_failed(
    code: str, message: str, error: Mapping[str, object], request_id: str
) -> bytes:
    """A failed response with every field that the SDK's type demands."""
    response = {
        "id": f"resp_{request_id}",
        "object": "response",
        "created_at": 0,
        "status": "failed",
        "error": {"code": code, "message": message},
        "incomplete_details": None,
        "instructions": None,
        "metadata": {},
        "model": "",
        "output": [],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": None,
    }
    event = {
        "type": "response.failed",
        "sequence_number": 0,
        "response": response,
        "error": error,
    }
    return sse.encode(_encoded(event), "response.failed")


def _encoded(value: object) -> bytes:
    return msgspec.json.encode(value)
