import json
from typing import Any

import pytest

from gateway.dialects.codec import Codec, Tap
from gateway.dialects.gemini.codec import GeminiCodec
from gateway.dialects.gemini.streams import ArrayTap, EventTap
from gateway.dialects.tap import NullTap
from gateway.domain.call import CallFacts, Dialect, Endpoint, Matched
from gateway.domain.outcome import ProviderVerdict
from gateway.domain.usage import Usage

CODEC: Codec = GeminiCodec()
FACTS = CallFacts(model="m")
GENERATE = Matched(Endpoint.GENERATE, "m")
STREAM = Matched(Endpoint.GENERATE, "m", stream=True)
EMBED = Matched(Endpoint.EMBEDDINGS, "m")
COUNT = Matched(Endpoint.COUNT_TOKENS, "m")


def unary(matched: Matched, body: Any, facts: CallFacts = FACTS) -> Tap:
    tap = CODEC.tap(matched, facts, "application/json; charset=UTF-8")
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    for i in range(0, len(data), 7):
        tap.feed(data[i : i + 7])
    tap.finish()
    return tap


def test_the_codec_keeps_its_interface() -> None:
    assert CODEC.dialect is Dialect.GEMINI
    assert CODEC.match("POST", "/v1/models/m:generateContent") == GENERATE
    assert CODEC.read(GENERATE, b"{}").model == "m"
    body = b"{}"
    assert CODEC.with_usage(GENERATE, body) is body
    assert CODEC.headroom([(b"x-ratelimit-limit-requests", b"1")]) == ()
    assert CODEC.classify(503, (), b"", 0.0).verdict is ProviderVerdict.OVERLOADED
    assert CODEC.max_output_default(GENERATE) == 65_536
    assert CODEC.max_output_default(EMBED) == 0
    assert CODEC.keepalive(STREAM, "GeminiCLI/0.61").strip() == b""
    assert CODEC.hurries("GeminiCLI/0.61.0/gemini-2.5-pro (linux; x64)")
    assert not CODEC.hurries("google-genai-sdk/3.6.1 gl-python/3.11")
    assert CODEC.list_models([], "/v1beta/models", "").status == 200
    assert CODEC.parse_models(b"{}") == ()


@pytest.mark.parametrize(
    ("matched", "content_type", "kind"),
    [
        (STREAM, "text/event-stream", EventTap),
        (STREAM, "Text/Event-Stream; charset=utf-8", EventTap),
        (STREAM, "application/json; charset=UTF-8", ArrayTap),
        (Matched(Endpoint.PASSTHROUGH), "text/event-stream", NullTap),
        (Matched(Endpoint.MODELS), "application/json", NullTap),
    ],
)
def test_the_tap_goes_by_what_the_answer_is(
    matched: Matched, content_type: str, kind: type
) -> None:
    assert type(CODEC.tap(matched, FACTS, content_type)) is kind


def test_a_unary_answer_is_read_when_it_is_whole() -> None:
    answer = {
        "candidates": [{"content": {"parts": [{"text": "hello"}]}, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": 20,
            "cachedContentTokenCount": 15,
            "candidatesTokenCount": 3,
            "thoughtsTokenCount": 2,
        },
        "modelVersion": "m-001",
    }
    tap = unary(GENERATE, answer)
    assert tap.usage == Usage(5, 15, output_tokens=5, reasoning_tokens=2)
    assert (tap.complete, tap.failed, tap.model) == (True, False, "m-001")
    cut = unary(GENERATE, json.dumps(answer).encode()[:-9])
    assert (cut.usage, cut.complete) == (None, False)


def test_vectors_counts_and_pictures_are_not_taken_for_text() -> None:
    vectors = {"embedding": {"values": [0.123456] * 900}}
    pictures = {"candidates": [{"content": {"parts": [{"inlineData": {"data": "A" * 9000}}]}}]}
    assert unary(EMBED, vectors).output_bytes == 0
    assert unary(EMBED, vectors).usage is None
    assert unary(EMBED, vectors | {"usageMetadata": {"promptTokenCount": 4}}).usage == Usage(4)
    assert unary(COUNT, {"totalTokens": 31}).usage == Usage()
    assert unary(COUNT, {"totalTokens": 31}).complete
    facts = CallFacts(model="m", text_only_output=False)
    assert unary(GENERATE, pictures, facts).output_bytes == 0
    assert unary(GENERATE, pictures).output_bytes > 0
