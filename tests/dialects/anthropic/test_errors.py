"""Errors: the provider's classified, the gateway's own as the official SDK raises them."""

import json

import anthropic
import httpx2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic import errors
from gateway.dialects.anthropic.codec import AnthropicCodec
from gateway.dialects.codec import Reply
from gateway.domain.call import Endpoint, Matched
from gateway.domain.outcome import DISPOSITIONS, ProviderVerdict, Reason, Refusal, UpstreamAnswer

V = ProviderVerdict
CODEC = AnthropicCodec()
MESSAGES = Matched(Endpoint.MESSAGES)
AFTER = (b"retry-after", b"7")
ITPM_EMPTY = (b"anthropic-ratelimit-input-tokens-remaining", b"0")
RPM_FULL = (b"anthropic-ratelimit-requests-remaining", b"44")
LONG = "This request would exceed your organization's rate limit of 80,000 input tokens per minute"
SPENT = "You have reached your specified workspace API usage limits. You will regain access soon."


def error(kind: str, message: str = "", code: str | None = None) -> bytes:
    details = {"details": {"error_code": code}} if code else {}
    return json.dumps(
        {"type": "error", "error": {"type": kind, "message": message} | details}
    ).encode()


RATE = "rate_limit_error"
ANSWERS: list[tuple[int, list[tuple[bytes, bytes]], bytes, UpstreamAnswer]] = [
    (200, [], b"{}", UpstreamAnswer(V.OK)),
    (429, [AFTER], error(RATE, LONG), UpstreamAnswer(V.RATE_LIMITED, 7.0, ("itpm",), RATE)),
    (429, [AFTER, ITPM_EMPTY, RPM_FULL], error(RATE),
     UpstreamAnswer(V.RATE_LIMITED, 7.0, ("itpm",), RATE)),
    (429, [AFTER, ITPM_EMPTY], error(RATE, "the limit of 5 requests per minute"),
     UpstreamAnswer(V.RATE_LIMITED, 7.0, ("itpm", "rpm"), RATE)),
    (429, [AFTER], error(RATE, "16,000 output tokens per minute"),
     UpstreamAnswer(V.RATE_LIMITED, 7.0, ("otpm",), RATE)),
    (429, [AFTER], error(RATE), UpstreamAnswer(V.RATE_LIMITED, 7.0, (), RATE)),
    (429, [ITPM_EMPTY], error(RATE), UpstreamAnswer(V.RATE_LIMITED, None, ("itpm",), RATE)),
    (429, [AFTER], error(RATE, "", "ramp_limit_exceeded"),
     UpstreamAnswer(V.RATE_LIMITED, 7.0, (), "ramp_limit_exceeded")),
    (429, [], error(RATE, "", "ramp_limit_exceeded"),
     UpstreamAnswer(V.RATE_LIMITED, None, (), "ramp_limit_exceeded")),
    (429, [], error(RATE, "", "enforced_spend_limit_reached"),
     UpstreamAnswer(V.BILLING, None, (), "enforced_spend_limit_reached")),
    (429, [], error(RATE, "", "contract_spend_limit_reached"),
     UpstreamAnswer(V.BILLING, None, (), "contract_spend_limit_reached")),
    (429, [], error(RATE), UpstreamAnswer(V.BILLING, None, (), RATE)),
    (429, [(b"x-should-retry", b"false"), AFTER], error(RATE),
     UpstreamAnswer(V.BILLING, 7.0, (), RATE)),
    (429, [(b"x-should-retry", b"true")], error(RATE), UpstreamAnswer(V.RATE_LIMITED, code=RATE)),
    (400, [], error("invalid_request_error", SPENT),
     UpstreamAnswer(V.BILLING, code="invalid_request_error")),
    (400, [], error("invalid_request_error", "max_tokens: too large"),
     UpstreamAnswer(V.CALLER_ERROR, code="invalid_request_error")),
    (401, [], error("authentication_error"), UpstreamAnswer(V.AUTH, code="authentication_error")),
    (402, [], error("billing_error"), UpstreamAnswer(V.BILLING, code="billing_error")),
    (403, [], error("permission_error"), UpstreamAnswer(V.CALLER_ERROR, code="permission_error")),
    (404, [], error("not_found_error"), UpstreamAnswer(V.CALLER_ERROR, code="not_found_error")),
    (413, [], b"<html>", UpstreamAnswer(V.CALLER_ERROR)),
    (500, [], error("api_error"), UpstreamAnswer(V.PROVIDER_ERROR, code="api_error")),
    (500, [], error("overloaded_error"), UpstreamAnswer(V.OVERLOADED, code="overloaded_error")),
    (503, [], b"", UpstreamAnswer(V.OVERLOADED)),
    (504, [], error("timeout_error"), UpstreamAnswer(V.PROVIDER_ERROR, code="timeout_error")),
    (529, [AFTER], error("overloaded_error"),
     UpstreamAnswer(V.OVERLOADED, 7.0, code="overloaded_error")),
]  # fmt: skip


