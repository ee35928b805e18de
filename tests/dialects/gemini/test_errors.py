import json
from typing import Any

import pytest
from google.genai import errors as sdk

from gateway.dialects.codec import Codec, Reply
from gateway.dialects.gemini.codec import GeminiCodec
from gateway.dialects.gemini.errors import STATUS_NAMES
from gateway.domain.call import Endpoint, Matched
from gateway.domain.outcome import DISPOSITIONS, Reason, Refusal

from .answering import client

CODEC: Codec = GeminiCodec()
CALL = Matched(Endpoint.GENERATE, "m")
SSE = ((b"content-type", b"text/event-stream"),)


def refuse(refusal: Refusal) -> Reply:
    return CODEC.refuse(CALL, refusal, "req-1")


def error_in(reply: Reply) -> dict[str, Any]:
    found = json.loads(reply.body)["error"]
    assert isinstance(found, dict)
    return found


@pytest.mark.parametrize("reason", list(Reason))
def test_the_sdk_raises_its_typed_error_for_every_reason(reason: Reason) -> None:
    disposition = DISPOSITIONS[reason]
    kind = sdk.ClientError if disposition.status < 500 else sdk.ServerError
    with client(refuse(Refusal(reason, "No.", retry_after_s=2.0))) as gemini:
        with pytest.raises(kind) as caught:
            gemini.models.generate_content(model="m", contents="x")
        assert caught.value.code == disposition.status
        assert caught.value.status == STATUS_NAMES[disposition.status]
        assert str(caught.value.message).startswith("No.")
        with pytest.raises(kind):
            list(gemini.models.generate_content_stream(model="m", contents="x"))


def _stream_of(refusal: Refusal, before: bytes = b"") -> Reply:
    event = CODEC.refuse(CALL, refusal, "req-1", as_stream=True)
    return Reply(200, SSE, before + event.body)


@pytest.mark.parametrize("before", [b"", CODEC.keepalive(CALL, "GeminiCLI/1") * 3])
@pytest.mark.parametrize("reason", [Reason.QUEUE_TIMEOUT, Reason.UPSTREAM_CUT, Reason.SPEND])
async def test_the_sdk_raises_an_error_that_comes_after_the_head(
    reason: Reason, before: bytes
) -> None:
    disposition = DISPOSITIONS[reason]
    with client(_stream_of(Refusal(reason, "No.", retry_after_s=2.5), before)) as gemini:
        with pytest.raises(sdk.APIError) as caught:
            list(gemini.models.generate_content_stream(model="m", contents="x"))
        assert caught.value.code == disposition.status
        assert caught.value.status == STATUS_NAMES[disposition.status]
        stream = await gemini.aio.models.generate_content_stream(model="m", contents="x")
        with pytest.raises(sdk.APIError):
            async for _ in stream:
                pass
        await gemini.aio.aclose()


def test_a_stream_after_keepalives_is_read_as_if_they_were_not_there() -> None:
    chunk = {"candidates": [{"content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}]}
    data = b"data: " + json.dumps(chunk).encode() + b"\r\n\r\n"
    with client(Reply(200, SSE, CODEC.keepalive(CALL, "") * 4 + data)) as gemini:
        texts = [c.text for c in gemini.models.generate_content_stream(model="m", contents="x")]
    assert texts == ["hello"]


def test_the_time_to_wait_is_said_wherever_a_client_looks() -> None:
    reply = refuse(Refusal(Reason.QUEUE_TIMEOUT, "It would take too long.", retry_after_s=31.4001))
    error = error_in(reply)
    assert error["message"] == "It would take too long. Please retry in 31.401s."
    assert error["details"] == [
        {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "31.401s"}
    ]
    assert dict(reply.headers)[b"retry-after"] == b"32"
    assert b"x-should-retry" not in dict(reply.headers)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0, "0s"), (60.0, "60s"), (-1.0, "0s"), (1e-4, "0.001s"), (4e3, "300s")]
)
def test_a_wait_is_written_without_needless_digits(seconds: float, text: str) -> None:
    reply = refuse(Refusal(Reason.LANE_BLOCKED, "No.", retry_after_s=seconds))
    assert error_in(reply)["details"][0]["retryDelay"] == text
    assert int(dict(reply.headers)[b"retry-after"]) >= 1


