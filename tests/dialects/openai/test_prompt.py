import json
from typing import Any

import pytest

from gateway.dialects.openai import prompt
from gateway.dialects.openai.codec import OpenAICodec
from gateway.domain.call import CallFacts, Endpoint, Matched

CODEC = OpenAICodec()
BASE64 = "QUJD" * 1_000


def read(endpoint: Endpoint, **body: Any) -> CallFacts:
    raw = json.dumps({"model": "m", **body}, separators=(",", ":")).encode()
    return CODEC.read(Matched(endpoint), raw)


def chat(part: dict[str, Any]) -> CallFacts:
    return read(Endpoint.CHAT, messages=[{"role": "user", "content": [part]}])


def response(item: dict[str, Any]) -> CallFacts:
    return read(Endpoint.RESPONSES, input=[item])


DATA_URL = f"data:image/png;base64,{BASE64}"
IMAGE = {"type": "input_image", "image_url": DATA_URL}
MEDIA = {
    "an inline image": (
        chat({"type": "image_url", "image_url": {"url": DATA_URL}}),
        prompt.IMAGE_TOKENS,
    ),
    "an image of low detail": (
        chat({"type": "image_url", "image_url": {"url": DATA_URL, "detail": "low"}}),
        prompt.LOW_DETAIL_IMAGE_TOKENS,
    ),
    "a sound": (
        chat({"type": "input_audio", "input_audio": {"data": BASE64, "format": "mp3"}}),
        2,
    ),
    "a file": (chat({"type": "file", "file": {"filename": "a.pdf", "file_data": BASE64}}), 67),
    "an image in a response": (response({"role": "user", "content": [IMAGE]}), 1_000),
    "an image that a tool gave": (
        response({"type": "function_call_output", "call_id": "c", "output": [IMAGE]}),
        1_000,
    ),
    "a screenshot": (
        response(
            {
                "type": "computer_call_output",
                "output": {"type": "computer_screenshot", "image_url": DATA_URL},
            }
        ),
        1_000,
    ),
    "a generated image": (
        response({"type": "image_generation_call", "id": "i", "result": BASE64}),
        1_000,
    ),
    "a document": (
        response({"role": "user", "content": [{"type": "input_file", "file_data": DATA_URL}]}),
        67,
    ),
    "an image elsewhere": (
        chat({"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}),
        1_000,
    ),
}


@pytest.mark.parametrize(("facts", "tokens"), MEDIA.values(), ids=MEDIA.keys())
def test_base64_is_estimated_and_not_counted_as_text(facts: CallFacts, tokens: int) -> None:
    assert facts.media_tokens == tokens
    assert facts.prompt_bytes < 200


def test_base64_in_a_text_is_text() -> None:
    facts = chat({"type": "text", "text": f"This image_url: {DATA_URL}"})
    assert facts.media_tokens == 0
    assert facts.prompt_bytes > len(DATA_URL)


def test_the_name_of_a_kind_of_media_is_not_media() -> None:
    facts = read(
        Endpoint.CHAT,
        messages=[
            {"type": "of_next_year", "content": ["image_url", {"type": 7}]},
            {"type": "input_audio", "input_audio": "file_data"},
            {"type": "file", "file": {"file_id": "file_data"}},
        ],
    )
    assert facts.media_tokens == 0


def test_media_that_cannot_be_parsed_counts_whole() -> None:
    body = b'{"model":"m","messages":[{"type":"image_url","x":"\xff"}]}'
    facts = CODEC.read(Matched(Endpoint.CHAT), body)
    assert (facts.media_tokens, facts.prompt_bytes) == (0, len(b'{"type":"image_url","x":"?"}'))


TURN = {"role": "user", "content": "word " * 1_000}


def test_a_longer_conversation_keeps_the_cut_points_of_the_shorter() -> None:
    short = read(Endpoint.CHAT, messages=[TURN, TURN])
    long = read(Endpoint.CHAT, messages=[TURN, TURN, TURN])
    assert len(short.prefixes) == 2
    assert long.prefixes[:2] == short.prefixes
    assert long.prefixes[-1].prompt_bytes == long.prompt_bytes
    assert {len(prefix.digest) for prefix in long.prefixes} == {prompt.DIGEST_BYTES}


CHANGES: dict[str, dict[str, Any]] = {
    "tools": {"tools": [{"type": "function"}]},
    "the cache key": {"prompt_cache_key": "other"},
    "the answer's schema": {"response_format": {"type": "json_object"}},
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_what_stands_before_the_messages_changes_every_cut_point(change: dict[str, Any]) -> None:
    plain = read(Endpoint.CHAT, messages=[TURN, TURN])
    changed = read(Endpoint.CHAT, messages=[TURN, TURN], **change)
    assert not {p.digest for p in plain.prefixes} & {p.digest for p in changed.prefixes}


def test_only_the_last_cut_points_are_kept() -> None:
    facts = read(Endpoint.CHAT, messages=[TURN] * 30)
    assert len(facts.prefixes) == prompt.MAX_PREFIXES
    assert facts.prefixes[-1].prompt_bytes == facts.prompt_bytes


def test_a_prompt_below_the_minimum_has_no_cut_points() -> None:
    assert read(Endpoint.CHAT, messages=[{"role": "user", "content": "Hi"}]).prefixes == ()


def test_instructions_are_a_piece_of_their_own() -> None:
    one = read(Endpoint.RESPONSES, instructions="a " * 3_000, input="one")
    two = read(Endpoint.RESPONSES, instructions="a " * 3_000, input="two")
    assert one.prefixes[0] == two.prefixes[0]
    assert one.prefixes[1] != two.prefixes[1]


def test_a_prompt_that_asked_not_to_be_cached_has_no_cut_points() -> None:
    facts = read(Endpoint.CHAT, messages=[TURN, TURN], prompt_cache_options={"mode": "explicit"})
    assert (facts.prefixes, facts.cache_lifetime_s) == ((), 0)


def test_explicit_breakpoints_are_caching() -> None:
    turn = {
        "role": "user",
        "content": [{"type": "text", "text": "x", "prompt_cache_breakpoint": {"mode": "explicit"}}],
    }
    facts = read(Endpoint.CHAT, messages=[turn], prompt_cache_options={"mode": "explicit"})
    assert facts.cache_lifetime_s > 0
