"""The Anthropic codec as a whole."""

import pytest

from gateway.dialects.anthropic.codec import AnthropicCodec
from gateway.dialects.codec import Codec
from gateway.dialects.tap import JsonTap, NullTap, SseTap
from gateway.domain.call import CallFacts, Dialect, Endpoint, Matched
from gateway.domain.limits import Dimension, Headroom
from gateway.domain.outcome import ProviderVerdict, Reason, Refusal
from gateway.domain.usage import Usage

CODEC: Codec = AnthropicCodec()
MESSAGES = Matched(Endpoint.MESSAGES)
COUNT = Matched(Endpoint.COUNT_TOKENS)
FACTS = CallFacts("m")


@pytest.mark.parametrize(
    ("method", "path", "endpoint"),
    [
        ("POST", "/v1/messages", Endpoint.MESSAGES),
        ("POST", "/v1/messages/count_tokens", Endpoint.COUNT_TOKENS),
        ("GET", "/v1/models", Endpoint.MODELS),
        ("HEAD", "/v1/models", Endpoint.MODELS),
        ("GET", "/v1/models/claude-sonnet-5", Endpoint.MODELS),
        ("POST", "/v1/models", Endpoint.PASSTHROUGH),
        ("GET", "/v1/modelsx", Endpoint.PASSTHROUGH),
        ("GET", "/v1/messages", Endpoint.PASSTHROUGH),
        ("POST", "/v1/messages/batches", Endpoint.PASSTHROUGH),
        ("GET", "/v1/messages/batches/b/results", Endpoint.PASSTHROUGH),
        ("POST", "/v1/files", Endpoint.PASSTHROUGH),
    ],
)
def test_a_path_is_matched(method: str, path: str, endpoint: Endpoint) -> None:
    assert CODEC.match(method, path) == Matched(endpoint)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1beta/models", "/v2/messages", "/api/hello", ""])
def test_a_path_outside_the_api_is_not(path: str) -> None:
    assert CODEC.match("POST", path) is None


@pytest.mark.parametrize(
    ("matched", "content_type", "kind"),
    [
        (MESSAGES, "text/event-stream; charset=utf-8", SseTap),
        (MESSAGES, "Text/Event-Stream", SseTap),
        (MESSAGES, "application/json", JsonTap),
        (MESSAGES, "text/html", NullTap),
        (MESSAGES, "", NullTap),
        (COUNT, "application/json", JsonTap),
        (Matched(Endpoint.PASSTHROUGH), "text/event-stream", NullTap),
    ],
)
def test_a_tap_fits_the_answer(matched: Matched, content_type: str, kind: type) -> None:
    assert type(CODEC.tap(matched, FACTS, content_type)) is kind


def test_a_unary_answer_is_metered() -> None:
    tap = CODEC.tap(MESSAGES, CODEC.read(MESSAGES, b'{"model":"m"}'), "application/json")
    tap.feed(b'{"model":"m","usage":{"input_tokens":3,')
    tap.feed(b'"output_tokens":4}}')
    tap.finish()
    assert (tap.usage, tap.complete, tap.model) == (Usage(3, output_tokens=4), True, "m")


def test_a_counted_prompt_costs_nothing() -> None:
    tap = CODEC.tap(COUNT, CODEC.read(COUNT, b'{"model":"m"}'), "application/json")
    tap.feed(b'{"input_tokens":3}')
    tap.finish()
    assert (tap.usage, tap.complete) == (Usage(), True)


def test_the_rest_of_the_interface_is_wired() -> None:
    body = b'{"model":"m"}'
    assert CODEC.dialect is Dialect.ANTHROPIC
    assert CODEC.with_usage(MESSAGES, body) is body
    assert CODEC.max_output_default(MESSAGES) is None
    assert not CODEC.hurries("claude-cli/2.1")
    assert CODEC.keepalive(MESSAGES, "claude-cli/2.1") == b'event: ping\ndata: {"type":"ping"}\n\n'
    assert CODEC.headroom([(b"anthropic-ratelimit-requests-limit", b"5")]) == (
        Headroom(Dimension.RPM, 5, None),
    )
    assert CODEC.classify(529, [], b"", 0.0).verdict is ProviderVerdict.OVERLOADED
    assert CODEC.refuse(MESSAGES, Refusal(Reason.QUEUE_FULL, "m"), "r").status == 429
    assert (
        CODEC.refuse(MESSAGES, Refusal(Reason.QUEUE_FULL, "m"), "r", as_stream=True).status == 200
    )
    listed = CODEC.list_models([], "/v1/models", "")
    assert CODEC.parse_models(listed.body) == ()
