"""Errors of the Messages API (provider-facts A3)."""

from collections.abc import Mapping

import msgspec

from gateway.dialects.anthropic import errors
from gateway.dialects.codec import Reply
from gateway.dialects.decoding import UNREADABLE, decode
from gateway.dialects.translation.canonical import Failure, FailureKind
from gateway.dialects.translation.failing import STATUSES, kind_of, told
from gateway.dialects.translation.format import Caller

_STATUS_OF_TYPE: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "timeout_error": 504,
    "overloaded_error": 529,
}
_OVERLOADED = 529


class _Error(msgspec.Struct):
    type: str = ""
    message: str = ""


class _Body(msgspec.Struct):
    error: _Error


_BODY = msgspec.json.Decoder(_Body)


def read(status: int, body: bytes) -> Failure:
    """An error; `status` is 0 in a stream, where the type tells."""
    try:
        error = decode(_BODY, body).error
    except UNREADABLE:
        error = _Error()
    kind = kind_of(status or _STATUS_OF_TYPE.get(error.type, 500), error.message)
    return Failure(kind, told(error.message))


def write(failure: Failure, caller: Caller) -> Reply:
    """An error as a response."""
    headers = ((b"content-type", b"application/json"),)
    return Reply(_status(failure), headers, body(failure, caller.request_id))


def body(failure: Failure, request_id: str) -> bytes:
    """An error's body, which is the data of its event too."""
    kind = "billing_error" if failure.kind is FailureKind.BILLING else None
    return errors.body(
        kind or errors.error_type(_status(failure)), failure.message, None, request_id
    )


def _status(failure: Failure) -> int:
    return _OVERLOADED if failure.kind is FailureKind.OVERLOADED else STATUSES[failure.kind]