@pytest.mark.parametrize(("status", "headers", "body", "answer"), ANSWERS)
def test_an_answer_of_the_provider_is_classified(
    status: int, headers: list[tuple[bytes, bytes]], body: bytes, answer: UpstreamAnswer
) -> None:
    assert errors.classify(status, headers, body, now=0.0) == answer


@given(st.integers(200, 599), st.binary())
def test_any_body_is_classified(status: int, body: bytes) -> None:
    answer = errors.classify(status, [], body, now=0.0)
    assert (answer.verdict is V.OK) == (status < 400)


RAISED: dict[Reason, type[anthropic.APIStatusError]] = {
    Reason.UNAUTHORIZED: anthropic.AuthenticationError,
    Reason.FORBIDDEN: anthropic.PermissionDeniedError,
    Reason.BAD_REQUEST: anthropic.BadRequestError,
    Reason.UNKNOWN_MODEL: anthropic.NotFoundError,
    Reason.UNKNOWN_PROVIDER: anthropic.NotFoundError,
    Reason.NOT_FOUND: anthropic.NotFoundError,
    Reason.TOO_LARGE: anthropic.APIStatusError,
    Reason.LARGER_THAN_LIMIT: anthropic.APIStatusError,
    Reason.AGENT_BUDGET: anthropic.RateLimitError,
    Reason.TEAM_BUDGET: anthropic.RateLimitError,
    Reason.SPEND: anthropic.RateLimitError,
    Reason.QUEUE_FULL: anthropic.RateLimitError,
    Reason.QUEUE_TIMEOUT: anthropic.RateLimitError,
    Reason.LANE_BLOCKED: anthropic.RateLimitError,
}


def client(reply: Reply, *, retries: int = 0) -> tuple[anthropic.Anthropic, list[httpx2.Request]]:
    asked: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return httpx2.Response(reply.status, headers=list(reply.headers), content=reply.body)

    transport = httpx2.MockTransport(answer)
    return anthropic.Anthropic(
        api_key="k", max_retries=retries, http_client=httpx2.Client(transport=transport)
    ), asked


def ask(sdk: anthropic.Anthropic) -> None:
    with sdk:
        sdk.messages.create(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}])


@pytest.mark.parametrize("reason", list(Reason))
def test_the_sdk_raises_its_own_error_for_each_refusal(reason: Reason) -> None:
    reply = errors.refuse(Refusal(reason, "No room.", 3.2), "req-1", as_stream=False)
    sdk, _ = client(reply)
    with pytest.raises(anthropic.APIStatusError) as raised:
        ask(sdk)
    status = DISPOSITIONS[reason].status
    assert isinstance(raised.value, RAISED.get(reason, anthropic.APIStatusError))
    assert raised.value.status_code == status == reply.status
    assert raised.value.request_id == "req-1"
    assert raised.value.body == {
        "type": "error",
        "error": {"type": errors.error_type(status), "message": "No room."},
        "request_id": "req-1",
    }


def test_a_final_refusal_is_not_tried_again_by_the_sdk() -> None:
    """field-notes 31: a hard stop that is retried costs thousands of dollars."""
    sdk, asked = client(
        errors.refuse(Refusal(Reason.SPEND, "Spent.", 3600.0), "r", as_stream=False), retries=2
    )
    with pytest.raises(anthropic.RateLimitError) as raised:
        ask(sdk)
    assert len(asked) == 1
    assert raised.value.response.headers["x-should-retry"] == "false"


