"""Invoices worked out by hand from the providers' price pages (provider-facts A6, B6, B12)."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.list_prices import UNKNOWN_MODEL_RATES
from gateway.core.price_table import Entry, Price, PriceTable, Rates
from gateway.core.pricing import Cost, cost
from gateway.domain.usage import Usage

NOV = date(2026, 11, 24)


@pytest.mark.parametrize(
    ("model", "at", "usage", "microusd"),
    [
        # 1,000 at $3 = 3,000; 2,000 output at $15 = 30,000.
        ("claude-sonnet-4-5", NOV, Usage(1_000, output_tokens=2_000), 33_000),
        # 100 x 1 + 50,000 x 0.1 + 8,000 x 1.25 + 2,000 x 2 + 300 x 5 = 100+5,000+10,000+4,000+1,500.
        (
            "claude-haiku-4-5-20251001",
            NOV,
            Usage(100, 50_000, 10_000, 2_000, output_tokens=300),
            20_600,
        ),
        # 10,000 cache reads: $0.20 until 6 October, $0.10 from the 7th.
        ("claude-sonnet-5-5", date(2026, 10, 6), Usage(cache_read_tokens=10_000), 2_000),
        ("claude-sonnet-5-5", date(2026, 10, 7), Usage(cache_read_tokens=10_000), 1_000),
        # Haiku 5.5, prompt of exactly 100,000: 40,000 x 0.1 + 50,000 x 0.01 + 10,000 x 0.125.
        ("claude-haiku-5-5", NOV, Usage(40_000, 50_000, 10_000), 4_000 + 500 + 1_250),
        # One token more, and the whole request is dear: 40,001 x 0.5 + 2,500 + 6,250 + 10 x 2.5.
        ("claude-haiku-5-5", NOV, Usage(40_001, 50_000, 10_000, output_tokens=10), 28_776),
        # Reads at a fortieth: 1,000,000 at $0.25, 1,000 out at $50.
        ("claude-fable-5-1", NOV, Usage(0, 1_000_000, output_tokens=1_000), 300_000),
        # Batch is half: (1,000 x 5 + 1,000 x 25) / 2.
        ("claude-opus-5", NOV, Usage(1_000, output_tokens=1_000, service_tier="batch"), 15_000),
        ("claude-opus-5", NOV, Usage(1_000, service_tier="standard"), 5_000),
        # 1,000 x 2.5 + 3,000 x 1.25 + 500 x 10.
        ("gpt-4o-2024-08-06", NOV, Usage(1_000, 3_000, output_tokens=500), 11_250),
        # Reasoning is part of output, once: 1,000 x 1.25 + 800 x 10.
        ("gpt-5", NOV, Usage(1_000, output_tokens=800, reasoning_tokens=700), 9_250),
        # Writes 1.25 and, for 12 hours, 2.5 times: 1,000 x 5 + 1,000 x 10 + 100 x 4 + 10 x 20.
        ("gpt-5.6", NOV, Usage(100, 0, 2_000, 1_000, output_tokens=10), 15_600),
        # 272,000 is not long: 272,000 x 2.5 + 1,000 x 15; one more doubles input, output x 1.5.
        ("gpt-5.4", NOV, Usage(272_000, output_tokens=1_000), 695_000),
        ("gpt-5.4", NOV, Usage(272_001, output_tokens=1_000), 1_360_005 + 22_500),
        # gpt-5.4-mini has no long context: 300,000 x 0.75.
        ("gpt-5.4-mini", NOV, Usage(300_000), 225_000),
        # Priority: 1,000 x 5 x 2.5; flex: 1,000 x 2.5 x 0.5; default: as it is.
        ("gpt-5.5", NOV, Usage(1_000, service_tier="priority"), 12_500),
        ("gpt-5.4", NOV, Usage(1_000, service_tier="flex"), 1_250),
        ("gpt-5.4", NOV, Usage(1_000, service_tier="default"), 2_500),
        ("gpt-4.1", NOV, Usage(1_000, service_tier="priority"), 3_600),
        ("text-embedding-3-small", NOV, Usage(10_000), 200),
        # Doubles on 1 December: 1,000 x 2 + 1,000 x 0.1 + 100 x 10 = 3,100.
        ("gemini-4-argon", date(2026, 11, 30), Usage(1_000, 1_000, output_tokens=100), 3_100),
        ("gemini-4-argon", date(2026, 12, 1), Usage(1_000, 1_000, output_tokens=100), 6_200),
        ("gemini-3.7-flash", date(2026, 12, 31), Usage(1_000, output_tokens=1_000), 4_500),
        ("gemini-3.7-flash", date(2027, 1, 1), Usage(1_000, output_tokens=1_000), 9_000),
        # Over 200,000, cached included: 100,001 x 4 + 100,000 x 0.4 + 1,000 x 18.
        ("gemini-3.1-pro-preview", NOV, Usage(100_001, 100_000, output_tokens=1_000), 458_004),
        ("gemini-3.1-pro-preview", NOV, Usage(100_000, 100_000, output_tokens=1_000), 232_000),
        # 1,000 x 0.3 + 200 x 2.5 = 800; priority 1.8 times.
        ("gemini-2.5-flash", NOV, Usage(1_000, output_tokens=200, service_tier="priority"), 1_440),
        ("models/gemini-2.5-flash-001", NOV, Usage(1_000, output_tokens=200), 800),
    ],
)
def test_the_invoice_is_the_one_worked_out_by_hand(
    model: str, at: date, usage: Usage, microusd: int
) -> None:
    assert cost(model, usage, at) == Cost(microusd, priced=True)


def test_one_cheap_token_is_not_free() -> None:
    assert cost("gpt-5-nano", Usage(1), NOV).microusd == 1
    assert cost("gpt-5-nano", Usage(), NOV).microusd == 0


@pytest.mark.parametrize(
    "model", ["gpt-99", "gpt-4o-audio-preview", "", "llama-3", "claude-haiku-4-5-20251001-x"]
)
def test_an_unknown_model_costs_the_stated_default_and_is_flagged(model: str) -> None:
    # 1,000 x 5 + 1,000 x 25.
    assert cost(model, Usage(1_000, output_tokens=1_000), NOV) == Cost(30_000, priced=False)


@pytest.mark.parametrize(
    ("model", "same_as"),
    [
        ("claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
        ("gemini-2.5-flash-lite-001", "gemini-2.5-flash-lite"),
        ("gemini-3.1-pro-preview-05-06", "gemini-3.1-pro-preview"),
        ("gemini-3.5-flash-latest", "gemini-3.5-flash"),
    ],
)
def test_a_dated_name_costs_what_its_model_costs(model: str, same_as: str) -> None:
    usage = Usage(12_345, 678, 90, output_tokens=1_234)
    assert cost(model, usage, NOV) == cost(same_as, usage, NOV)
    assert cost(model, usage, NOV).priced


def _flat(usd: int) -> Rates:
    return Rates(*[usd * 1_000_000] * 5)


def test_a_table_of_ones_own_may_use_globs_and_override() -> None:
    table = PriceTable(
        [
            Entry(("llama-*",), (Price(_flat(1)),)),
            Entry(("llama-3*", "llama-9"), (Price(_flat(2)),)),
            Entry(("llama-9",), (Price(_flat(3)),)),
            Entry(("mistral",), (Price(_flat(4), since=date(2026, 12, 1)),)),
        ],
        _flat(9),
    )
    found = [
        cost(model, Usage(1_000_000), NOV, table)
        for model in ("llama-2", "llama-3.1", "llama-9", "mistral", "qwen")
    ]
    assert [each.microusd // 1_000_000 for each in found] == [1, 2, 3, 9, 9]
    assert [each.priced for each in found] == [True, True, True, False, False]


COUNTS = st.integers(0, 10**9)


@given(
    usage=st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS),
    more=COUNTS,
    model=st.sampled_from(["claude-haiku-5-5", "gpt-5.4", "gemini-2.5-pro", "?"]),
)
def test_more_tokens_never_cost_less(usage: Usage, more: int, model: str) -> None:
    bigger = Usage(
        usage.input_tokens + more,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.output_tokens,
    )
    assert cost(model, bigger, NOV).microusd >= cost(model, usage, NOV).microusd >= 0


def test_the_default_is_at_least_a_common_models_price() -> None:
    assert UNKNOWN_MODEL_RATES.input >= 5_000_000
