"""The providers' published prices, as `genai-prices` bundles them; nothing is fetched.

The one module that knows that library. It is asked for a model once a day (the core keeps what it
found), and its decimals become the core's integers here. What it does not say is filled in by the
provider's rule: cache writes without a price are plain input, a missing read price is no discount.
"""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache

from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

from gateway.core.price_table import Card, Price, Rates, names_of
from gateway.core.pricing import long_write
from gateway.domain.call import Dialect

SOURCE = "genai-prices"
_MICRO = 1_000_000
_SEARCHES = 1_000  # prices of searches are per thousand
_BY_DIALECT = {Dialect.ANTHROPIC: "anthropic", Dialect.OPENAI: "openai", Dialect.GEMINI: "google"}
_TIERS: Mapping[str, Mapping[str, str]] = {
    "batch": {"processing": "batch"},
    "flex": {"service_tier": "flex"},
    "priority": {"service_tier": "priority"},
}
_FAST = {"anthropic": {"speed": "fast"}, "openai": {"service_tier": "fast"}}
"""By whose answers a tier is called fast."""


@cache
def catalogue(dialect: Dialect, base_url: str) -> str:
    """Whose price list holds for an account: by its address, or else by its dialect."""
    for provider in get_snapshot().providers:
        if re.match(provider.api_pattern, base_url):
            return provider.id
    return _BY_DIALECT[dialect]


def published_price(catalogue_id: str, model: str, at: date) -> Price | None:
    """The price of a model on a day; `None` if the list has none for its tokens.

    A price that depends on the time of day is the one at noon.
    """
    provider = _providers().get(catalogue_id)
    if provider is None:
        return None
    for name in names_of(model):
        info = provider.find_model(name)
        if info is not None:
            return _price(catalogue_id, info, datetime.combine(at, time(12), UTC))
    return None


def warm() -> None:
    """Read the bundled list now, and not with the first call."""
    _providers()


@cache
def _providers() -> dict[str, Provider]:
    return {provider.id: provider for provider in get_snapshot().providers}


def _price(catalogue_id: str, info: ModelInfo, at: datetime) -> Price | None:
    standard = info.get_prices(at)
    card = _card(standard)
    if card is None:
        return None
    contexts = dict(_TIERS)
    if catalogue_id in _FAST:
        contexts["fast"] = _FAST[catalogue_id]
    tiers = {}
    for tier, context in contexts.items():
        prices = info.get_prices(at, context)
        special = _card(prices)
        if special is not None and prices != standard:
            tiers[tier] = special
    searches = _base(standard.web_searches_kcount)
    return Price(card, tiers=tiers, search_microusd=searches // _SEARCHES, source=SOURCE)


def _card(prices: ModelPrice) -> Card | None:
    """The rates of one tier; `None` if it has none for text."""
    usual = _rates(prices, 0)
    if usual is None:
        return None
    starts = [tiers.tiers[0].start for tiers in vars(prices).values() if _is_tiered(tiers)]
    if not starts:
        return Card(usual)
    above = min(starts)
    return Card(usual, _rates(prices, above + 1), above)


def _rates(prices: ModelPrice, prompt_tokens: int) -> Rates | None:
    plain = _at(prices.input_mtok, prompt_tokens)
    if plain is None:
        return None
    read = _at(prices.cache_read_mtok, prompt_tokens)
    written = _at(prices.cache_write_mtok, prompt_tokens)
    if written is None:
        written = plain
    return Rates(
        input=plain,
        cache_read=plain if read is None else read,
        cache_write=written,
        cache_write_long=long_write(plain, written, _at(prices.cache_write_1h_mtok, prompt_tokens)),
        output=_at(prices.output_mtok, prompt_tokens) or 0,
        audio_input=_at(prices.input_audio_mtok, prompt_tokens),
        audio_output=_at(prices.output_audio_mtok, prompt_tokens),
    )


def _is_tiered(price: object) -> bool:
    return isinstance(price, TieredPrices) and bool(price.tiers)


def _at(price: Decimal | TieredPrices | None, prompt_tokens: int) -> int | None:
    """A price in micro-dollars for a prompt of some length."""
    if price is None:
        return None
    if isinstance(price, TieredPrices):
        found = price.base
        for tier in price.tiers:
            if prompt_tokens > tier.start:
                found = tier.price
        price = found
    return int((price * _MICRO).to_integral_value())


def _base(price: Decimal | TieredPrices | None) -> int:
    return _at(price, 0) or 0