@pytest.mark.parametrize(
    ("reason", "seconds", "header"),
    [
        (Reason.QUEUE_TIMEOUT, 0.0, b"1"),
        (Reason.QUEUE_TIMEOUT, 3.2, b"4"),
        (Reason.QUEUE_TIMEOUT, 61.0, b"60"),
        (Reason.QUEUE_TIMEOUT, float("inf"), b"60"),
        (Reason.QUEUE_TIMEOUT, -5.0, b"1"),
        (Reason.QUEUE_TIMEOUT, None, b"10"),
        (Reason.BREAKER_OPEN, None, b"10"),
        (Reason.SPEND, None, b"60"),
        (Reason.UPSTREAM_CUT, 2.0, b"2"),
        (Reason.UPSTREAM_CUT, None, None),
        (Reason.BAD_REQUEST, None, None),
    ],
)
def test_retry_after_is_whole_seconds_that_claude_code_obeys(
    reason: Reason, seconds: float | None, header: bytes | None
) -> None:
    reply = errors.refuse(Refusal(reason, "m", seconds), "r", as_stream=False)
    assert dict(reply.headers).get(b"retry-after") == header


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (Reason.QUEUE_TIMEOUT, "overloaded_error"),
        (Reason.LANE_BLOCKED, "overloaded_error"),
        (Reason.BREAKER_OPEN, "overloaded_error"),
        (Reason.AGENT_BUDGET, "overloaded_error"),
        (Reason.SPEND, "rate_limit_error"),
        (Reason.UPSTREAM_CUT, "api_error"),
        (Reason.UPSTREAM_TIMEOUT, "timeout_error"),
    ],
)
def test_inside_a_stream_the_sdk_raises_too(reason: Reason, kind: str) -> None:
    reply = errors.refuse(Refusal(reason, "No room."), "req-1", as_stream=True)
    sdk, _ = client(reply)
    with sdk, pytest.raises(anthropic.APIStatusError) as raised:
        list(sdk.messages.create(
            model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}], stream=True
        ))  # fmt: skip
    assert raised.value.body == {
        "type": "error",
        "error": {"type": kind, "message": "No room."},
        "request_id": "req-1",
    }


@pytest.mark.parametrize(
    ("message", "shown"),
    [("must be text", "model: must be text"), ("model: must be text", "model: must be text")],
)
def test_the_field_at_fault_is_named_once(message: str, shown: str) -> None:
    refusal = Refusal(Reason.BAD_REQUEST, message, param="model")
    assert (
        json.loads(errors.refuse(refusal, "r", as_stream=False).body)["error"]["message"] == shown
    )


@given(st.text(st.characters(exclude_categories=())))
def test_any_message_can_be_sent(message: str) -> None:
    reply = errors.refuse(Refusal(Reason.NOT_FOUND, message), "r", as_stream=True)
    assert reply.body.count(b"\n\n") == 1


PROVIDERS = [
    (529, error("overloaded_error", "Overloaded"), "overloaded_error"),
    (400, error("invalid_request_error", "max_tokens: too many"), "invalid_request_error"),
    (429, error(RATE, "The month is spent.", "enforced_spend_limit_reached"), RATE),
]


@pytest.mark.parametrize(("status", "body", "kind"), PROVIDERS)
def test_an_error_of_the_provider_is_raised_in_its_own_words_inside_a_stream(
    status: int, body: bytes, kind: str
) -> None:
    pretty = json.dumps(json.loads(body), indent=2).encode()
    event = CODEC.error_event(MESSAGES, status, pretty, "r")
    assert event is not None
    assert event.count(b"\n") == 3
    sdk, _ = client(Reply(200, ((b"content-type", b"text/event-stream"),), event))
    with sdk, pytest.raises(anthropic.APIStatusError) as raised:
        list(sdk.messages.create(
            model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}], stream=True
        ))  # fmt: skip
    assert raised.value.body == json.loads(body)
    assert raised.value.type == kind


@pytest.mark.parametrize("body", [b"", b"<html>", b'{"error":"no"}', b'{"error":{}}', b'"\\ud83d'])
def test_what_is_no_error_of_the_provider_is_not_passed_off_as_one(body: bytes) -> None:
    assert CODEC.error_event(MESSAGES, 500, body, "r") is None
