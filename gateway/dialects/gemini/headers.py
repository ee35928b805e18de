"""What Gemini's response headers say: the tier served, and nothing of limits (provider-facts B12).

There are no rate-limit headers, and `Retry-After` is not documented (B11); one may still come
from a proxy on the way, so it is read as the last resort.
"""

from email.utils import parsedate_to_datetime

from gateway.dialects.codec import RawHeaders
from gateway.domain.limits import Headroom


def headroom(headers: RawHeaders) -> tuple[Headroom, ...]:
    """Nothing: the lane's limits are configured, and learned from refusals."""
    return ()


def retry_after_s(headers: RawHeaders, now: float) -> float | None:
    """The `Retry-After` header in seconds from `now` (epoch seconds), whichever form it has."""
    for name, value in headers:
        if name.lower() == b"retry-after":
            return _seconds(value.decode("latin-1").strip(), now)
    return None


def served_tier(headers: RawHeaders) -> str:
    """The tier that was served, which may not be the one asked for (provider-facts B12)."""
    for name, value in headers:
        if name.lower() == b"x-gemini-service-tier":
            return plain_tier(value.decode("latin-1"))
    return ""


def plain_tier(name: str) -> str:
    """A tier as the gateway names it, however the enum is spelled."""
    return name.strip().lower().removeprefix("service_tier_")


def _seconds(text: str, now: float) -> float | None:
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, parsedate_to_datetime(text).timestamp() - now)
    except (ValueError, OverflowError):
        return None
