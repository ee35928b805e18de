"""Refusals as the official SDK sees them: it parses every one here."""

import json
import re

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam
from openai.types.responses import ResponseFailedEvent

from gateway.dialects import sse
from gateway.dialects.codec import Reply
from gateway.dialects.openai.codec import COMMENT, OpenAICodec
from gateway.domain.call import Endpoint, Matched
from gateway.domain.outcome import DISPOSITIONS, Reason, Refusal

CODEC = OpenAICodec()
CHAT = Matched(Endpoint.CHAT)
RESPONSES = Matched(Endpoint.RESPONSES)
ASKED = [{"role": "user", "content": "Hi"}]

CODEX_DELAY = re.compile(r"(?i)try again in\s*(\d+(?:\.\d+)?)\s*(s|ms|seconds?)")
"""How Codex finds the delay in a message (provider-facts B8)."""


def refused(reason: Reason, wait_s: float | None = 7.2, *, as_stream: bool = False) -> Reply:
    refusal = Refusal(reason, "The budget is used up.", wait_s, "model")
    return CODEC.refuse(CHAT, refusal, "gw-1", as_stream=as_stream)


def client(reply: Reply, before: bytes = b"") -> openai.OpenAI:
    """The SDK, talking to a server which answers with this reply."""

    def answer(_request: httpx2.Request) -> httpx2.Response:
        headers = [(name.decode(), value.decode()) for name, value in reply.headers]
        return httpx2.Response(reply.status, headers=headers, content=before + reply.body)

    transport = httpx2.MockTransport(answer)
    return openai.OpenAI(
        api_key="gw-test",
        base_url="http://gateway.test/v1",
        max_retries=0,
        http_client=httpx2.Client(transport=transport),
    )


def raised_by(reply: Reply) -> openai.APIError:
    with client(reply) as sdk, pytest.raises(openai.APIError) as caught:
        sdk.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}])
    return caught.value


TYPED: dict[Reason, type[openai.APIError]] = {
    Reason.UNAUTHORIZED: openai.AuthenticationError,
    Reason.FORBIDDEN: openai.PermissionDeniedError,
    Reason.BAD_REQUEST: openai.BadRequestError,
    Reason.UNKNOWN_MODEL: openai.NotFoundError,
    Reason.AGENT_BUDGET: openai.RateLimitError,
    Reason.QUEUE_TIMEOUT: openai.RateLimitError,
    Reason.SPEND: openai.RateLimitError,
    Reason.BREAKER_OPEN: openai.InternalServerError,
    Reason.UPSTREAM_TIMEOUT: openai.InternalServerError,
    Reason.TOO_LARGE: openai.APIStatusError,
}


@pytest.mark.parametrize(("reason", "kind"), TYPED.items())
def test_the_sdk_raises_its_typed_error(reason: Reason, kind: type[openai.APIError]) -> None:
    error = raised_by(refused(reason))
    assert isinstance(error, kind)
    assert "The budget is used up." in str(error)
    assert error.param == "model"
    assert error.code
    assert error.type


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_its_status_and_says_whether_to_retry(reason: Reason) -> None:
    reply = refused(reason, None)
    headers = dict(reply.headers)
    row = DISPOSITIONS[reason]
    assert reply.status == row.status
    assert headers.get(b"x-should-retry") == (b"false" if row.final else None)
    assert (b"retry-after" in headers) == (row.status in {429, 503})
    assert headers[b"content-type"] == b"application/json"


@pytest.mark.parametrize(
    ("wait_s", "told"),
    [(0.0, b"1"), (0.2, b"1"), (7.2, b"8"), (120.0, b"120"), (4000.0, b"120"), (1e300, b"120")],
)
def test_retry_after_is_whole_seconds_that_the_sdk_obeys(wait_s: float, told: bytes) -> None:
    assert dict(refused(Reason.QUEUE_FULL, wait_s).headers)[b"retry-after"] == told


def test_the_sdk_does_not_hammer_a_hard_stop() -> None:
    calls = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        calls.append(request)
        reply = refused(Reason.SPEND)
        headers = [(name.decode(), value.decode()) for name, value in reply.headers]
        return httpx2.Response(reply.status, headers=headers, content=reply.body)

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    with (
        openai.OpenAI(api_key="k", base_url="http://gateway.test/v1", http_client=http) as sdk,
        pytest.raises(openai.RateLimitError) as caught,
    ):
        sdk.models.list()
    assert caught.value.code == "insufficient_quota"
    assert len(calls) == 1


CHUNK = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m",'
    b'"choices":[{"index":0,"delta":{"content":"x"},"finish_reason":null}]}\n\n'
)


@pytest.mark.parametrize("before", [COMMENT, COMMENT + CHUNK], ids=["while waiting", "cut"])
def test_the_sdk_raises_an_error_in_a_chat_stream(before: bytes) -> None:
    reply = refused(Reason.QUEUE_TIMEOUT, as_stream=True)
    assert reply.status == 200
    with client(reply, before) as sdk:
        stream = sdk.chat.completions.create(
            model="m", messages=[{"role": "user", "content": "Hi"}], stream=True
        )
        with pytest.raises(openai.APIError) as caught:
            list(stream)
    assert caught.value.code == "rate_limit_exceeded"
    assert caught.value.type == "rate_limit_error"
    assert "Please try again in 8s. (queue_timeout, gw-1)" in caught.value.message


CREATED = (
    b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":'
    b'{"id":"resp_9","object":"response","created_at":1,"model":"m","output":[],'
    b'"parallel_tool_calls":true,"tool_choice":"auto","tools":[],"status":"in_progress"}}\n\n'
)


