import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.gemini.verdicts import classify
from gateway.domain.outcome import ProviderVerdict, UpstreamAnswer

NOW = datetime(2026, 11, 24, 20, 0, tzinfo=UTC).timestamp()  # noon in Los Angeles
STOCK = (
    "You exceeded your current quota, please check your plan and billing details. "
    "For more information on this error, head to the rate limit page."
)
V = ProviderVerdict


def quota(quota_id: str, value: str = "20", metric: str = "m") -> dict[str, Any]:
    violation = {"quotaMetric": metric, "quotaId": quota_id, "quotaValue": value}
    return {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}


def retry(delay: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": delay}


def info(reason: str) -> dict[str, Any]:
    return {"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "g"}


def error(code: int, message: str, status: str, *details: Any) -> bytes:
    shape = {"code": code, "message": message, "status": status, "details": list(details)}
    return json.dumps({"error": shape}).encode()


def exhausted(message: str, *details: Any) -> UpstreamAnswer:
    return classify(429, (), error(429, message, "RESOURCE_EXHAUSTED", *details), NOW)


@pytest.mark.parametrize(
    ("quota_id", "dimension"),
    [
        ("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "rpm"),
        ("GenerateContentInputTokensPerModelPerMinute-PaidTier", "itpm"),
        ("BatchConcurrentRequestsPerProject", "concurrency"),
    ],
)
def test_a_rate_limit_names_its_dimension_and_its_wait(quota_id: str, dimension: str) -> None:
    found = exhausted(f"{STOCK} Please retry in 31.4s.", quota(quota_id), retry("13s"))
    assert found == UpstreamAnswer(V.RATE_LIMITED, 13.0, (dimension,), "RESOURCE_EXHAUSTED")


def test_a_metric_stands_in_for_a_missing_quota_id() -> None:
    found = exhausted(STOCK, quota("", metric="generate_content_paid_tier_input_token_count"))
    assert (found.verdict, found.dimensions) == (V.RATE_LIMITED, ("itpm",))
    assert exhausted(STOCK, quota("Odd")).dimensions == ()


def test_a_daily_quota_waits_for_midnight_pacific_whatever_the_retry_info_says() -> None:
    found = exhausted(STOCK, quota("GenerateRequestsPerDayPerProjectPerModel"), retry("13s"))
    assert found == UpstreamAnswer(V.RATE_LIMITED, 12 * 3600.0, ("rpm",), "RESOURCE_EXHAUSTED")


def test_several_violations_give_each_dimension_once() -> None:
    minute, tokens = quota("GenerateRequestsPerMinute"), quota("InputTokensPerMinute")
    assert exhausted(STOCK, minute, tokens, minute).dimensions == ("rpm", "itpm")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("Please retry in 31.4s.", 31.4),
        ("Please retry in 430.5ms.", 0.4305),
        ("Please retry in 1h2m3.5s.", 3723.5),
    ],
)
def test_the_text_says_how_long_where_the_details_do_not(text: str, seconds: float) -> None:
    found = exhausted(f"{STOCK} {text}")
    assert found.verdict is V.RATE_LIMITED
    assert found.retry_after_s == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"7", 7.0),
        (b"Tue, 24 Nov 2026 20:00:30 GMT", 30.0),
        (b"Tue, 24 Nov 2026 19:00:00 GMT", 0.0),
        (b"soon", None),
    ],
)
def test_the_header_is_the_last_resort(value: bytes, seconds: float | None) -> None:
    body = error(429, STOCK, "RESOURCE_EXHAUSTED")
    headers = [(b"date", b"x"), (b"Retry-After", value)]
    assert classify(429, headers, body, NOW).retry_after_s == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"error":1}',
        b'"\xff',
        b"[" * 9999,
        b'{"error":{"details":[1,{"retryDelay":2}]}}',
    ],
)
def test_a_429_that_says_nothing_is_a_rate_limit_of_unknown_wait(body: bytes) -> None:
    found = classify(429, (), body, NOW)
    assert (found.verdict, found.retry_after_s, found.dimensions) == (V.RATE_LIMITED, None, ())


def test_the_stock_words_on_billing_are_not_a_billing_refusal() -> None:
    assert exhausted(STOCK).verdict is V.RATE_LIMITED


@pytest.mark.parametrize(
    ("message", "details"),
    [
        ("Your project has exceeded its spend limit.", []),
        ("Your project exceeded its monthly spending cap.", [retry("60s")]),
        ("Your prepayment credits are depleted.", []),
        ("Enable billing to go on.", []),
        (STOCK, [quota("SpendPerTenMinutesPerProject")]),
        (STOCK, [quota("GenerateRequestsPerDay-FreeTier", value="0")]),
        (STOCK + " * Quota exceeded, limit: 0, model: gemini-4-argon", [retry("3s")]),
    ],
)
def test_a_limit_of_money_is_never_a_rate_limit(message: str, details: list[Any]) -> None:
    found = exhausted(message, *details)
    assert (found.verdict, found.retry_after_s) == (V.BILLING, None)


def test_a_model_without_capacity_is_overload_and_not_our_limit() -> None:
    assert exhausted("No capacity.", info("MODEL_CAPACITY_EXHAUSTED")).verdict is V.OVERLOADED


def test_the_body_may_lie_in_an_array() -> None:
    body = error(429, STOCK, "RESOURCE_EXHAUSTED", quota("RequestsPerMinute"), retry("5s"))
    assert classify(429, (), b"[" + body + b"]", NOW) == classify(429, (), body, NOW)


@pytest.mark.parametrize(
    ("status", "message", "details", "verdict"),
    [
        (200, "", [], V.OK),
        (503, "The model is overloaded.", [], V.OVERLOADED),
        (500, "Internal error.", [], V.PROVIDER_ERROR),
        (502, "", [], V.PROVIDER_ERROR),
        (504, "Deadline expired.", [], V.PROVIDER_ERROR),
        (400, "Invalid value at 'contents'.", [], V.CALLER_ERROR),
        (400, "API key not valid. Please pass a valid API key.", [info("API_KEY_INVALID")], V.AUTH),
        (401, "Request had invalid credentials.", [], V.AUTH),
        (403, "Your API key was reported as leaked.", [], V.AUTH),
        (403, "Generative Language API is off.", [info("SERVICE_DISABLED")], V.AUTH),
        (403, "You do not have permission to access the File abc.", [], V.CALLER_ERROR),
        (403, "This needs money.", [info("BILLING_DISABLED")], V.BILLING),
        (400, "Please enable billing on your project.", [], V.BILLING),
        (402, "", [], V.BILLING),
        (404, "models/x is not found.", [], V.CALLER_ERROR),
    ],
)
def test_every_other_status_has_its_verdict(
    status: int, message: str, details: list[Any], verdict: ProviderVerdict
) -> None:
    body = error(status, message, "NAME", *details)
    assert classify(status, (), body, NOW).verdict is verdict


def test_an_overload_may_say_how_long() -> None:
    found = classify(503, ((b"retry-after", b"4"),), error(503, "busy", "UNAVAILABLE"), NOW)
    assert found == UpstreamAnswer(V.OVERLOADED, 4.0, (), "UNAVAILABLE")


@given(st.integers(100, 599), st.binary(max_size=80), st.binary(max_size=20))
def test_any_answer_has_a_verdict(status: int, body: bytes, wait: bytes) -> None:
    found = classify(status, ((b"retry-after", wait),), body, NOW)
    assert found.retry_after_s is None or found.retry_after_s >= 0
