import json

import msgspec
import pytest

from gateway.dialects.decoding import decode
from gateway.dialects.openai.codec import OpenAICodec
from gateway.dialects.registry import match
from gateway.domain.call import Endpoint, Matched

CODEC = OpenAICodec()
CHAT = Matched(Endpoint.CHAT)
HALF = rb'{"model":"m","stream":true,"messages":[{"role":"user","content":"cut here: \ud83d"}]}'
TEXT = msgspec.json.Decoder(str)


def test_half_a_surrogate_pair_is_for_the_provider_to_judge() -> None:
    facts = CODEC.read(CHAT, HALF)
    assert facts.prompt_bytes == HALF.index(b"]}") - HALF.index(b"[") - 1
    changed = CODEC.with_usage(CHAT, HALF)
    assert changed == b'{"stream_options":{"include_usage":true},' + HALF[1:]
    assert json.loads(changed)["messages"] == json.loads(HALF)["messages"]


@pytest.mark.parametrize("body", [b"{", b'"', b'"\\ud83d', b'"\xff"', b"[]"])
def test_what_is_no_text_is_refused(body: bytes) -> None:
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        decode(TEXT, body)


def test_whole_pairs_are_decoded_as_they_are() -> None:
    assert decode(TEXT, rb'"\ud83d\ude00"') == "\U0001f600"


HALF_EMOJI = '"cut \\ud83d here"'


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        (
            "POST",
            "/v1/messages",
            '{"model":"m","max_tokens":9,"messages":[{"role":"user","content":%s}]}',
        ),
        ("POST", "/v1/chat/completions", '{"model":"m","messages":[{"role":"user","content":%s}]}'),
        ("POST", "/v1/responses", '{"model":"m","input":%s}'),
        ("POST", "/v1beta/models/m:generateContent", '{"contents":[{"parts":[{"text":%s}]}]}'),
    ],
)
def test_every_dialect_reads_half_a_surrogate_pair(method: str, path: str, body: str) -> None:
    """JavaScript clients that cut a text inside an emoji send these; the provider decides."""
    found = match(method, path, [])
    assert found is not None
    codec, matched = found
    assert codec.read(matched, (body % HALF_EMOJI).encode()).model == "m"