def failed(reason: Reason, wait_s: float | None = 7.2) -> Reply:
    refusal = Refusal(reason, "No.", wait_s)
    return CODEC.refuse(RESPONSES, refusal, "gw-1", as_stream=True)


@pytest.mark.parametrize("before", [COMMENT, COMMENT + CREATED], ids=["while waiting", "cut"])
def test_the_sdk_raises_an_error_in_a_responses_stream(before: bytes) -> None:
    reply = failed(Reason.QUEUE_TIMEOUT)
    with client(reply, before) as sdk:
        stream = sdk.responses.create(model="m", input="Hi", stream=True)
        with pytest.raises(openai.APIError) as caught:
            list(stream)
    assert caught.value.code == "rate_limit_exceeded"
    with (
        client(reply, before) as sdk,
        pytest.raises(openai.APIError, match="Please try again in 8s"),
        sdk.responses.stream(model="m", input="Hi") as helper,
    ):
        helper.until_done()


def test_a_failed_response_is_a_valid_event_of_the_sdk() -> None:
    (event,) = sse.Decoder().feed(failed(Reason.LANE_BLOCKED).body)
    assert event.event == "response.failed"
    parsed = ResponseFailedEvent.model_validate_json(event.data, strict=False)
    assert parsed.response.status == "failed"
    assert parsed.response.error is not None
    assert parsed.response.error.code == "rate_limit_exceeded"


CODEX = {
    Reason.QUEUE_TIMEOUT: (7.2, "rate_limit_exceeded", "8"),
    Reason.BREAKER_OPEN: (0.3, "rate_limit_exceeded", "1"),
    Reason.SPEND: (3600.0, "insufficient_quota", None),
    Reason.LARGER_THAN_LIMIT: (None, "invalid_prompt", None),
    Reason.UPSTREAM_CUT: (None, "server_error", None),
}


@pytest.mark.parametrize(("reason", "expected"), CODEX.items())
def test_codex_learns_what_to_do(
    reason: Reason, expected: tuple[float | None, str, str | None]
) -> None:
    wait_s, code, delay = expected
    (event,) = sse.Decoder().feed(failed(reason, wait_s).body)
    error = json.loads(event.data)["response"]["error"]
    found = CODEX_DELAY.search(error["message"])
    assert error["code"] == code
    assert (found and found[1]) == delay


def test_waiting_sdks_skip_the_comment_and_codex_gets_an_event() -> None:
    assert CODEC.keepalive(CHAT, "AsyncOpenAI/Python 3.57.0") == COMMENT
    assert CODEC.keepalive(RESPONSES, "OpenAI/JS 6.49") == COMMENT
    assert CODEC.keepalive(CHAT, "codex_cli_rs/0.169.0") == COMMENT
    ping = CODEC.keepalive(RESPONSES, "codex_cli_rs/0.169.0 (Linux)")
    (event,) = sse.Decoder().feed(ping)
    assert (event.event, json.loads(event.data)["type"]) == ("keepalive", "keepalive")
    completed = CREATED.replace(b"response.created", b"response.completed")
    with client(Reply(200, ((b"content-type", b"text/event-stream"),), completed), COMMENT) as sdk:
        events = list(sdk.responses.create(model="m", input="Hi", stream=True))
    assert [event.type for event in events] == ["response.completed"]


def told_by_provider(matched: Matched, status: int, error: object) -> Reply:
    body = json.dumps({"error": error} if isinstance(error, dict) else error, indent=2).encode()
    event = CODEC.error_event(matched, status, body, "gw-1")
    assert event is not None
    return Reply(200, ((b"content-type", b"text/event-stream"),), event)


QUOTA = {"message": "Spent.", "type": "insufficient_quota", "param": None, "code": "x_limit"}


@pytest.mark.parametrize("matched", [CHAT, RESPONSES], ids=["chat", "responses"])
def test_the_sdk_raises_a_providers_error_in_its_own_words_inside_a_stream(
    matched: Matched,
) -> None:
    with (
        client(told_by_provider(matched, 429, QUOTA), COMMENT) as sdk,
        pytest.raises(openai.APIError, match=r"Spent\.") as caught,
    ):
        if matched is CHAT:
            messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Hi"}]
            list(sdk.chat.completions.create(model="m", messages=messages, stream=True))
        else:
            list(sdk.responses.create(model="m", input="Hi", stream=True))
    assert caught.value.body == QUOTA


@pytest.mark.parametrize(
    ("status", "error", "code"),
    [
        (429, QUOTA, "x_limit"),
        (400, {"message": "Bad.", "type": "invalid_request_error", "code": None}, "invalid_prompt"),
        (500, {"message": "Oh.", "code": 500}, "server_error"),
    ],
)
def test_codex_learns_from_a_providers_error_what_to_do(
    status: int, error: dict[str, object], code: str
) -> None:
    (event,) = sse.Decoder().feed(told_by_provider(RESPONSES, status, error).body)
    failed = json.loads(event.data)["response"]["error"]
    assert (failed["code"], failed["message"]) == (code, error["message"])


def test_a_bare_error_of_an_older_vllm_is_one_too() -> None:
    event = CODEC.error_event(CHAT, 400, b'{"object":"error","message":"Too long."}', "r")
    assert event == b'data: {"error":{"object":"error","message":"Too long."}}\n\n'


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error":"no"}', b'{"error":{}}'])
def test_what_is_no_error_of_the_provider_is_not_passed_off_as_one(body: bytes) -> None:
    assert CODEC.error_event(CHAT, 500, body, "r") is None


def test_no_client_hurries() -> None:
    assert not CODEC.hurries("codex_cli_rs/0.169.0")
