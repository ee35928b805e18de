"""Errors of OpenAI's formats (provider-facts B4)."""

from collections.abc import Mapping

import msgspec

from gateway.dialects.codec import Reply
from gateway.dialects.decoding import UNREADABLE
from gateway.dialects.openai import errors, refusals
from gateway.dialects.translation.canonical import Failure, FailureKind
from gateway.dialects.translation.failing import STATUSES, kind_of, told

_REQUEST = "invalid_request_error"
_WORDS: Mapping[FailureKind, tuple[str, str | None]] = {
    FailureKind.INVALID: (_REQUEST, None),
    FailureKind.CONTEXT: (_REQUEST, "context_length_exceeded"),
    FailureKind.UNAUTHENTICATED: (_REQUEST, "invalid_api_key"),
    FailureKind.FORBIDDEN: (_REQUEST, "forbidden"),
    FailureKind.NOT_FOUND: (_REQUEST, "model_not_found"),
    FailureKind.TOO_LARGE: (_REQUEST, "request_too_large"),
    FailureKind.RATE_LIMITED: ("rate_limit_error", "rate_limit_exceeded"),
    FailureKind.BILLING: ("insufficient_quota", "insufficient_quota"),
    FailureKind.OVERLOADED: ("server_error", "server_is_overloaded"),
    FailureKind.TIMEOUT: ("server_error", "timeout"),
    FailureKind.SERVER: ("server_error", "server_error"),
}
"""Type and code."""
_KINDS: Mapping[str, FailureKind] = {
    **dict.fromkeys(errors.BILLING, FailureKind.BILLING),
    **dict.fromkeys(errors.WAIT, FailureKind.RATE_LIMITED),
    **dict.fromkeys(errors.OVERLOADED, FailureKind.OVERLOADED),
    "context_length_exceeded": FailureKind.CONTEXT,
    "invalid_prompt": FailureKind.INVALID,
    "invalid_api_key": FailureKind.UNAUTHENTICATED,
    "model_not_found": FailureKind.NOT_FOUND,
}
_STATUS_OF_TYPE = {"invalid_request_error": 400}


def read(status: int, body: bytes) -> Failure:
    """An error's body."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        found = None
    error = found.get("error", found) if isinstance(found, dict) else None
    return of_object(status, error)


def of_object(status: int, error: object) -> Failure:
    """An error object; `status` is 0 in a stream, where code and type tell."""
    said = error if isinstance(error, dict) else {"message": error}
    message, code, kind = (_word(said.get(name)) for name in ("message", "code", "type"))
    known = _KINDS.get(code) or (_KINDS.get(kind) if kind in errors.BILLING else None)
    status = status or _STATUS_OF_TYPE.get(kind, 500)
    return Failure(known or kind_of(status, message), told(message))


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def error_object(failure: Failure) -> dict[str, object]:
    """The error object of a failure."""
    kind, code = _WORDS[failure.kind]
    return {"message": failure.message, "type": kind, "param": None, "code": code}


def code_of(failure: Failure) -> str:
    """The code in a failed response, which must have one."""
    code = _WORDS[failure.kind][1]
    if code is None or failure.kind in {FailureKind.TIMEOUT, FailureKind.OVERLOADED}:
        return "invalid_prompt" if code is None else "server_error"
    return code


def write(failure: Failure) -> Reply:
    """An error as a response."""
    kind, code = _WORDS[failure.kind]
    body = refusals.error_body(failure.message, kind, code, None)
    return Reply(STATUSES[failure.kind], (refusals.JSON,), body)
