"""What OpenAI's response headers say of limits and delays (provider-facts B4, B5)."""

import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from math import isfinite

from gateway.dialects.codec import RawHeaders
from gateway.domain.limits import Dimension, Headroom

_LIMIT = b"x-ratelimit-limit-"
_REMAINING = b"x-ratelimit-remaining-"
_RESET = b"x-ratelimit-reset-"
_COUNTED = {
    b"requests": Dimension.RPM,
    b"project-requests": Dimension.RPM,
    b"tokens": Dimension.TPM,
    b"project-tokens": Dimension.TPM,
}
_NAMES = frozenset(kind + scope for kind in (_LIMIT, _REMAINING, _RESET) for scope in _COUNTED)

LONGEST_MINUTE_S = 1_200.0
"""A request limit that takes longer than this to refill from empty is no limit per minute."""
_ROUNDING_S = 1.0

_UNITS_S = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_TERM = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(ns|us|µs|ms|s|m|h)")
_MAX_DIGITS = 15


def fields(headers: RawHeaders) -> dict[str, str]:
    """Header fields by lower-case name; of a repeated one the first."""
    found: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1").lower(), value.decode("latin-1").strip())
    return found


def duration_s(text: str) -> float | None:
    """Seconds of a Go-style duration (`1s`, `6m0s`, `120ms`, `1m30s`); `None` if it is none."""
    end, total = 0, 0.0
    for term in _TERM.finditer(text):
        if term.start() != end:
            return None
        total += float(term[1]) * _UNITS_S[term[2]]
        end = term.end()
    return total if 0 < end == len(text) and isfinite(total) else None


def headroom(headers: RawHeaders) -> tuple[Headroom, ...]:
    """One value for each dimension that the headers speak of.

    Where an organisation's and a project's limit apply together (`-project-tokens`), a call has
    to fit both, so the smaller limit and the smaller remainder are told. A request limit whose
    reset shows that it is counted by the day (provider-facts B5: RPD) is left out: taken as a
    limit per minute it would say that far too much is left.
    """
    told = _rate_limit_fields(headers)
    if not told:
        return ()
    limits: dict[Dimension, list[int]] = {}
    remainders: dict[Dimension, list[int]] = {}
    for scope, dimension in _COUNTED.items():
        limit, left = _count(told.get(_LIMIT + scope)), _count(told.get(_REMAINING + scope))
        if dimension is Dimension.RPM and _is_daily(limit, left, told.get(_RESET + scope)):
            continue
        if limit is not None:
            limits.setdefault(dimension, []).append(limit)
        if left is not None:
            remainders.setdefault(dimension, []).append(left)
    return tuple(
        Headroom(dimension, _least(limits.get(dimension)), _least(remainders.get(dimension)))
        for dimension in (Dimension.RPM, Dimension.TPM)
        if dimension in limits or dimension in remainders
    )


def exhausted(headers: RawHeaders) -> tuple[Dimension, ...]:
    """The dimensions of which the headers say that nothing is left."""
    told = _rate_limit_fields(headers)
    left = {scope: _count(told.get(_REMAINING + scope)) for scope in _COUNTED}
    return tuple(dict.fromkeys(_COUNTED[scope] for scope, count in left.items() if count == 0))


def retry_after_s(told: Mapping[str, str], now: float) -> float | None:
    """The delay that the headers ask for, as the SDKs read it; `None` if they ask for none."""
    for name, per_second in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        value = told.get(name)
        if value is None:
            continue
        try:
            delay = float(value) / per_second
        except ValueError:
            continue
        return delay if isfinite(delay) and delay >= 0 else None
    return _until(told.get("retry-after", ""), now)


def _until(date: str, now: float) -> float | None:
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - now)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _rate_limit_fields(headers: RawHeaders) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in headers:
        lower = name.lower()
        if lower in _NAMES:
            found.setdefault(lower, value.strip())
    return found


def _count(value: bytes | None) -> int | None:
    if value is None or len(value) > _MAX_DIGITS or not value.isdigit():
        return None
    return int(value)


def _least(values: list[int] | None) -> int | None:
    return min(values) if values else None


def _is_daily(limit: int | None, left: int | None, reset: bytes | None) -> bool:
    """Whether the time to the full refill, taken for all of the limit, is far over a minute."""
    until_full_s = duration_s(reset.decode("latin-1")) if reset else None
    if limit is None or left is None or until_full_s is None or left >= limit:
        return False
    return (until_full_s - _ROUNDING_S) * limit / (limit - left) > LONGEST_MINUTE_S
