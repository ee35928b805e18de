"""Where the published list lacks a price or is wrong: corrections with dates and sources.

The published list is `genai-prices` (see `gateway.wiring.published_prices`). Each entry here is
one that provider-facts (A6, B6, B12, collected on 2026-11-24) knows better, and is to go as soon
as the list agrees; `tests/wiring/test_published_prices.py` says when one has become superfluous.

Also here: what a tier costs of which the list has no price, as a multiple of the standard one.
"""

from datetime import date

from .price_table import Card, Entry, Price, PriceTable, Rates

HALF_PERMILLE = 500
LONG_WRITE_PERMILLE = 2_500
"""OpenAI's cache writes for 12 hours cost 2.5 times the input from gpt-5.6 on (B6)."""
_CLAUDE_SEARCH_MICROUSD = 10_000
"""$10 for 1,000 web searches (A6)."""

_PRIORITY_PERMILLE = {"openai": 2_000, "google": 1_800, "anthropic": 1_000}
"""B6 and B12; Anthropic's was bought in advance, at the usual rates (A4)."""
_CLAUDE_FAST_PERMILLE = 2_000
"""Fast mode, where its price is known, is twice the standard one (A6)."""


def tier_permille(catalogue: str, model: str, tier: str) -> int | None:
    """What a tier costs by its provider's rule, in thousandths of the standard tier.

    `None` for a tier without a known rule.
    """
    if tier in {"batch", "flex"}:  # half price with all three (A6, B6, B12)
        return HALF_PERMILLE
    if tier == "priority" or (tier == "fast" and catalogue == "openai"):
        if model.startswith("gpt-5.5"):
            return 2_500
        return _PRIORITY_PERMILLE.get(catalogue)
    return _CLAUDE_FAST_PERMILLE if tier == "fast" and catalogue == "anthropic" else None


def _micro(usd: float) -> int:
    """Dollars per million tokens, as pages print them, in micro-dollars."""
    return round(usd * 1_000_000)


def _claude(usd_in: float, usd_out: float, write_5m: float, write_1h: float, read: float) -> Card:
    """In the order of the table in A6."""
    return Card(
        Rates(_micro(usd_in), _micro(read), _micro(write_5m), _micro(write_1h), _micro(usd_out))
    )


def _claude_price(card: Card, source: str, since: date = date.min) -> Price:
    return Price(card, since, search_microusd=_CLAUDE_SEARCH_MICROUSD, source=source)


ENTRIES = (
    Entry(
        ("claude-mythos-5-1",),
        (_claude_price(_claude(10, 50, 12.5, 20, 0.25), "Claude pricing page, September 2026"),),
    ),
    Entry(
        ("claude-mythos-5",),
        (_claude_price(_claude(10, 50, 12.5, 20, 1), "Claude pricing page, as Fable 5"),),
    ),
    Entry(  # its cache reads were halved on 7 October 2026
        ("claude-sonnet-5-5",),
        (
            _claude_price(_claude(2, 10, 2.5, 4, 0.20), "Claude models page, before 2026-10-07"),
            _claude_price(
                _claude(2, 10, 2.5, 4, 0.10), "PromptFuel, 2026-10-07", date(2026, 10, 7)
            ),
        ),
    ),
    Entry(
        ("gemini-4-hydrogen",),
        (
            Price(
                Card(Rates(1_500_000, 75_000, 1_500_000, 1_500_000, 7_500_000)),
                search_microusd=14_000,
                source="LiteLLM 1.110.2",
            ),
        ),
    ),
)
CORRECTIONS = PriceTable(ENTRIES)
