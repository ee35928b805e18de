"""Error shapes and rate-limit headers of Anthropic (provider-facts A3, A4)."""

import math
from datetime import UTC, datetime
from functools import lru_cache

from gateway.simulator.call import Call, encode
from gateway.simulator.errors import ApiError, Headers, retry_after
from gateway.simulator.faults import FaultRule
from gateway.simulator.limits import Bucket, Dimension, Lane, Refusal

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_MESSAGES = {
    500: "Internal server error",
    504: "The request timed out while it was processed.",
    529: "Overloaded",
    503: "Overloaded",
}

_VARIANTS: dict[str, tuple[int, str | None, str]] = {
    "rate_limit": (429, None, "This request would exceed the rate limit of your organization."),
    "ramp": (429, "ramp_limit_exceeded", "Your usage grew too fast; raise it gradually."),
    "spend_cap": (
        429,
        "enforced_spend_limit_reached",
        "Your organization has reached its monthly spend limit.",
    ),
    "contract_spend_cap": (
        429,
        "contract_spend_limit_reached",
        "Your organization has reached the spend limit of its contract.",
    ),
    "own_spend_limit": (
        400,
        None,
        "You have reached your specified workspace API usage limits. You will regain access later.",
    ),
    "billing": (402, None, "Your credit balance is too low to access the API."),
    "overloaded": (529, None, "Overloaded"),
}

_LIMIT_TEXT = {
    Dimension.REQUESTS: "{limit} requests per minute",
    Dimension.INPUT: "{limit} input tokens per minute",
    Dimension.OUTPUT: "{limit} output tokens per minute",
    Dimension.TOKENS: "{limit} tokens per minute",
    Dimension.CONCURRENCY: "{limit} concurrent connections",
}


def invalid(message: str) -> ApiError:
    """A 400."""
    return ApiError(400, "invalid_request_error", message)


def error_body(error: ApiError, request_id: str) -> dict[str, object]:
    """The error as JSON."""
    inner: dict[str, object] = {"type": error.kind, "message": error.message}
    if error.code is not None:
        inner["details"] = {"error_code": error.code}
    return {"type": "error", "error": inner, "request_id": request_id}


def error_event(error: ApiError, request_id: str) -> bytes:
    """The error inside a stream."""
    return b"event: error\ndata: " + encode(error_body(error, request_id)) + b"\n\n"


def refused(refusal: Refusal, call: Call) -> ApiError:
    """The 429 of a rate limit, with `retry-after` and all limit headers."""
    scale = call.state.settings.scale
    model = call.record.model
    text = _LIMIT_TEXT[refusal.dimension].format(limit=f"{refusal.limit:,}")
    headers: Headers = [(b"retry-after", retry_after(refusal.wait_s, scale))]
    if call.model is not None:
        headers += limit_headers(call, call.state.lane(call.model))
    return ApiError(
        429,
        "rate_limit_error",
        f"This request would exceed the rate limit of your organization of {text} "
        f"(model: {model}).",
        headers=headers,
        refusal=refusal,
    )


def fault(rule: FaultRule) -> ApiError:
    """The error of a fault rule."""
    status, code, message = _VARIANTS.get(
        rule.variant, (rule.status, None, _MESSAGES.get(rule.status, "Simulated error."))
    )
    if rule.variant == "" and status == 429:
        message = _VARIANTS["rate_limit"][2]
    headers: Headers = []
    if rule.retry_after_s is not None:
        headers.append((b"retry-after", f"{rule.retry_after_s:g}".encode()))
    kind = _TYPES.get(status, "overloaded_error" if status == 503 else "api_error")
    return ApiError(status, kind, rule.message or message, code=code, headers=headers)


def limit_headers(call: Call, lane: Lane) -> Headers:
    """All `anthropic-ratelimit-*` headers; `tokens-*` repeat the most restrictive token limit."""
    now, wall = call.state.clock(), call.state.wall()
    fine = call.state.settings.minute_s < 60
    headers: Headers = []
    if lane.requests is not None:
        values = _values(lane.requests, now, wall, fine=fine, step=1)
        headers += zip(_NAMES["requests"], values, strict=True)
    least = math.inf
    tightest: tuple[bytes, ...] = ()
    for name, bucket in (("input-tokens", lane.input), ("output-tokens", lane.output)):
        if bucket is None:
            continue
        values = _values(bucket, now, wall, fine=fine, step=1000)
        headers += zip(_NAMES[name], values, strict=True)
        if bucket.level / bucket.capacity < least:
            least, tightest = bucket.level / bucket.capacity, values
    if tightest:
        headers += zip(_NAMES["tokens"], tightest, strict=True)
    return headers


_NAMES = {
    name: tuple(
        f"anthropic-ratelimit-{name}-{part}".encode() for part in ("limit", "remaining", "reset")
    )
    for name in ("requests", "tokens", "input-tokens", "output-tokens")
}


def _values(
    bucket: Bucket, now: float, wall: float, *, fine: bool, step: int
) -> tuple[bytes, bytes, bytes]:
    level = max(0.0, bucket.refill(now) + 1e-6)
    remaining = int(level) if step == 1 else int(level / step + 0.5) * step
    full_at = wall + bucket.full_s(now)
    # Whole seconds as at the real API; milliseconds where a minute is shorter than a minute.
    stamp = _stamp_ms(math.ceil(full_at * 1000)) if fine else _stamp_s(math.ceil(full_at - 1e-6))
    return str(bucket.limit).encode(), str(remaining).encode(), stamp


def _stamp_ms(at_ms: int) -> bytes:
    text = datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z").encode()


@lru_cache(maxsize=64)
def _stamp_s(at: int) -> bytes:
    return datetime.fromtimestamp(at, UTC).isoformat().replace("+00:00", "Z").encode()
