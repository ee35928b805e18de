"""The providers' list prices, as collected in provider-facts A6, B6 and B12 (November 2026).

Not in here, since a call's usage does not tell: audio input (Gemini), `inference_geo`, fast mode
and web searches (Anthropic), storage of explicit caches (Gemini).
"""

from datetime import date

from .price_table import ALWAYS, Entry, Price, PriceTable, Rates

_OPENAI_LONG_TOKENS = 272_000
_GEMINI_LONG_TOKENS = 200_000
_HAIKU_LONG_TOKENS = 100_000
_GEMINI_PRIORITY_PERMILLE = 1_800
_OPENAI_PRIORITY_PERMILLE = 2_000


def _micro(usd: float) -> int:
    """Dollars per million tokens, as pages print them, in micro-dollars."""
    return round(usd * 1_000_000)


def _claude(usd_in: float, usd_out: float, write_5m: float, write_1h: float, read: float) -> Rates:
    """In the order of the table in A6."""
    return Rates(_micro(usd_in), _micro(read), _micro(write_5m), _micro(write_1h), _micro(usd_out))


def _openai(usd_in: float, cached: float | None, write: float | None, usd_out: float) -> Rates:
    """In the order of the table in B6; a write without a price is plain input.

    From gpt-5.6 on a long write costs 2.5 times the input (B6).
    """
    plain = _micro(usd_in)
    return Rates(
        plain,
        plain if cached is None else _micro(cached),
        plain if write is None else _micro(write),
        plain if write is None else plain * 5 // 2,
        _micro(usd_out),
    )


def _gemini(usd_in: float, cached: float, usd_out: float) -> Rates:
    """In the order of the table in B12; implicit writes are plain input."""
    plain = _micro(usd_in)
    return Rates(plain, _micro(cached), plain, plain, _micro(usd_out))


def _times(rates: Rates, input_permille: int, output_permille: int) -> Rates:
    """Every input rate times one factor, output times another."""
    return Rates(
        rates.input * input_permille // 1000,
        rates.cache_read * input_permille // 1000,
        rates.cache_write * input_permille // 1000,
        rates.cache_write_long * input_permille // 1000,
        rates.output * output_permille // 1000,
    )


def _claude_entry(models: str, rates: Rates) -> Entry:
    return Entry(tuple(models.split()), (Price(rates),))


def _openai_entry(
    models: str,
    rates: Rates,
    *,
    long_context: bool = False,
    priority_permille: int = _OPENAI_PRIORITY_PERMILLE,
) -> Entry:
    """With a long context, a prompt over 272k doubles all input and costs half as much again."""
    price = Price(
        rates,
        long=_times(rates, 2_000, 1_500) if long_context else None,
        long_above_tokens=_OPENAI_LONG_TOKENS,
        priority_permille=priority_permille,
    )
    return Entry(tuple(models.split()), (price,))


def _gemini_entry(
    models: str, rates: Rates, *, long: Rates | None = None, doubles_on: date | None = None
) -> Entry:
    prices = [_gemini_price(rates, ALWAYS, long)]
    if doubles_on is not None:
        prices.append(_gemini_price(_times(rates, 2_000, 2_000), doubles_on, None))
    return Entry(tuple(models.split()), tuple(prices))


def _gemini_price(rates: Rates, since: date, long: Rates | None) -> Price:
    return Price(rates, since, long, _GEMINI_LONG_TOKENS, _GEMINI_PRIORITY_PERMILLE)


_CLAUDE = (
    _claude_entry("claude-fable-5-2 claude-mythos-5-2", _claude(8, 40, 10, 16, 0.20)),
    _claude_entry("claude-fable-5-1 claude-mythos-5-1", _claude(10, 50, 12.5, 20, 0.25)),
    _claude_entry("claude-fable-5 claude-mythos-5", _claude(10, 50, 12.5, 20, 1)),
    _claude_entry("claude-opus-5-5", _claude(4, 20, 5, 8, 0.20)),
    Entry(
        ("claude-sonnet-5-5",),
        (
            Price(_claude(2, 10, 2.5, 4, 0.20)),
            Price(_claude(2, 10, 2.5, 4, 0.10), since=date(2026, 10, 7)),
        ),
    ),
    _claude_entry("claude-sonnet-5", _claude(2, 10, 2.5, 4, 0.20)),
    Entry(
        ("claude-haiku-5-5",),
        (
            Price(
                _claude(0.10, 0.50, 0.125, 0.20, 0.01),
                long=_claude(0.50, 2.50, 0.625, 1.00, 0.05),
                long_above_tokens=_HAIKU_LONG_TOKENS,
            ),
        ),
    ),
    _claude_entry(
        "claude-opus-5 claude-opus-4-8 claude-opus-4-7 claude-opus-4-6 claude-opus-4-5",
        _claude(5, 25, 6.25, 10, 0.5),
    ),
    _claude_entry("claude-sonnet-4-6 claude-sonnet-4-5", _claude(3, 15, 3.75, 6, 0.3)),
    _claude_entry("claude-haiku-4-5", _claude(1, 5, 1.25, 2, 0.1)),
)