def test_no_wait_is_invented_but_the_least_that_the_status_demands() -> None:
    reply = refuse(Refusal(Reason.OVERLOADED, "No."))
    assert "details" not in error_in(reply)
    assert dict(reply.headers)[b"retry-after"] == b"1"
    assert b"retry-after" not in dict(refuse(Refusal(Reason.INTERNAL, "No.")).headers)


def test_a_spend_limit_makes_every_client_stop() -> None:
    reply = refuse(Refusal(Reason.SPEND, "The day's money is spent.", retry_after_s=7200.0))
    headers = dict(reply.headers)
    assert headers[b"x-should-retry"] == b"false"
    assert headers[b"retry-after"] == b"7200"
    violation = error_in(reply)["details"][0]["violations"][0]
    assert "PerDay" in violation["quotaId"]  # what Gemini CLI takes as final
    assert "retry in" not in error_in(reply)["message"]


def test_the_field_at_fault_is_named() -> None:
    detail = error_in(refuse(Refusal(Reason.BAD_REQUEST, "Wrong.", param="contents")))["details"][0]
    assert detail["fieldViolations"] == [{"field": "contents", "description": "Wrong."}]


def test_an_error_event_has_a_numeric_code_and_no_name() -> None:
    body = CODEC.refuse(CALL, Refusal(Reason.INTERNAL, "No."), "r", as_stream=True).body
    assert body.startswith(b"data: {")
    assert body.endswith(b"}\r\n\r\n")
    assert body.count(b"\n") == 2
    assert json.loads(body[6:])["error"] == {"code": 500, "message": "No.", "status": "INTERNAL"}


def test_every_status_of_a_refusal_has_a_name() -> None:
    assert {each.status for each in DISPOSITIONS.values()} <= STATUS_NAMES.keys()


SPENT = {"code": 429, "message": "Spent.", "status": "RESOURCE_EXHAUSTED", "details": []}


@pytest.mark.parametrize("body", [{"error": SPENT}, [{"error": SPENT}]], ids=["plain", "in array"])
def test_the_sdk_raises_a_providers_error_in_its_own_words_inside_a_stream(body: object) -> None:
    event = CODEC.error_event(CALL, 429, json.dumps(body, indent=2).encode(), "r")
    assert event is not None
    with client(Reply(200, SSE, CODEC.keepalive(CALL, "") * 2 + event)) as gemini:
        with pytest.raises(sdk.ClientError) as caught:
            list(gemini.models.generate_content_stream(model="m", contents="x"))
        assert (caught.value.code, caught.value.message) == (429, "Spent.")
        assert caught.value.status == "RESOURCE_EXHAUSTED"


def test_a_providers_error_without_a_code_gets_its_status_as_one() -> None:
    event = CODEC.error_event(CALL, 503, b'{"error":{"message":"No."}}', "r")
    assert event == b'data: {"error":{"message":"No.","code":503}}\r\n\r\n'


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"[1]", b'{"error":"no"}', b"7"])
def test_what_is_no_error_of_the_provider_is_not_passed_off_as_one(body: bytes) -> None:
    assert CODEC.error_event(CALL, 500, body, "r") is None


def test_in_an_array_an_error_is_an_element() -> None:
    """Without `alt=sse` a stream is one JSON array; white space before it is part of it."""
    array = Matched(Endpoint.GENERATE, "m", stream=True)
    refusal = Refusal(Reason.QUEUE_TIMEOUT, "No.", retry_after_s=2.0)
    own = CODEC.keepalive(array, "") * 3 + CODEC.refuse(array, refusal, "r", as_stream=True).body
    (element,) = json.loads(own)
    assert element["error"]["code"] == 429
    body = json.dumps({"error": SPENT}).encode()
    theirs = CODEC.error_event(array, 429, body, "r")
    assert theirs is not None
    assert json.loads(theirs) == [{"error": SPENT}]
