import json

import msgspec
import pytest

from gateway.dialects.openai.codec import OpenAICodec
from gateway.dialects.openai.decoding import decode
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
