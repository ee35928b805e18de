"""How a price is found and used; the providers' figures: `test_golden_invoices.py`."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.price_table import Card, Entry, Price, PriceTable, Rates
from gateway.core.pricing import UNKNOWN_MODEL_RATES, Cost, PriceBook
from gateway.domain.usage import ModelUsage, Usage

NOV = date(2026, 11, 24)
DEC = date(2026, 12, 1)
LONG = Card(Rates(2, 1, 3, 4, 10), Rates(4, 2, 6, 8, 15), 1_000)


def _flat(usd: int, since: date = date.min) -> Price:
    return Price(Card(Rates(*[usd * 1_000_000] * 5)), since)


def _table(**prices: Price) -> PriceTable:
    return PriceTable(Entry((name.replace("_", "-"),), (price,)) for name, price in prices.items())


def _none(_list: str, _model: str, _at: date) -> None:
    return None


def _usd(book: PriceBook, model: str, at: date = NOV) -> tuple[int, bool]:
    cost = book.cost("openai", (model,), Usage(1_000_000), at)
    return cost.microusd // 1_000_000, cost.priced


def test_the_configuration_goes_before_corrections_and_these_before_the_published_list() -> None:
    published = {"a": _flat(1), "b": _flat(1), "c": _flat(1)}
    book = PriceBook(
        lambda _list, model, _at: published.get(model),
        configured=_table(a=_flat(3)),
        corrections=_table(a=_flat(2), b=_flat(2)),
        unknown=_flat(9).standard.rates,
    )
    assert [_usd(book, model) for model in "abcd"] == [(3, True), (2, True), (1, True), (9, False)]


def test_a_price_holds_from_its_day_on_and_the_one_before_it_until_then() -> None:
    book = PriceBook(
        lambda *_: _flat(1),
        configured=PriceTable([Entry(("m",), (_flat(5, DEC), _flat(4, NOV)))]),
    )
    days = (date(2026, 11, 23), NOV, date(2026, 11, 30), DEC, date(2027, 1, 1))
    assert [_usd(book, "m", day)[0] for day in days] == [1, 4, 4, 5, 5]


def test_the_published_list_is_asked_once_a_day_for_a_model() -> None:
    asked: list[tuple[str, str, date]] = []

    def published(price_list: str, model: str, at: date) -> Price:
        asked.append((price_list, model, at))
        return _flat(1)

    book = PriceBook(published, corrections=PriceTable(()))
    for day in (NOV, NOV, DEC, DEC):
        book.cost("openai", ("m",), Usage(1), day)
    assert asked == [("openai", "m", NOV), ("openai", "m", DEC)]


def test_the_model_that_answered_counts_and_where_it_is_unknown_the_one_asked_for() -> None:
    book = PriceBook(_none, configured=_table(asked=_flat(2), other=_flat(3)))
    one = Usage(1_000_000)
    assert book.cost("x", ("other", "asked"), one, NOV) == Cost(3_000_000, priced=True)
    assert book.cost("x", ("/weights/7b", "asked"), one, NOV) == Cost(2_000_000, priced=True)
    assert not book.cost("x", ("/weights/7b", "what"), one, NOV).priced


def test_a_call_is_rounded_up_once_and_not_for_each_kind_of_token() -> None:
    book = PriceBook(_none, configured=_table(m=Price(Card(Rates(400_000, *[300_000] * 4)))))
    # 0.4 + 0.3 + 0.3 micro-dollars are one, not three.
    assert book.cost("x", ("m",), Usage(1, 1, output_tokens=1), NOV).microusd == 1
    assert book.cost("x", ("m",), Usage(1), NOV).microusd == 1
    assert book.cost("x", ("m",), Usage(), NOV).microusd == 0


@pytest.mark.parametrize(
    ("price_list", "tier", "microusd", "known"),
    [
        ("openai", "", 1000, True),
        ("openai", "default", 1000, True),
        ("anthropic", "standard", 1000, True),
        ("openai", "batch", 500, True),
        ("google", "flex", 500, True),
        ("openai", "priority", 2000, True),
        ("google", "priority", 1800, True),
        ("anthropic", "fast", 2000, True),
        ("openai", "fast", 2000, True),
        ("anthropic", "priority", 1000, True),
        ("openai", "ultrafast", 1000, False),  # no rule is known: said, and not guessed
        ("groq", "priority", 1000, False),
    ],
)
def test_a_tier_without_a_listed_price_costs_its_providers_multiple(
    price_list: str, tier: str, microusd: int, known: bool
) -> None:
    book = PriceBook(_none, configured=_table(m=_flat(1)))
    found = book.cost(price_list, ("m",), Usage(1_000, service_tier=tier), NOV)
    assert found == Cost(microusd, known)


def test_a_listed_tier_goes_before_the_rule() -> None:
    price = Price(LONG, tiers={"priority": Card(Rates(7_000_000, 0, 0, 0, 0))})
    book = PriceBook(_none, configured=_table(m=price))
    assert book.cost("openai", ("m",), Usage(2, service_tier="priority"), NOV).microusd == 14


def test_other_models_inside_a_call_cost_their_own_price() -> None:
    book = PriceBook(_none, configured=_table(m=_flat(1), advisor=_flat(5)))
    usage = Usage(1_000, others=(ModelUsage("advisor", Usage(100, output_tokens=50)),))
    # 1,000 x 1 and (100 + 50) x 5.
    assert book.cost("x", ("m",), usage, NOV) == Cost(1_750, priced=True, others=(750,))
    unknown = Usage(1_000, others=(ModelUsage("what", Usage(100)),))
    # 1,000 x 1 and 100 x 5 by default.
    assert book.cost("x", ("m",), unknown, NOV) == Cost(1_500, priced=False, others=(500,))


def test_us_inference_costs_a_tenth_more_and_searches_do_not() -> None:
    price = Price(Card(Rates(*[1_000_000] * 5)), search_microusd=10_000)
    book = PriceBook(_none, configured=_table(m=price))
    usage = Usage(1_000, us_only=True, web_searches=3)
    assert book.cost("x", ("m",), usage, NOV).microusd == 1_100 + 30_000


@pytest.mark.parametrize(
    ("model", "same_as"),
    [
        ("claude-opus-4-5-20251101", "claude-opus-4-5"),
        ("claude-sonnet-4-5@20250929", "claude-sonnet-4-5"),
        ("gpt-4o-mini-2024-07-18", "gpt-4o-mini"),
        ("gemini-2.5-flash-preview-09-2025", "gemini-2.5-flash"),
        ("models/gemini-2.5-flash-lite-001", "gemini-2.5-flash-lite"),
        ("gemini-3.5-flash-latest", "gemini-3.5-flash"),
    ],
)
def test_a_dated_name_costs_what_its_model_costs(model: str, same_as: str) -> None:
    table = PriceTable([Entry((same_as,), (_flat(1),))])
    assert table.find(model, NOV) == table.find(same_as, NOV) == _flat(1)


def test_globs_match_the_longest_first_and_exact_names_before_them() -> None:
    table = PriceTable(
        [
            Entry(("llama-*",), (_flat(1),)),
            Entry(("llama-3*", "llama-9"), (_flat(2),)),
            Entry(("llama-9",), (_flat(3),)),
        ]
    )
    found = [table.find(model, NOV) for model in ("llama-2", "llama-3.1", "llama-9", "qwen")]
    assert found == [_flat(1), _flat(2), _flat(3), None]


COUNTS = st.integers(0, 10**9)


@given(usage=st.builds(Usage, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS), more=COUNTS)
def test_more_tokens_never_cost_less(usage: Usage, more: int) -> None:
    book = PriceBook(_none, configured=_table(m=Price(LONG)))
    bigger = Usage(
        usage.input_tokens + more,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.output_tokens,
    )
    small = book.cost("x", ("m",), usage, NOV).microusd
    assert book.cost("x", ("m",), bigger, NOV).microusd >= small >= 0


def test_the_default_is_at_least_a_common_models_price() -> None:
    assert UNKNOWN_MODEL_RATES.input >= 5_000_000
