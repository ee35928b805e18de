"""What both choices cost."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.estimate import Estimate
from gateway.core.price_table import Rates
from gateway.core.routing.costs import (
    GROWTH_TOKENS,
    Shadowed,
    Side,
    compare,
    counterfactual,
    sides,
    usage,
)
from gateway.domain.usage import Usage

RATES = {
    "strong": Rates(3_000_000, 300_000, 3_750_000, 6_000_000, 15_000_000),
    "weak": Rates(1_000_000, 100_000, 1_250_000, 2_000_000, 5_000_000),
    "mini": Rates(150_000, 75_000, 150_000, 150_000, 600_000),
}
DAY = date(2026, 11, 25)


def price(model: str, used: Usage) -> tuple[int, bool]:
    if model not in RATES:
        return 1, False
    rates = RATES[model]
    return (
        used.input_tokens * rates.input
        + used.cache_read_tokens * rates.cache_read
        + used.cache_write_tokens * rates.cache_write
        + used.output_tokens * rates.output
    ) // 1_000_000, True


def side(model: str, prompt: int, *, caches: bool = True, minimum: int = 1_024) -> Side:
    return Side(model, prompt, 300, caches, minimum)


@given(
    prompt=st.integers(1, 200_000),
    warm=st.integers(0, 200_000),
    turns=st.integers(1, 40),
    growth=st.integers(0, 5_000),
    weak=st.sampled_from(["weak", "mini"]),
    caches=st.booleans(),
    minimum=st.sampled_from([1_024, 4_096]),
)
def test_where_moving_saves_no_session_that_grows_so_far_is_dearer(
    prompt: int, warm: int, turns: int, growth: int, weak: str, caches: bool, minimum: int
) -> None:
    stay, move = side("strong", prompt), side(weak, prompt, caches=caches, minimum=minimum)
    found = compare(stay, move, min(warm, prompt), price, 0.0)
    growth = min(growth, GROWTH_TOKENS // turns)
    if not found.saves:
        return

    def cost(one: Side, held: int) -> int:
        total = 0
        for turn in range(turns):
            now = Side(one.model, prompt + turn * growth, 300, one.caches, one.cached_from_tokens)
            total += price(one.model, usage(now, held))[0]
            held = now.prompt_tokens
        return total

    assert cost(move, 0) <= cost(stay, min(warm, prompt)) * 1.01 + turns


def test_a_warm_prefix_is_worth_more_than_the_saving() -> None:
    cold = compare(side("strong", 50_000), side("weak", 50_000), 0, price, 0.05)
    warm = compare(side("strong", 50_000), side("weak", 50_000), 50_000, price, 0.05)
    assert (cold.saves, warm.saves) == (True, False)
    assert warm.stay_now == 50_000 * 3 // 10 + 300 * 15
    assert warm.move_now == 50_000 * 5 // 4 + 300 * 5


def test_a_prefix_too_short_for_the_other_cache_is_reckoned_uncached() -> None:
    move = side("weak", 3_000, minimum=4_096)
    found = compare(side("strong", 3_000), move, 0, price, 0.0)
    assert found.move_next == 4_095 * 1 + 300 * 5  # the last length that is not cached
    assert found.stay_next == 4_095 * 3 // 10 + 300 * 15


def test_a_model_that_never_caches_is_reckoned_with_what_may_grow() -> None:
    """It is cheaper for a short prompt, and dearer once the other reads a long one from its cache."""
    found = compare(side("strong", 10), side("weak", 10, caches=False), 0, price, 0.0)
    assert found.saves_now
    assert not found.saves


def test_an_unknown_price_saves_nothing() -> None:
    assert not compare(side("strong", 9), side("nobody", 9), 0, price, 0.0).saves_now


def test_each_model_counts_by_its_own_tokenizer() -> None:
    guess = Estimate(13_000, 0, 130)
    stay, move = sides("claude-sonnet-5", "gpt-4o-mini", guess, cached=True, same_dialect=False)
    assert (stay.prompt_tokens, move.prompt_tokens, move.output_tokens) == (13_000, 10_000, 100)
    assert (stay.caches, move.caches) == (True, False)


def test_what_did_not_happen_keeps_its_own_cache() -> None:
    actual = Usage(input_tokens=10_000, output_tokens=300, service_tier="batch")
    first, held = counterfactual(side("strong", 10_000), actual, Shadowed(), 100.0, 300.0)
    assert (first.cache_write_tokens, held) == (10_000, Shadowed(10_000, 400.0))
    second, held = counterfactual(side("strong", 12_000), actual, held, 200.0, 300.0)
    assert (second.cache_read_tokens, second.cache_write_tokens) == (10_000, 2_000)
    late, _ = counterfactual(side("strong", 12_000), actual, held, 501.0, 300.0)
    assert (late.cache_read_tokens, late.service_tier, late.exact) == (0, "batch", False)
