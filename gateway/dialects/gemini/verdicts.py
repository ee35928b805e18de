"""What an error of the Gemini API means for the lane and for a retry (provider-facts B11, B12).

The body is `{"error": {code, message, status, details}}`, sometimes inside an array; the details
name the quota (`QuotaFailure`) and the time to wait (`RetryInfo`). A body that says neither is
judged by its status alone.
"""

import re

import msgspec

from gateway.dialects.codec import RawHeaders
from gateway.domain.limits import Dimension
from gateway.domain.outcome import ProviderVerdict, UpstreamAnswer

from .headers import retry_after_s
from .pacific import seconds_to_midnight

_DURATION_PART = re.compile(r"(\d{1,9}(?:\.\d{1,9})?)(ms|h|m|s)")
_RETRY_TEXT = re.compile(r"retry in ((?:\d+(?:\.\d+)?(?:ms|h|m|s))+)", re.IGNORECASE)
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}

_STOCK_TEXT = re.compile(r"check your plan and billing details", re.IGNORECASE)
"""Part of every quota message, a plain rate limit's too: it says nothing of billing."""
_SPEND = re.compile(
    r"spend(?:ing)?[ -]?(?:limit|cap)|credits? (?:are|is|has been|have been) (?:depleted|exhausted)"
    r"|prepa(?:y|id)|insufficient (?:credit|funds|balance)",
    re.IGNORECASE,
)
_BILLING = re.compile(r"billing", re.IGNORECASE)
_NO_QUOTA = re.compile(r"\blimit: 0(?![\d.])")
_KEY_FAULT = re.compile(r"API[ _-]?KEY|unregistered callers", re.IGNORECASE)
_SERVICE_FAULTS = ("API_KEY_", "SERVICE_DISABLED", "CONSUMER_", "ACCESS_TOKEN_")


class _Violation(msgspec.Struct):
    quota_metric: str = msgspec.field(name="quotaMetric", default="")
    quota_id: str = msgspec.field(name="quotaId", default="")
    quota_value: str | int = msgspec.field(name="quotaValue", default="")


class _Detail(msgspec.Struct):
    kind: str = msgspec.field(name="@type", default="")
    violations: list[_Violation] = []
    retry_delay: str = msgspec.field(name="retryDelay", default="")
    reason: str = ""


class _Error(msgspec.Struct):
    message: str = ""
    status: str = ""
    details: list[msgspec.Raw] = []


class _Body(msgspec.Struct):
    error: _Error


_BODY: msgspec.json.Decoder[_Body | list[_Body]] = msgspec.json.Decoder(_Body | list[_Body])
_DETAIL = msgspec.json.Decoder(_Detail)
_NO_ERROR = _Error()


def classify(status: int, headers: RawHeaders, body: bytes, now: float) -> UpstreamAnswer:
    """What an upstream answer means (provider-facts B11, B12). `now` is in epoch seconds."""
    if status < 400:
        return UpstreamAnswer(ProviderVerdict.OK)
    error = _parse(body)
    details = _details(error)
    if status == 429:
        return _classify_429(error, details, headers, now)
    verdict = _verdict(status, error, details)
    waits = verdict in {ProviderVerdict.OVERLOADED, ProviderVerdict.PROVIDER_ERROR}
    wait_s = _asked_s(error, details, headers, now) if waits else None
    return UpstreamAnswer(verdict, wait_s, code=error.status)


def _verdict(status: int, error: _Error, details: list[_Detail]) -> ProviderVerdict:
    if status >= 500:
        overloaded = status in {503, 529}
        return ProviderVerdict.OVERLOADED if overloaded else ProviderVerdict.PROVIDER_ERROR
    reasons = [detail.reason for detail in details]
    if status == 402 or "BILLING_DISABLED" in reasons or _is_billing(error.message):
        return ProviderVerdict.BILLING
    if status == 401 or any(reason.startswith(_SERVICE_FAULTS) for reason in reasons):
        return ProviderVerdict.AUTH
    # A bad key is a 400 here; a 403 may as well be a file of somebody else.
    if status in {400, 403} and _KEY_FAULT.search(error.message):
        return ProviderVerdict.AUTH
    return ProviderVerdict.CALLER_ERROR


