"""What crosses the gateway, and what does not."""

import pytest

from gateway.dataplane.headers import downstream_headers, upstream_headers
from gateway.domain.call import Dialect
from gateway.domain.topology import Provider
from gateway.ports import Headers

CLAUDE = Provider("claude", Dialect.ANTHROPIC, "https://api.example", api_key="provider-secret")
LOGIN = Provider("login", Dialect.ANTHROPIC, "https://api.example", passthrough=True)
LOCAL = Provider("local", Dialect.OPENAI, "http://vllm:8000/v1")


def sent(headers: Headers, provider: Provider = CLAUDE, *, plain: bool = False) -> Headers:
    return upstream_headers(headers, provider, metered=True, plain=plain)


@pytest.mark.parametrize(
    "field",
    [
        (b"anthropic-version", b"2026-10-21"),
        (b"anthropic-beta", b"something-nobody-knows-yet"),
        (b"x-stainless-retry-count", b"0"),
        (b"x-claude-code-session-id", b"abc"),
        (b"x-codex-turn-state", b"opaque"),
        (b"traceparent", b"00-1-2-01"),
        (b"user-agent", b"claude-cli/2.1.331"),
        (b"content-type", b"application/json"),
        (b"content-encoding", b"gzip"),
    ],
)
def test_unknown_and_end_to_end_fields_go_upstream_unchanged(field: tuple[bytes, bytes]) -> None:
    assert field in sent([field])


@pytest.mark.parametrize(
    "name",
    ["connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host",
     "content-length", "proxy-authorization", "proxy-connection", "expect"],
)  # fmt: skip
def test_connection_fields_stay(name: str) -> None:
    assert name.encode() not in dict(sent([(name.encode(), b"x")]))


def test_fields_named_by_connection_stay() -> None:
    headers = [(b"connection", b"close, X-Private"), (b"x-private", b"1"), (b"x-public", b"2")]
    assert dict(sent(headers)).keys() >= {b"x-public"}
    assert b"x-private" not in dict(sent(headers))


@pytest.mark.parametrize("name", [b"x-api-key", b"authorization", b"x-goog-api-key"])
def test_the_agents_key_never_goes_upstream(name: bytes) -> None:
    out = sent([(name, b"gw-agent-key"), (b"x-gateway-key", b"gw-agent-key")])
    assert all(b"gw-agent-key" not in value for _, value in out)
    assert (b"x-api-key", b"provider-secret") in out


def test_a_passthrough_provider_gets_the_callers_own_login_but_not_the_gateway_key() -> None:
    out = sent([(b"authorization", b"Bearer login"), (b"x-gateway-key", b"gw-key")], LOGIN)
    assert out == [(b"authorization", b"Bearer login")]


def test_a_server_without_key_gets_none() -> None:
    assert sent([(b"authorization", b"Bearer gw-key")], LOCAL) == []


@pytest.mark.parametrize(
    ("offered", "forwarded"),
    [
        (b"gzip, deflate", b"gzip, deflate"),
        (b"gzip, deflate, br, zstd", b"gzip, deflate"),
        (b"br;q=1.0, gzip;q=0.8", b"gzip;q=0.8"),
        (b"br", b"identity"),
        (b"identity", b"identity"),
    ],
)
def test_only_encodings_that_can_be_metered_are_asked_for(offered: bytes, forwarded: bytes) -> None:
    assert sent([(b"accept-encoding", offered)]) == [
        (b"accept-encoding", forwarded),
        (b"x-api-key", b"provider-secret"),
    ]


def test_a_changed_body_goes_plain_and_asks_for_a_plain_answer() -> None:
    out = dict(sent([(b"content-encoding", b"gzip"), (b"accept-encoding", b"gzip")], plain=True))
    assert out == {b"accept-encoding": b"identity", b"x-api-key": b"provider-secret"}


def test_answers_keep_everything_but_connection_fields() -> None:
    headers = [
        (b"Content-Type", b"text/event-stream"),
        (b"Request-Id", b"req_1"),
        (b"Retry-After", b"7"),
        (b"anthropic-ratelimit-tokens-remaining", b"1000"),
        (b"Set-Cookie", b"a=1"),
        (b"Set-Cookie", b"b=2"),
        (b"Connection", b"close, x-hop"),
        (b"X-Hop", b"1"),
        (b"Transfer-Encoding", b"chunked"),
        (b"Content-Length", b"12"),
    ]
    assert downstream_headers(headers, resized=False) == [
        (b"content-type", b"text/event-stream"),
        (b"request-id", b"req_1"),
        (b"retry-after", b"7"),
        (b"anthropic-ratelimit-tokens-remaining", b"1000"),
        (b"set-cookie", b"a=1"),
        (b"set-cookie", b"b=2"),
        (b"content-length", b"12"),
    ]
    assert b"content-length" not in dict(downstream_headers(headers, resized=True))
