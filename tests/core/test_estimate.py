"""Estimates: sound before the first call, close after a few, bounded in memory."""

import math
import random
from statistics import median

import pytest

from gateway.core import estimate
from gateway.core.estimate import PRIOR_OUTPUT_TOKENS, EstimateBook
from gateway.domain.call import CallFacts, PromptPrefix
from gateway.domain.usage import Usage


def call(prompt_bytes: int, **changes: object) -> CallFacts:
    return CallFacts(model="m", prompt_bytes=prompt_bytes, **changes)  # type: ignore[arg-type]


def test_a_first_call_gets_the_prior() -> None:
    guess = EstimateBook().estimate("a", "m", call(3600), 0.0)
    assert guess.input_tokens == 1000
    assert guess.output_tokens == PRIOR_OUTPUT_TOKENS
    assert guess.cached_tokens == 0


def test_the_prior_knows_that_newer_claude_models_make_more_tokens_of_a_text() -> None:
    """Without it the first burst overdraws a fresh bucket by a quarter (provider-facts A6)."""
    book = EstimateBook()
    for model, tokens in [("claude-sonnet-5", 1300), ("claude-opus-4-8", 1300),
                          ("claude-sonnet-4-6", 1000), ("gpt-5", 1000)]:  # fmt: skip
        assert book.estimate("a", model, call(3600), 0.0).input_tokens == tokens


def test_the_requested_maximum_caps_the_output() -> None:
    guess = EstimateBook().estimate("a", "m", call(10, max_output_tokens=7, choices=2), 0.0)
    assert guess.output_tokens == 14


def test_the_ratio_is_learned_within_five_percent_after_twenty_calls() -> None:
    rng, book = random.Random(1), EstimateBook()
    errors = []
    for number in range(60):
        size = rng.randint(4_000, 48_000)
        tokens = round(size / 2.9 * rng.gauss(1.0, 0.02))
        if number >= 20:
            errors.append(abs(book.estimate("a", "m", call(size), 0.0).input_tokens / tokens - 1))
        book.learn("a", "m", call(size), Usage(input_tokens=tokens), 0.0)
    assert median(errors) < 0.05


def test_agents_are_learned_apart_and_a_new_agent_starts_from_its_model() -> None:
    book = EstimateBook()
    for _ in range(20):
        book.learn("dense", "m", call(1000), Usage(input_tokens=500), 0.0)
    for _ in range(3):
        book.learn("sparse", "m", call(1000), Usage(input_tokens=250), 0.0)
    assert book.estimate("dense", "m", call(1000), 0.0).input_tokens == pytest.approx(500, rel=0.05)
    assert book.estimate("sparse", "m", call(1000), 0.0).input_tokens == pytest.approx(252, rel=0.1)
    assert book.estimate("new", "m", call(1000), 0.0).input_tokens > 300


def test_held_output_is_a_quantile_of_recent_answers() -> None:
    rng, book = random.Random(2), EstimateBook()
    outputs = [rng.randint(300, 800) for _ in range(200)]
    covered = 0
    for number, output in enumerate(outputs):
        if number >= 32:
            covered += output <= book.estimate("a", "m", call(10), 0.0).output_tokens
        book.learn("a", "m", call(10), Usage(output_tokens=output), 0.0)
    assert 0.7 <= covered / (len(outputs) - 32) <= 0.9


def test_what_a_call_hardly_exceeds_is_wide_at_first_and_close_to_what_was_seen_later() -> None:
    rng, book = random.Random(3), EstimateBook()
    first = book.estimate("a", "m", call(3600), 0.0)
    assert (first.input_bound, first.output_bound) == (1301, 1600)
    above, outputs = 0, [100]
    for number in range(120):
        size = rng.randint(4_000, 48_000)
        tokens, output = round(size / 3.1 * rng.uniform(0.97, 1.03)), rng.randint(50, 800)
        guess = book.estimate("a", "m", call(size, max_output_tokens=900), 0.0)
        if number >= 20:
            above += tokens > guess.input_bound or output > guess.output_bound
            assert guess.input_bound < (1.2 if number < 60 else 1.07) * guess.input_tokens
        assert guess.output_bound <= 900
        book.learn("a", "m", call(size), Usage(input_tokens=tokens, output_tokens=output), 0.0)
        outputs.append(output)
    assert above <= 5
    assert book.estimate("a", "m", call(10), 0.0).output_bound == math.ceil(
        max(outputs[-32:]) * 1.25
    )


