"""Usage as reported, and unary answers."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic import responses
from gateway.dialects.tap import Seen
from gateway.domain.usage import ModelUsage, Usage

USAGES: list[tuple[str, dict[str, object], Usage]] = [
    ("plain", {"input_tokens": 10, "output_tokens": 5}, Usage(10, output_tokens=5)),
    (
        "nulls",
        {"input_tokens": 10, "output_tokens": 5, "cache_creation": None, "service_tier": None,
         "cache_read_input_tokens": None, "cache_creation_input_tokens": None},
        Usage(10, output_tokens=5),
    ),
    (
        "caches of both lifetimes",
        {"input_tokens": 1, "output_tokens": 2, "cache_read_input_tokens": 300,
         "cache_creation_input_tokens": 70, "service_tier": "standard",
         "cache_creation": {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 40}},
        Usage(1, 300, 70, 40, 2, service_tier="standard"),
    ),
    (
        "thinking is part of the output",
        {"input_tokens": 1, "output_tokens": 90, "output_tokens_details": {"thinking_tokens": 60}},
        Usage(1, output_tokens=90, reasoning_tokens=60),
    ),
    (
        "fast mode",
        {"input_tokens": 1, "output_tokens": 2, "service_tier": "standard", "speed": "fast"},
        Usage(1, output_tokens=2, service_tier="fast"),
    ),
    (
        "compaction is billed besides the totals",
        {"input_tokens": 10, "output_tokens": 5, "iterations": [
            {"type": "message", "input_tokens": 10, "output_tokens": 5},
            {"type": "compaction", "input_tokens": 100, "output_tokens": 20,
             "cache_read_input_tokens": 7, "cache_creation_input_tokens": 3,
             "cache_creation": {"ephemeral_1h_input_tokens": 3}}]},
        Usage(110, 7, 3, 3, 25),
    ),
    (
        "an advisor's tokens are another model's",
        {"input_tokens": 10, "output_tokens": 5, "iterations": [
            {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 900,
             "output_tokens": 400}]},
        Usage(
            10,
            output_tokens=5,
            others=(ModelUsage("claude-opus-5", Usage(900, output_tokens=400)),),
        ),
    ),
    (
        "a model that declined is told apart where the runs add up",
        {"input_tokens": 20, "output_tokens": 6, "iterations": [
            {"type": "message", "model": "claude-opus-5", "input_tokens": 9, "output_tokens": 1},
            {"type": "fallback_message", "model": "claude-sonnet-5", "input_tokens": 11,
             "output_tokens": 5}]},
        Usage(
            11,
            output_tokens=5,
            others=(ModelUsage("claude-opus-5", Usage(9, output_tokens=1)),),
        ),
    ),
    (
        "and is not where they do not",
        {"input_tokens": 11, "output_tokens": 5, "iterations": [
            {"type": "message", "model": "claude-opus-5", "input_tokens": 9, "output_tokens": 1},
            {"type": "fallback_message", "model": "claude-sonnet-5", "input_tokens": 11,
             "output_tokens": 5}]},
        Usage(11, output_tokens=5),
    ),
    (
        "searches and where it ran are told",
        {"input_tokens": 1, "output_tokens": 1, "inference_geo": "us",
         "server_tool_use": {"web_search_requests": 2}},
        Usage(1, output_tokens=1, us_only=True, web_searches=2),
    ),
    ("negative numbers", {"input_tokens": -4, "output_tokens": 5}, Usage(0, output_tokens=5)),
]  # fmt: skip


def read(usage: object, *, long_cache: bool = False) -> Seen:
    seen = Seen()
    message = {"type": "message", "model": "claude-sonnet-5", "content": [], "usage": usage}
    responses.read_message(seen, json.dumps(message).encode(), long_cache=long_cache)
    return seen


@pytest.mark.parametrize(("usage", "read_as"), [c[1:] for c in USAGES], ids=[c[0] for c in USAGES])
def test_usage_is_normalised(usage: dict[str, object], read_as: Usage) -> None:
    seen = read(usage)
    assert (seen.usage, seen.complete, seen.model) == (read_as, True, "claude-sonnet-5")


def test_a_lifetime_that_is_not_told_is_taken_from_the_call() -> None:
    usage = {"input_tokens": 1, "output_tokens": 1, "cache_creation_input_tokens": 50}
    long, short = read(usage, long_cache=True).usage, read(usage).usage
    assert long is not None
    assert short is not None
    assert (long.cache_write_1h_tokens, short.cache_write_1h_tokens) == (50, 0)


def test_the_fallback_that_answered_is_named() -> None:
    runs = [{"type": "fallback_message", "model": "claude-opus-4-8"}]
    assert read({"output_tokens": 1, "iterations": runs}).model == "claude-opus-4-8"


@pytest.mark.parametrize("body", [b'{"model":"m","usage":{"input_', b"", b"[" * 100_000])
def test_a_body_that_was_cut_is_not_complete(body: bytes) -> None:
    seen = Seen()
    responses.read_message(seen, body)
    assert (seen.complete, seen.usage) == (False, None)


@pytest.mark.parametrize("body", [b"[]", b'{"usage":7}', b'{"usage":{"input_tokens":"9"}}', b"{}"])
def test_a_whole_body_of_another_shape_is_complete_and_tells_nothing(body: bytes) -> None:
    seen = Seen()
    responses.read_message(seen, body)
    assert (seen.complete, seen.usage) == (True, None)


def test_counting_tokens_uses_none() -> None:
    seen = Seen()
    responses.read_count(seen, b'{"input_tokens": 2000}')
    assert (seen.complete, seen.usage) == (True, Usage())


@given(st.binary())
def test_arbitrary_bytes_never_raise(body: bytes) -> None:
    responses.read_message(Seen(), body)
    responses.read_count(Seen(), body)
