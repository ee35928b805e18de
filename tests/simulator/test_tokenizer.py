"""The tokenizer is predictable, and its inverse is exact."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.tokenizer import bytes_of_tokens, count_tokens


@pytest.mark.parametrize(
    ("text", "ratio", "tokens"),
    [("", 1000, 0), ("a", 1000, 1), ("abcd", 1000, 1), ("abcde", 1000, 2), ("é" * 4, 1000, 2),
     ("a" * 400, 1300, 130), ("a" * 400, 1000, 100)],
)  # fmt: skip
def test_a_token_is_four_bytes_times_the_ratio(text: str, ratio: int, tokens: int) -> None:
    assert count_tokens(text, ratio) == tokens


@given(tokens=st.integers(0, 100_000), ratio=st.sampled_from([1000, 1300]))
def test_text_cut_for_a_number_of_tokens_counts_as_that_number(tokens: int, ratio: int) -> None:
    assert count_tokens("a" * bytes_of_tokens(tokens, ratio), ratio) == tokens
