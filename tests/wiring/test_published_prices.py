"""The published list, read into the core's integers, and what the corrections still correct."""

from dataclasses import replace
from datetime import date

import pytest
from genai_prices.data_snapshot import get_snapshot

from gateway.core.price_corrections import ENTRIES
from gateway.domain.call import Dialect
from gateway.wiring.published_prices import catalogue, published_price

DAYS = (date(2026, 10, 1), date(2026, 11, 24), date(2027, 1, 2))


@pytest.mark.parametrize(
    ("dialect", "base_url", "whose"),
    [
        (Dialect.ANTHROPIC, "https://api.anthropic.com", "anthropic"),
        (Dialect.OPENAI, "https://api.openai.com/v1", "openai"),
        (Dialect.OPENAI, "https://api.groq.com/openai/v1", "groq"),
        (Dialect.OPENAI, "http://vllm:8000/v1", "openai"),
        (Dialect.GEMINI, "http://127.0.0.1:9000", "google"),
    ],
)
def test_the_list_is_that_of_the_account_behind_the_address(
    dialect: Dialect, base_url: str, whose: str
) -> None:
    assert catalogue(dialect, base_url) == whose


def test_no_correction_has_become_superfluous() -> None:
    """The list agrees on every day: then the entry is to go (`price_corrections`)."""
    for entry in ENTRIES:
        for name in entry.models:
            price_list = "google" if name.startswith("gemini") else "anthropic"
            agreed = []
            for day in DAYS:
                price = max(
                    (one for one in entry.prices if one.since <= day), key=lambda one: one.since
                )
                listed = published_price(price_list, name, day)
                agreed.append(listed is not None and listed.standard == price.standard)
            assert not all(agreed), name


def test_every_correction_names_its_source() -> None:
    assert all(price.source for entry in ENTRIES for price in entry.prices)


def test_a_lookup_leaves_nothing_behind_for_made_up_names() -> None:
    """Callers make names up: the library's own cache of hits would grow with each."""
    before = len(get_snapshot()._lookup_cache), len(get_snapshot()._provider_misses)
    for i in range(100):
        published_price("anthropic", f"claude-haiku-4-5-{i}", DAYS[0])
        published_price("openai", f"made-up-{i}", DAYS[0])
    after = len(get_snapshot()._lookup_cache), len(get_snapshot()._provider_misses)
    assert after == before


def test_a_price_of_the_list_has_its_tiers_and_its_searches() -> None:
    price = published_price("openai", "gpt-5.5", DAYS[1])
    assert price is not None
    assert set(price.tiers) == {"batch", "flex", "priority", "fast"}
    assert price.tiers["priority"].rates.input == 12_500_000
    assert price.standard.long == price.standard.rates.times(2_000, 1_500)
    assert replace(price, tiers={}).search_microusd == 10_000