def test_the_bytes_of_an_answer_s_token_are_learned_from_streams_that_ended() -> None:
    book = EstimateBook()
    assert book.tokens_of_bytes("a", "m", 3600) == 1000
    for _ in range(10):
        whole = Usage(output_tokens=150, reasoning_tokens=50)  # reasoning is not in the bytes
        book.learn("a", "m", call(10), whole, 0.0, answer_bytes=600)
        book.learn("a", "m", call(10), Usage(output_tokens=9), 0.0)  # not streamed
    assert book.tokens_of_bytes("a", "m", 6000) == 1000
    assert book.bytes_of_tokens("a", "m", 1000) == 6000
    assert book.tokens_of_bytes("another", "m", 6000) == 1000


def test_guessed_usage_teaches_nothing() -> None:
    book = EstimateBook()
    book.learn("a", "m", call(1000), Usage(input_tokens=9999, exact=False), 0.0)
    assert book.estimate("a", "m", call(3600), 0.0).input_tokens == 1000


def test_history_held_by_the_provider_does_not_spoil_the_ratio() -> None:
    book = EstimateBook()
    book.learn("a", "m", call(100, server_history=True), Usage(input_tokens=50_000), 0.0)
    assert book.estimate("a", "m", call(3600), 0.0).input_tokens == 1000


def test_tokens_that_a_provider_adds_to_short_prompts_do_not_make_answers_dear() -> None:
    book = EstimateBook()
    for _ in range(20):
        book.learn("a", "m", call(100), Usage(input_tokens=300), 0.0)
    assert book.tokens_of_bytes("a", "m", 1000) == 500
    assert book.tokens_of_bytes("a", "other", 3600) == 1000


class TestCachedPrefixes:
    FACTS = call(
        40_000,
        cache_lifetime_s=300,
        prefixes=(PromptPrefix(b"1", 20_000), PromptPrefix(b"2", 36_000)),
    )

    def book(self) -> EstimateBook:
        book = EstimateBook()
        wrote = Usage(input_tokens=1_000, cache_write_tokens=9_000, output_tokens=10)
        book.learn("a", "m", self.FACTS, wrote, 0.0)
        return book

    def test_a_prefix_sent_within_the_lifetime_is_expected_to_be_cached(self) -> None:
        guess = self.book().estimate("a", "m", self.FACTS, 299.0)
        assert guess.cached_tokens == pytest.approx(9_000, rel=0.02)

    def test_after_the_lifetime_it_is_not(self) -> None:
        assert self.book().estimate("a", "m", self.FACTS, 301.0).cached_tokens == 0

    def test_another_prefix_is_not(self) -> None:
        other = call(40_000, cache_lifetime_s=300, prefixes=(PromptPrefix(b"3", 36_000),))
        assert self.book().estimate("a", "m", other, 1.0).cached_tokens == 0

    def test_an_unmarked_prompt_is_not(self) -> None:
        unmarked = call(40_000, prefixes=self.FACTS.prefixes)
        assert self.book().estimate("a", "m", unmarked, 1.0).cached_tokens == 0


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimate, "MAX_SUBJECTS", 10)
    monkeypatch.setattr(estimate, "MAX_PREFIXES", 10)
    book = EstimateBook()
    for number in range(100):
        facts = call(100, cache_lifetime_s=300, prefixes=(PromptPrefix(str(number).encode(), 50),))
        usage = Usage(input_tokens=10, cache_write_tokens=100)
        book.learn(f"agent-{number}", f"model-{number}", facts, usage, 0.0)
    assert len(book._subjects) == len(book._models) == len(book._prefixes) == 10
