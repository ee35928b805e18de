import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.openai.codec import OpenAICodec
from gateway.domain.outcome import ProviderVerdict as V

CODEC = OpenAICodec()


def error(code: object = None, kind: object = None, message: object = "no") -> object:
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}


TPM_TEXT = (
    "Rate limit reached for gpt-5.4 in organization org-1 on tokens per min (TPM): Limit 30000, "
    "Used 29000, Requested 1750. Please try again in 1.5s."
)
Row = tuple[int, object, dict[str, str], V, float | None, tuple[str, ...], str]
ROWS: dict[str, Row] = {
    "ok": (200, {}, {}, V.OK, None, (), ""),
    "a token limit, told in the text": (
        429,
        error("rate_limit_exceeded", "tokens", TPM_TEXT),
        {},
        V.RATE_LIMITED,
        1.5,
        ("tpm",),
        "rate_limit_exceeded",
    ),
    "a header beats the text": (
        429,
        error("rate_limit_exceeded", "tokens", TPM_TEXT),
        {"Retry-After-Ms": "2500"},
        V.RATE_LIMITED,
        2.5,
        ("tpm",),
        "rate_limit_exceeded",
    ),
    "a request limit, told in the text": (
        429,
        error("rate_limit_exceeded", "requests", "on requests per min (RPM). Try again in 120ms."),
        {"x-ratelimit-remaining-tokens": "0"},
        V.RATE_LIMITED,
        0.12,
        ("rpm",),
        "rate_limit_exceeded",
    ),
    "a limit per day is none of our dimensions": (
        429,
        error("rate_limit_exceeded", "requests", "(RPD): Please try again in 7m12s."),
        {"x-ratelimit-remaining-requests": "0"},
        V.RATE_LIMITED,
        432.0,
        (),
        "rate_limit_exceeded",
    ),
    "the dimension from the headers": (
        429,
        error("rate_limit_exceeded"),
        {"x-ratelimit-remaining-requests": "0", "x-ratelimit-remaining-tokens": "12"},
        V.RATE_LIMITED,
        None,
        ("rpm",),
        "rate_limit_exceeded",
    ),
    "seconds as a word": (
        429,
        error("rate_limit_exceeded", None, "Please try again in 20 seconds."),
        {},
        V.RATE_LIMITED,
        20.0,
        (),
        "rate_limit_exceeded",
    ),
    "larger than the limit itself": (
        429,
        error("rate_limit_exceeded", "tokens", "Request too large (TPM): Limit 10, Requested 12."),
        {"retry-after": "1"},
        V.CALLER_ERROR,
        None,
        (),
        "rate_limit_exceeded",
    ),
    "traffic that rose too fast": (
        429,
        error("slow_down", "rate_limit_error"),
        {"retry-after": "3", "x-ratelimit-remaining-tokens": "0"},
        V.RATE_LIMITED,
        3.0,
        (),
        "slow_down",
    ),
    "slow_down as a 503": (503, error("slow_down"), {}, V.RATE_LIMITED, None, (), "slow_down"),
    "a bare 429": (429, "", {}, V.RATE_LIMITED, None, (), ""),
    "insufficient_quota": (
        429,
        error("insufficient_quota", "insufficient_quota"),
        {"retry-after": "1"},
        V.BILLING,
        None,
        (),
        "insufficient_quota",
    ),
    "a spend limit behind a general type": (
        429,
        error("project_spend_limit_exceeded", "insufficient_quota"),
        {},
        V.BILLING,
        None,
        (),
        "project_spend_limit_exceeded",
    ),
    "the type alone": (
        429,
        error(None, "insufficient_quota"),
        {},
        V.BILLING,
        None,
        (),
        "insufficient_quota",
    ),
    "the code is read before the type": (
        429,
        error("rate_limit_exceeded", "insufficient_quota"),
        {},
        V.RATE_LIMITED,
        None,
        (),
        "rate_limit_exceeded",
    ),
    "billing whatever the status": (
        400,
        error("credit_balance_exhausted"),
        {},
        V.BILLING,
        None,
        (),
        "credit_balance_exhausted",
    ),
    "402": (402, {}, {}, V.BILLING, None, (), ""),
    "overloaded": (
        503,
        error("server_is_overloaded"),
        {"retry-after": "4"},
        V.OVERLOADED,
        4.0,
        (),
        "server_is_overloaded",
    ),
    "any 503": (503, "<html>", {}, V.OVERLOADED, None, (), ""),
    "flex without capacity": (
        429,
        error("resource_unavailable"),
        {},
        V.OVERLOADED,
        None,
        (),
        "resource_unavailable",
    ),
    "500": (500, error(None, "server_error"), {}, V.PROVIDER_ERROR, None, (), "server_error"),
    "502 in HTML": (502, "<html>", {}, V.PROVIDER_ERROR, None, (), ""),
    "a wrong provider key": (
        401,
        error("invalid_api_key"),
        {},
        V.AUTH,
        None,
        (),
        "invalid_api_key",
    ),
    "too long a context": (
        400,
        error("context_length_exceeded"),
        {},
        V.CALLER_ERROR,
        None,
        (),
        "context_length_exceeded",
    ),
    "a locked conversation": (
        409,
        error("conversation_locked"),
        {},
        V.CALLER_ERROR,
        None,
        (),
        "conversation_locked",
    ),
    "the shape of older vLLM": (
        400,
        {"object": "error", "message": "no", "type": "BadRequestError", "code": 400},
        {},
        V.CALLER_ERROR,
        None,
        (),
        "BadRequestError",
    ),
    "an error that is a text": (
        429,
        {"error": "Rate limited, try again in 3s"},
        {},
        V.RATE_LIMITED,
        3.0,
        (),
        "",
    ),
    "words that are no words": (429, error(17, [], {}), {}, V.RATE_LIMITED, None, (), ""),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS.keys())
def test_classify(row: Row) -> None:
    status, body, told, verdict, retry_after_s, dimensions, code = row
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    headers = [(name.encode(), value.encode()) for name, value in told.items()]
    answer = CODEC.classify(status, headers, raw, 0.0)
    assert (answer.verdict, answer.dimensions, answer.code) == (verdict, dimensions, code)
    assert answer.retry_after_s == pytest.approx(retry_after_s)


@settings(deadline=None)
@given(
    status=st.integers(100, 599),
    body=st.one_of(
        st.binary(),
        st.recursive(
            st.none() | st.integers() | st.text(),
            lambda inner: st.dictionaries(
                st.sampled_from(["error", "message", "type", "code"]), inner
            ),
        ).map(lambda value: json.dumps(value).encode()),
    ),
)
def test_any_error_body_is_survived(status: int, body: bytes) -> None:
    CODEC.classify(status, [(b"retry-after", body[:20])], body, 0.0)
