"""What Anthropic's response headers say of limits and of waiting (provider-facts A3, A4)."""

from email.utils import parsedate_to_datetime
from math import isfinite

from gateway.dialects.codec import RawHeaders
from gateway.domain.limits import Dimension, Headroom

_PREFIX = b"anthropic-ratelimit-"
TOKEN_GRANULARITY = 1_000
"""`remaining` of tokens is rounded to the nearest thousand."""

_DIMENSIONS = (
    (b"requests", Dimension.RPM, 1),
    (b"input-tokens", Dimension.ITPM, TOKEN_GRANULARITY),
    (b"output-tokens", Dimension.OTPM, TOKEN_GRANULARITY),
)


def headroom(headers: RawHeaders) -> tuple[Headroom, ...]:
    """Limit and remaining of each dimension that is told.

    `tokens` is left out: it repeats whichever token limit binds most, without saying which.
    `anthropic-priority-*`, `anthropic-fast-*` and the `unified` headers of subscriptions speak of
    buckets which are not the lane's.
    """
    told = {
        name[len(_PREFIX) :]: value
        for name, value in ((name.lower(), value) for name, value in headers)
        if name.startswith(_PREFIX)
    }
    if not told:
        return ()
    found = []
    for name, dimension, granularity in _DIMENSIONS:
        limit = _count(told.get(name + b"-limit"))
        remaining = _count(told.get(name + b"-remaining"))
        if limit is not None or remaining is not None:
            found.append(Headroom(dimension, limit, remaining, granularity))
    return tuple(found)


def value_of(headers: RawHeaders, wanted: bytes) -> bytes | None:
    """The first value of a header."""
    for name, value in headers:
        if name.lower() == wanted:
            return value
    return None


def retry_after_s(headers: RawHeaders, now: float) -> float | None:
    """How long the provider asks to wait, as the SDKs read it; `None` if it does not.

    `retry-after-ms` counts before `retry-after`, which is seconds or an HTTP date.
    """
    milliseconds = _number(value_of(headers, b"retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1_000
    value = value_of(headers, b"retry-after")
    seconds = _number(value)
    if seconds is not None or value is None:
        return seconds
    try:
        return max(0.0, parsedate_to_datetime(value.decode("latin-1")).timestamp() - now)
    except (ValueError, OverflowError):
        return None


def _count(value: bytes | None) -> int | None:
    return int(value) if value is not None and value.isdigit() and len(value) < 19 else None


def _number(value: bytes | None) -> float | None:
    try:
        number = float(value or b"")
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None
