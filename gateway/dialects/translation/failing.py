"""What providers' errors have in common, and the one table from their kind to a status."""

import re
from collections.abc import Mapping

from .canonical import FailureKind

STATUSES: Mapping[FailureKind, int] = {
    FailureKind.INVALID: 400,
    FailureKind.CONTEXT: 400,
    FailureKind.UNAUTHENTICATED: 401,
    FailureKind.BILLING: 429,
    FailureKind.FORBIDDEN: 403,
    FailureKind.NOT_FOUND: 404,
    FailureKind.TOO_LARGE: 413,
    FailureKind.RATE_LIMITED: 429,
    FailureKind.OVERLOADED: 503,
    FailureKind.TIMEOUT: 504,
    FailureKind.SERVER: 500,
}
"""The status that each kind has where the caller's format has none of its own for it."""

_BY_STATUS: Mapping[int, FailureKind] = {
    401: FailureKind.UNAUTHENTICATED,
    402: FailureKind.BILLING,
    403: FailureKind.FORBIDDEN,
    404: FailureKind.NOT_FOUND,
    408: FailureKind.TIMEOUT,
    413: FailureKind.TOO_LARGE,
    429: FailureKind.RATE_LIMITED,
    503: FailureKind.OVERLOADED,
    504: FailureKind.TIMEOUT,
    529: FailureKind.OVERLOADED,
}
_TOO_LONG = re.compile(
    r"prompt is too long|maximum context length|exceeds the maximum number of tokens"
    r"|context window",
    re.IGNORECASE,
)
MAX_MESSAGE_CHARACTERS = 4000


def kind_of(status: int, message: str) -> FailureKind:
    """The kind of an error by its status and its words."""
    found = _BY_STATUS.get(status)
    if found is not None:
        return found
    if status >= 500:
        return FailureKind.SERVER
    return FailureKind.CONTEXT if _TOO_LONG.search(message) else FailureKind.INVALID


def told(message: str) -> str:
    """An error's text, bounded, with something to say where the provider said nothing."""
    return message[:MAX_MESSAGE_CHARACTERS] or "The provider answered with an error."
