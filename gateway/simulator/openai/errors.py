"""Error shapes and rate-limit headers of OpenAI (provider-facts B4, B5)."""

import math

from gateway.simulator.call import Call
from gateway.simulator.errors import ApiError, Headers, retry_after
from gateway.simulator.faults import FaultRule
from gateway.simulator.limits import Bucket, Dimension, Lane, Refusal

ORGANIZATION = "org-simulated"

_INVALID = "invalid_request_error"
_VARIANTS: dict[str, tuple[int, str, str, str]] = {
    "rate_limit": (429, "requests", "rate_limit_exceeded", "Rate limit reached."),
    "slow_down": (429, "rate_limit_error", "slow_down", "Traffic rose too fast; slow down."),
    "insufficient_quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "billing": (
        429,
        "insufficient_quota",
        "credit_balance_exhausted",
        "Your credit balance is exhausted.",
    ),
    "spend_cap": (
        429,
        "insufficient_quota",
        "organization_spend_limit_exceeded",
        "Your organization has reached its spend limit.",
    ),
    "project_spend_cap": (
        429,
        "insufficient_quota",
        "project_spend_limit_exceeded",
        "Your project has reached its spend limit.",
    ),
    "overloaded": (
        503,
        "server_error",
        "server_is_overloaded",
        "The server is overloaded. Please try again later.",
    ),
}
_BY_STATUS = {429: "rate_limit", 503: "overloaded"}
_NAMES = {
    Dimension.REQUESTS: ("requests", "requests per min (RPM)"),
    Dimension.TOKENS: ("tokens", "tokens per min (TPM)"),
    Dimension.INPUT: ("tokens", "input tokens per min (TPM)"),
    Dimension.OUTPUT: ("tokens", "output tokens per min (TPM)"),
    Dimension.CONCURRENCY: ("requests", "concurrent requests"),
}


def invalid(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A 400."""
    return ApiError(400, _INVALID, message, code=code, param=param)


def error_body(error: ApiError) -> dict[str, object]:
    """The error as JSON."""
    inner = {
        "message": error.message,
        "type": error.kind,
        "param": error.param,
        "code": error.code,
    }
    return {"error": inner}


def unknown_model(name: object) -> ApiError:
    """The answer to a model that does not exist, or none."""
    if not isinstance(name, str) or not name:
        return invalid("you must provide a model parameter")
    return ApiError(
        404,
        _INVALID,
        f"The model `{name}` does not exist or you do not have access to it.",
        code="model_not_found",
    )


def go_duration(wait_s: float) -> str:
    """A Go-style duration: `0s`, `120ms`, `1.5s`, `6m0s`, `1h0m0s` (provider-facts B5)."""
    ms = math.ceil(wait_s * 1000 - 1e-6) if math.isfinite(wait_s) else 86_400_000
    if ms < 1000:
        return f"{ms}ms" if ms > 0 else "0s"
    minutes, ms = divmod(ms, 60_000)
    text = f"{ms / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if minutes >= 60:
        return f"{minutes // 60}h{minutes % 60}m{text}"
    return f"{minutes}m{text}" if minutes else text


def limit_headers(call: Call, lane: Lane) -> Headers:
    """All `x-ratelimit-*` headers; `reset` is the time to the initial state."""
    now = call.state.clock()
    headers: Headers = []
    for name, bucket in ((b"requests", lane.requests), (b"tokens", lane.tokens)):
        if bucket is not None:
            headers += _triple(name, bucket, now)
    return headers


def _triple(name: bytes, bucket: Bucket, now: float) -> Headers:
    remaining = int(max(0.0, bucket.refill(now) + 1e-6))
    return [
        (b"x-ratelimit-limit-" + name, str(bucket.limit).encode()),
        (b"x-ratelimit-remaining-" + name, str(remaining).encode()),
        (b"x-ratelimit-reset-" + name, go_duration(bucket.full_s(now)).encode()),
    ]


def refused(refusal: Refusal, call: Call) -> ApiError:
    """The 429 of a rate limit."""
    kind, name = _NAMES[refusal.dimension]
    model = call.record.model
    headers: Headers = []
    if call.model is not None:
        headers += limit_headers(call, call.state.lane(call.model))
    if refusal.too_large:
        text = (
            f"Request too large for {model} in organization {ORGANIZATION} on {name}: "
            f"Limit {refusal.limit}, Requested {refusal.requested}. "
            "The input or output tokens must be reduced in order to run successfully."
        )
    else:
        wait = go_duration(refusal.wait_s)
        text = (
            f"Rate limit reached for {model} in organization {ORGANIZATION} on {name}: "
            f"Limit {refusal.limit}, Used {refusal.used}, Requested {refusal.requested}. "
            f"Please try again in {wait}."
        )
        headers += [
            (b"retry-after", retry_after(refusal.wait_s, call.state.settings.scale)),
            (b"retry-after-ms", str(math.ceil(refusal.wait_s * 1000)).encode()),
        ]
    return ApiError(429, kind, text, code="rate_limit_exceeded", headers=headers, refusal=refusal)


def fault(rule: FaultRule) -> ApiError:
    """The error of a fault rule."""
    known = _VARIANTS.get(rule.variant or _BY_STATUS.get(rule.status, ""))
    if known is not None:
        status, kind, code, message = known
        found = ApiError(status, kind, rule.message or message, code=code)
    elif rule.status >= 500:
        found = ApiError(
            rule.status, "server_error", rule.message or "The server had an error.", code=None
        )
    else:
        found = ApiError(rule.status, _INVALID, rule.message or "Simulated error.")
    if rule.retry_after_s is not None:
        found.headers.append((b"retry-after", f"{rule.retry_after_s:g}".encode()))
    return found
