import json

import pytest

from gateway.dialects.openai.codec import OpenAICodec
from gateway.domain.call import CallFacts, Endpoint, Matched
from gateway.domain.usage import Usage

CODEC = OpenAICodec()
FACTS = CallFacts("m")

ANSWERS: dict[str, tuple[Endpoint, object, Usage | None, bool]] = {
    "chat": (
        Endpoint.CHAT,
        {
            "model": "m",
            "service_tier": "flex",
            "choices": [{"message": {"content": "x"}}],
            "usage": {
                "prompt_tokens": 20,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 8, "cache_write_tokens": None},
                "completion_tokens_details": {"reasoning_tokens": 2},
            },
        },
        Usage(12, 8, 0, 0, 5, 2, "flex"),
        True,
    ),
    "cached over the prompt is not negative input": (
        Endpoint.CHAT,
        {
            "model": "m",
            "usage": {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}},
        },
        Usage(0, 9),
        True,
    ),
    "negative counts are none": (
        Endpoint.CHAT,
        {"model": "m", "usage": {"prompt_tokens": -3, "completion_tokens": -1}},
        Usage(),
        True,
    ),
    "a response": (
        Endpoint.RESPONSES,
        {
            "model": "m",
            "service_tier": "default",
            "usage": {"input_tokens": 9, "output_tokens": 4},
        },
        Usage(9, output_tokens=4, service_tier="default"),
        True,
    ),
    "a background response has no usage yet": (
        Endpoint.RESPONSES,
        {"model": "m", "status": "queued", "usage": None},
        None,
        True,
    ),
    "a compaction": (
        Endpoint.RESPONSES,
        {"object": "response.compaction", "model": "m", "usage": {"input_tokens": 7}},
        Usage(7),
        True,
    ),
    "embeddings": (
        Endpoint.EMBEDDINGS,
        {"model": "m", "data": [], "usage": {"prompt_tokens": 6, "total_tokens": 6}},
        Usage(6),
        True,
    ),
    "counted tokens are not used tokens": (
        Endpoint.COUNT_TOKENS,
        {"object": "response.input_tokens", "model": "m", "input_tokens": 900},
        Usage(),
        True,
    ),
    "a list is no answer": (Endpoint.CHAT, [], None, False),
    "a count that is a list is no answer": (Endpoint.COUNT_TOKENS, [], None, False),
}


@pytest.mark.parametrize(
    ("endpoint", "body", "usage", "whole"), ANSWERS.values(), ids=ANSWERS.keys()
)
def test_usage_of_a_whole_answer(
    endpoint: Endpoint, body: object, usage: Usage | None, whole: bool
) -> None:
    raw = json.dumps(body).encode()
    tap = CODEC.tap(Matched(endpoint), FACTS, "application/json")
    for at in range(len(raw)):
        assert tap.feed(raw[at : at + 1]) == raw[at : at + 1]
    assert tap.finish() == b""
    assert (tap.usage, tap.complete, tap.model) == (usage, whole, "m" if whole else "")


def test_half_an_answer_is_not_complete() -> None:
    tap = CODEC.tap(Matched(Endpoint.CHAT), FACTS, "application/json")
    tap.feed(b'{"usage":{"prompt_tokens":1}')
    tap.finish()
    assert (tap.usage, tap.complete) == (None, False)


TYPES = {
    "a stream that answers in JSON": (Endpoint.CHAT, True, "application/json", "JsonTap"),
    "an unnamed stream": (Endpoint.CHAT, True, "", "SseTap"),
    "an unnamed answer": (Endpoint.CHAT, False, "", "JsonTap"),
    "a stream nobody asked for": (Endpoint.RESPONSES, False, "text/event-stream", "SseTap"),
    "embeddings are never streamed": (Endpoint.EMBEDDINGS, False, "text/event-stream", "JsonTap"),
    "a path without a codec": (Endpoint.PASSTHROUGH, False, "application/json", "NullTap"),
}


@pytest.mark.parametrize(("endpoint", "stream", "kind", "tap"), TYPES.values(), ids=TYPES.keys())
def test_the_tap_follows_what_the_answer_says_it_is(
    endpoint: Endpoint, stream: bool, kind: str, tap: str
) -> None:
    found = CODEC.tap(Matched(endpoint), CallFacts("m", stream=stream), kind)
    assert type(found).__name__ == tap