_OPENAI = (
    _openai_entry("gpt-6-astra", _openai(10, 1, 12.5, 50), long_context=True),
    _openai_entry("gpt-6.1-sol", _openai(2, 0.1, 2.5, 10), long_context=True),
    _openai_entry("gpt-6-sol", _openai(2, 0.2, 2.5, 10), long_context=True),
    _openai_entry("gpt-6.1-terra", _openai(1, 0.05, 1.25, 5), long_context=True),
    _openai_entry("gpt-6-luna", _openai(0.1, 0.01, 0.125, 0.5), long_context=True),
    # A promotion "at least to 2026-11-21"; no later price is known, so this one goes on.
    _openai_entry("gpt-5.6 gpt-5.6-sol", _openai(4, 0.4, 5, 20), long_context=True),
    _openai_entry("gpt-5.6-terra", _openai(2, 0.2, 2.5, 12), long_context=True),
    _openai_entry("gpt-5.6-luna", _openai(0.2, 0.02, 0.25, 1.2), long_context=True),
    _openai_entry("gpt-5.5", _openai(5, 0.5, None, 30), long_context=True, priority_permille=2_500),
    _openai_entry("gpt-5.4", _openai(2.5, 0.25, None, 15), long_context=True),
    _openai_entry("gpt-5.4-mini", _openai(0.75, 0.075, None, 4.5)),
    _openai_entry("gpt-5.4-nano", _openai(0.2, 0.02, None, 1.25)),
    _openai_entry("gpt-5.2 gpt-5.2-codex gpt-5.3-codex", _openai(1.75, 0.175, None, 14)),
    _openai_entry("gpt-5 gpt-5.1", _openai(1.25, 0.125, None, 10)),
    _openai_entry("gpt-5-mini", _openai(0.25, 0.025, None, 2)),
    _openai_entry("gpt-5-nano", _openai(0.05, 0.005, None, 0.4)),
    # Priority is 1.7 to 1.8 times with the 4 series: the higher figure.
    _openai_entry("gpt-4.1", _openai(2, 0.5, None, 8), priority_permille=1_800),
    _openai_entry("gpt-4.1-mini", _openai(0.4, 0.1, None, 1.6), priority_permille=1_800),
    _openai_entry("gpt-4.1-nano", _openai(0.1, 0.025, None, 0.4), priority_permille=1_800),
    _openai_entry("gpt-4o", _openai(2.5, 1.25, None, 10), priority_permille=1_800),
    _openai_entry("gpt-4o-mini", _openai(0.15, 0.075, None, 0.6), priority_permille=1_800),
    _openai_entry("o3", _openai(2, 0.5, None, 8)),
    _openai_entry("o4-mini", _openai(1.1, 0.275, None, 4.4)),
    _openai_entry("text-embedding-3-small", _openai(0.02, None, None, 0)),
    _openai_entry("text-embedding-3-large", _openai(0.13, None, None, 0)),
)

_GEMINI = (
    _gemini_entry("gemini-4-argon", _gemini(2, 0.1, 10), doubles_on=date(2026, 12, 1)),
    _gemini_entry("gemini-4-hydrogen", _gemini(1.5, 0.075, 7.5)),
    _gemini_entry(
        "gemini-3.8-flash gemini-3.7-flash gemini-3.6-flash",
        _gemini(0.75, 0.075, 3.75),
        doubles_on=date(2027, 1, 1),
    ),
    _gemini_entry("gemini-3.5-flash", _gemini(1.5, 0.15, 9)),
    _gemini_entry("gemini-3.5-flash-lite", _gemini(0.3, 0.03, 2.5)),
    _gemini_entry("gemini-3.1-pro-preview", _gemini(2, 0.2, 12), long=_gemini(4, 0.4, 18)),
    _gemini_entry("gemini-3.1-flash-lite", _gemini(0.25, 0.025, 1.5)),
    _gemini_entry("gemini-3-flash-preview", _gemini(0.5, 0.05, 3)),
    _gemini_entry("gemini-2.5-pro", _gemini(1.25, 0.125, 10), long=_gemini(2.5, 0.25, 15)),
    _gemini_entry("gemini-2.5-flash", _gemini(0.3, 0.03, 2.5)),
    _gemini_entry("gemini-2.5-flash-lite", _gemini(0.1, 0.01, 0.4)),
)

UNKNOWN_MODEL_RATES = _claude(5, 25, 6.25, 10, 0.5)
"""What a model without a known price costs: as much as the dearer of the common ones, so that an
unknown name is no way around a budget (field-notes 8)."""

LIST_PRICES = PriceTable((*_CLAUDE, *_OPENAI, *_GEMINI), UNKNOWN_MODEL_RATES)