def _classify_429(
    error: _Error, details: list[_Detail], headers: RawHeaders, now: float
) -> UpstreamAnswer:
    wait_s = _asked_s(error, details, headers, now)
    if any(detail.reason == "MODEL_CAPACITY_EXHAUSTED" for detail in details):
        return UpstreamAnswer(ProviderVerdict.OVERLOADED, wait_s, code="MODEL_CAPACITY_EXHAUSTED")
    violations = [violation for detail in details for violation in detail.violations]
    if _is_spent(error.message, violations, named=bool(violations) or wait_s is not None):
        return UpstreamAnswer(ProviderVerdict.BILLING, code=error.status)
    if any(_is_daily(violation) for violation in violations):
        # The RetryInfo beside a daily quota is short and misleads (provider-facts B11).
        wait_s = max(wait_s or 0.0, seconds_to_midnight(now))
    found = [_dimension(violation) for violation in violations]
    dimensions = tuple(dict.fromkeys(str(each) for each in found if each is not None))
    return UpstreamAnswer(ProviderVerdict.RATE_LIMITED, wait_s, dimensions, error.status)


def _is_spent(message: str, violations: list[_Violation], *, named: bool) -> bool:
    """Whether money and not pace is the limit; the status is the same for both.

    Args:
        message: The provider's text.
        violations: The quotas it names.
        named: It names a quota or a time to wait: then the word "billing" alone proves nothing.
    """
    if _SPEND.search(message) or _NO_QUOTA.search(message):
        return True
    for violation in violations:
        name = (violation.quota_id + violation.quota_metric).lower()
        if "spend" in name or "billing" in name or str(violation.quota_value) == "0":
            return True
    return not named and _is_billing(message)


def _is_billing(message: str) -> bool:
    text = _STOCK_TEXT.sub("", message)
    return bool(_SPEND.search(text) or _BILLING.search(text))


def _is_daily(violation: _Violation) -> bool:
    name = (violation.quota_id + violation.quota_metric).lower()
    return "perday" in name or "per_day" in name or "daily" in name


def _dimension(violation: _Violation) -> Dimension | None:
    """The axis by quotaId (provider-facts B11); tokens are input tokens (B12)."""
    name = (violation.quota_id or violation.quota_metric).lower()
    if "concurrent" in name:
        return Dimension.CONCURRENCY
    if "token" in name:
        return Dimension.ITPM
    return Dimension.RPM if "request" in name else None


def _parse(body: bytes) -> _Error:
    """The error of a body, which may lie in an array; an empty one if there is none."""
    try:
        parsed = _BODY.decode(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _NO_ERROR
    if isinstance(parsed, list):
        return parsed[0].error if parsed else _NO_ERROR
    return parsed.error


def _details(error: _Error) -> list[_Detail]:
    """Each detail that can be understood: one odd one must not hide the others."""
    found = []
    for raw in error.details:
        try:
            found.append(_DETAIL.decode(raw))
        except (msgspec.MsgspecError, UnicodeError):
            continue
    return found


def _asked_s(
    error: _Error, details: list[_Detail], headers: RawHeaders, now: float
) -> float | None:
    """How long the provider asks to wait, from wherever it says so."""
    for detail in details:
        if detail.retry_delay:
            return _duration_s(detail.retry_delay)
    found = _RETRY_TEXT.search(error.message)
    return _duration_s(found[1]) if found else retry_after_s(headers, now)


def _duration_s(text: str) -> float:
    return sum(float(number) * _UNIT_S[unit] for number, unit in _DURATION_PART.findall(text))
