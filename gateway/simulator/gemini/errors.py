"""Error shapes of Gemini (provider-facts B11): no headers, everything is in the body."""

import math
from typing import Any

from gateway.simulator.call import Call
from gateway.simulator.errors import ApiError
from gateway.simulator.faults import FaultRule
from gateway.simulator.limits import Dimension, Refusal

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    413: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_MESSAGES = {
    429: "You exceeded your current quota.",
    500: "An internal error has occurred.",
    503: "The model is overloaded. Please try again later.",
    504: "The request timed out.",
}
_RPC = "type.googleapis.com/google.rpc."
_PREFIX = "generativelanguage.googleapis.com/"
_QUOTAS = {
    Dimension.REQUESTS: (
        "generate_requests_per_model",
        "GenerateRequestsPerMinutePerProjectPerModel",
    ),
    Dimension.INPUT: (
        "generate_content_paid_tier_input_token_count",
        "GenerateContentInputTokensPerModelPerMinute-PaidTier",
    ),
    Dimension.CONCURRENCY: (
        "generate_concurrent_requests",
        "GenerateConcurrentRequestsPerProjectPerModel",
    ),
}
_PER_DAY = ("generate_requests_per_model_per_day", "GenerateRequestsPerDayPerProjectPerModel")


def invalid(message: str) -> ApiError:
    """A 400."""
    return ApiError(400, "INVALID_ARGUMENT", message)


def error_body(error: ApiError) -> dict[str, Any]:
    """The error as JSON."""
    inner: dict[str, Any] = {
        "code": error.status,
        "message": error.message,
        "status": error.kind,
    }
    if error.details:
        inner["details"] = list(error.details)
    return {"error": inner}


def unknown_model(name: str, version: str) -> ApiError:
    """404 of a model that does not exist."""
    return ApiError(
        404,
        "NOT_FOUND",
        f"models/{name} is not found for API version {version}, or is not supported.",
    )


def bad_key() -> ApiError:
    """A wrong API key is a 400 at Gemini."""
    detail = {
        "@type": _RPC + "ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    message = "API key not valid. Please pass a valid API key."
    return ApiError(400, "INVALID_ARGUMENT", message, details=(detail,))


def _delay(wait_s: float) -> str:
    text = f"{wait_s:.3f}".rstrip("0").rstrip(".") or "0"
    return text + "s"


def _exhausted(quota: tuple[str, str], limit: int, model: str, wait_s: float) -> ApiError:
    metric, quota_id = quota
    violation = {
        "quotaMetric": _PREFIX + metric,
        "quotaId": quota_id,
        "quotaDimensions": {"location": "global", "model": model},
        "quotaValue": str(limit),
    }
    details = (
        {"@type": _RPC + "QuotaFailure", "violations": [violation]},
        {"@type": _RPC + "RetryInfo", "retryDelay": _delay(wait_s)},
    )
    message = (
        f"You exceeded your current quota. * Quota exceeded for metric: {_PREFIX}{metric}, "
        f"limit: {limit}, model: {model}\nPlease retry in {_delay(wait_s)}."
    )
    return ApiError(429, "RESOURCE_EXHAUSTED", message, details=details)


def refused(refusal: Refusal, call: Call) -> ApiError:
    """The 429 of a rate limit, with QuotaFailure and RetryInfo."""
    quota = _QUOTAS.get(refusal.dimension, _QUOTAS[Dimension.INPUT])
    wait_s = refusal.wait_s if math.isfinite(refusal.wait_s) else 3600.0
    # Rounded up, so that who comes back then is let in.
    error = _exhausted(quota, refusal.limit, call.record.model, math.ceil(wait_s * 1000) / 1000)
    error.refusal = refusal
    return error


def fault(rule: FaultRule) -> ApiError:
    """The error of a fault rule."""
    wait_s = rule.retry_after_s
    if rule.variant == "per_day":
        return _exhausted(_PER_DAY, 250, rule.model or "gemini", wait_s or 13.0)
    if rule.variant == "spend_cap":
        message = rule.message or "Your project has exceeded its spending limit."
        return ApiError(429, "RESOURCE_EXHAUSTED", message)
    status = 503 if rule.variant == "overloaded" else rule.status
    if rule.variant == "rate_limit" or status == 429:
        return _exhausted(_QUOTAS[Dimension.REQUESTS], 20, rule.model or "gemini", wait_s or 1.0)
    kind = _STATUSES.get(status, "INTERNAL" if status >= 500 else "INVALID_ARGUMENT")
    message = rule.message or _MESSAGES.get(status, "Simulated error.")
    return ApiError(status, kind, message)
