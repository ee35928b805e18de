"""Errors of Gemini (provider-facts B11)."""

import msgspec

from gateway.dialects.codec import Reply
from gateway.dialects.decoding import UNREADABLE
from gateway.dialects.gemini.errors import JSON_TYPE, STATUS_NAMES
from gateway.dialects.translation.canonical import Failure
from gateway.dialects.translation.failing import STATUSES, kind_of, told


def read(status: int, body: bytes) -> Failure:
    """An error's body, which may stand in an array."""
    try:
        found = msgspec.json.decode(body)
    except UNREADABLE:
        found = None
    if isinstance(found, list) and found:
        found = found[0]
    return of_object(status, found.get("error") if isinstance(found, dict) else None)


def of_object(status: int, error: object) -> Failure:
    """An error object; `status` is 0 in a stream, where its code tells."""
    said = error if isinstance(error, dict) else {}
    message, code = said.get("message"), said.get("code")
    message = message if isinstance(message, str) else ""
    status = status or (code if isinstance(code, int) else 500)
    return Failure(kind_of(status, message), told(message))


def error_object(failure: Failure) -> dict[str, object]:
    """The error object of a failure. Its code must be a number (provider-facts B10)."""
    status = STATUSES[failure.kind]
    return {"code": status, "message": failure.message, "status": STATUS_NAMES[status]}


def write(failure: Failure) -> Reply:
    """An error as a response."""
    body = msgspec.json.encode({"error": error_object(failure)})
    return Reply(STATUSES[failure.kind], (JSON_TYPE,), body)
