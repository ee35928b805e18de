"""What an error of OpenAI, or of a server that speaks its dialect, means (provider-facts B4).

The code decides before the type, and both before the status: a spend limit comes as a 429 whose
type may say no more than `insufficient_quota`, and `slow_down` was once a 503.
"""

import re

import msgspec
from msgspec import Raw, Struct

from gateway.dialects.codec import RawHeaders
from gateway.dialects.decoding import UNREADABLE, decode
from gateway.domain.limits import Dimension
from gateway.domain.outcome import ProviderVerdict, UpstreamAnswer

from . import headers as told_by

BILLING = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "organization_spend_limit_exceeded",
        "project_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        # Older names that compatible servers still use; not in provider-facts.
        "billing_hard_limit_reached",
        "billing_not_active",
    }
)
WAIT = frozenset({"rate_limit_exceeded", "slow_down"})
OVERLOADED = frozenset(
    {"server_is_overloaded", "overloaded", "overloaded_error", "engine_overloaded"}
)
RESOURCE_UNAVAILABLE = "resource_unavailable"
"""Flex processing without capacity (provider-facts B6): the provider's load, not our limit."""

MAX_CODE_LENGTH = 100

_TRY_AGAIN = re.compile(
    r"try again in\s+(\d+(?:\.\d+)?\s*(?:ms|milliseconds?|s|seconds?|m|minutes?|h|hours?)\b"
    r"|(?:\d+(?:\.\d+)?(?:ms|[smh]))+)",
    re.IGNORECASE,
)
_WORDS = re.compile(r"\s*(milliseconds?|seconds?|minutes?|hours?)$", re.IGNORECASE)
_WORD_UNITS = {"mill": "ms", "seco": "s", "minu": "m", "hour": "h"}
_LIMIT = re.compile(r"\b(RPM|TPM|RPD|TPD|IPM)\b")
_PER_MINUTE = {"RPM": Dimension.RPM, "TPM": Dimension.TPM}
_NEVER_FITS = re.compile(r"\bLimit:?\s*(\d{1,15})\b.*?\bRequested:?\s*(\d{1,15})\b", re.DOTALL)


class _Error(Struct):
    message: object = None
    type: object = None
    code: object = None


class _Body(Struct):
    error: Raw = Raw()
    message: object = None
    type: object = None
    code: object = None


_body = msgspec.json.Decoder(_Body)
_error = msgspec.json.Decoder(_Error)
_text = msgspec.json.Decoder(str)


class _Said(Struct):
    """The words of an error; empty where there are none."""

    message: str = ""
    type: str = ""
    code: str = ""


def classify(status: int, headers: RawHeaders, body: bytes, now: float) -> UpstreamAnswer:
    """What an upstream answer means. `now` is in epoch seconds."""
    if status < 400:
        return UpstreamAnswer(ProviderVerdict.OK)
    said = _said(body)
    verdict = _verdict(status, said)
    fields = told_by.fields(headers)
    retry_after_s = dimensions = None
    if verdict not in {ProviderVerdict.BILLING, ProviderVerdict.CALLER_ERROR}:
        retry_after_s = told_by.retry_after_s(fields, now)
        if retry_after_s is None:
            retry_after_s = _delay_in_text_s(said.message)
    if verdict is ProviderVerdict.RATE_LIMITED and said.code != "slow_down":
        dimensions = _dimensions_in_text(said.message)
        if dimensions is None:
            dimensions = told_by.exhausted(headers)
    return UpstreamAnswer(
        verdict,
        retry_after_s,
        tuple(dimension.value for dimension in dimensions or ()),
        (said.code or said.type)[:MAX_CODE_LENGTH],
    )


def _verdict(status: int, said: _Said) -> ProviderVerdict:
    if said.code in BILLING or (said.type in BILLING and said.code not in WAIT) or status == 402:
        return ProviderVerdict.BILLING
    if status in {429, 503} and said.code in WAIT:
        return _limited(said)
    if status in {503, 529} or said.code in OVERLOADED:
        return ProviderVerdict.OVERLOADED
    if status == 429:
        if RESOURCE_UNAVAILABLE in {said.code, said.type}:
            return ProviderVerdict.OVERLOADED
        return _limited(said)
    if status == 401:
        return ProviderVerdict.AUTH
    return ProviderVerdict.PROVIDER_ERROR if status >= 500 else ProviderVerdict.CALLER_ERROR


def _limited(said: _Said) -> ProviderVerdict:
    """A rate limit, unless the call alone is larger than it: then waiting cannot help."""
    sizes = _NEVER_FITS.search(said.message)
    if sizes and int(sizes[2]) > int(sizes[1]):
        return ProviderVerdict.CALLER_ERROR
    return ProviderVerdict.RATE_LIMITED


def _said(body: bytes) -> _Said:
    """The error's words: OpenAI's shape, a bare one (older vLLM), or a text as the error."""
    try:
        outer = decode(_body, body)
        inner = bytes(memoryview(outer.error))
        if inner[:1] == b"{":
            error = decode(_error, inner)
            return _Said(_word(error.message), _word(error.type), _word(error.code))
        text = decode(_text, inner) if inner[:1] == b'"' else outer.message
        return _Said(_word(text), _word(outer.type), _word(outer.code))
    except UNREADABLE:
        return _Said()


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _delay_in_text_s(message: str) -> float | None:
    """The delay of `Please try again in 1.5s`, which comes without a header at times."""
    found = _TRY_AGAIN.search(message)
    if found is None:
        return None
    text = _WORDS.sub(lambda word: _WORD_UNITS[word[1][:4].lower()], found[1].lower())
    return told_by.duration_s(text.replace(" ", ""))


def _dimensions_in_text(message: str) -> tuple[Dimension, ...] | None:
    """The limit that a message names; empty for one we do not count, `None` if it names none."""
    found = _LIMIT.search(message)
    if found is None:
        return None
    dimension = _PER_MINUTE.get(found[1])
    return () if dimension is None else (dimension,)
