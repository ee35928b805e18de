"""From the tokens of a call to its price.

A model's price is looked for once a day and kept, so that pricing a call is a few multiplications
of integers. Where it is looked for, first found first: the configuration; the corrections that
come with the gateway (`price_corrections`); the published list of its provider. A model that none
of them knows costs the stated default and is flagged: no unknown name is free.

The rounding rule, here and nowhere else: the tokens of one model in one call are added up exactly
and rounded up once to a whole micro-dollar, so that no call that used tokens at a price is free.
"""

from collections.abc import Callable, Sequence
from datetime import date
from typing import TypeAlias

from gateway.domain.usage import Usage
from gateway.domain.value import value

from .price_corrections import CORRECTIONS, LONG_WRITE_PERMILLE, tier_permille
from .price_table import FULL_PERMILLE, Card, Price, PriceTable, Rates

Published: TypeAlias = Callable[[str, str, date], Price | None]
"""(price list, model, day) → the price that the list has for it."""

UNKNOWN_MODEL_RATES = Rates(5_000_000, 500_000, 6_250_000, 10_000_000, 25_000_000)
"""What a model without a known price costs unless the configuration says otherwise ($5 and $25
per million tokens): as much as the dearer of the common ones, so that an unknown name is no way
around a budget (field-notes 8)."""

_DENOMINATOR = 1_000_000 * FULL_PERMILLE  # rates are per million tokens, factors in thousandths
_US_ONLY_PERMILLE = 1_100
"""Inference that stays in the US costs a tenth more (provider-facts A6)."""
_STANDARD_TIERS = frozenset({"", "standard", "default", "auto", "on_demand", "scale"})
_REMEMBERED = 10_000
"""Callers make model names up; what is beyond this is looked for each time."""


@value
class Cost:
    """What a call costs.

    Attributes:
        microusd: Micro-dollars, all models of the call together.
        priced: False when a model or tier has no known price and the stated default was used.
        others: What each of `Usage.others` costs; part of `microusd`.
    """

    microusd: int
    priced: bool
    others: tuple[int, ...] = ()


class PriceBook:
    """Prices of all models on one day after another."""

    def __init__(
        self,
        published: Published,
        configured: PriceTable | None = None,
        unknown: Rates = UNKNOWN_MODEL_RATES,
        corrections: PriceTable = CORRECTIONS,
    ) -> None:
        """Joins the sources.

        Args:
            published: The providers' own lists.
            configured: Overrides of the configuration.
            unknown: What every model costs that nobody knows.
            corrections: Overrides that come with the gateway.
        """
        self._published = published
        self._tables = (configured or PriceTable(()), corrections)
        self._unknown = Price(Card(unknown), source="default")
        self._day = date.min
        self._found: dict[tuple[str, str], tuple[Price, bool]] = {}
        self._cards: dict[tuple[str, str, str], tuple[Card, bool]] = {}

    def find(self, catalogue: str, model: str, at: date) -> tuple[Price, bool]:
        """The price of a model on a day, and whether it is known.

        Args:
            catalogue: Whose price list it stands on.
            model: As the provider names it.
            at: The day, UTC.
        """
        if at != self._day:
            self._day = at
            self._found.clear()
            self._cards.clear()
        key = (catalogue, model)
        found = self._found.get(key)
        if found is None:
            found = self._look_for(catalogue, model, at)
            if len(self._found) < _REMEMBERED:
                self._found[key] = found
        return found

    def cost(self, catalogue: str, models: Sequence[str], usage: Usage, at: date) -> Cost:
        """The cost of a call.

        Args:
            catalogue: Whose price list holds.
            models: Names of the model that answered; the first with a known price counts.
            usage: What was used; long-context rates go by the whole prompt, cached or not.
            at: The day on which it ran, UTC.
        """
        name = models[0]
        price, known = self.find(catalogue, name, at)
        for other in models[1:]:
            if known:
                break
            name = other
            price, known = self.find(catalogue, name, at)
        card, known = self._card(catalogue, name, price, usage.service_tier, known)
        microusd = _microusd(card, price, usage)
        if not usage.others:
            return Cost(microusd, known)
        others = [self.cost(catalogue, (one.model,), one.usage, at) for one in usage.others]
        return Cost(
            microusd + sum(one.microusd for one in others),
            known and all(one.priced for one in others),
            tuple(one.microusd for one in others),
        )

    def _look_for(self, catalogue: str, model: str, at: date) -> tuple[Price, bool]:
        for table in self._tables:
            price = table.find(model, at)
            if price is not None:
                return price, True
        price = self._published(catalogue, model, at)
        return (self._unknown, False) if price is None else (price, True)

    def _card(
        self, catalogue: str, name: str, price: Price, tier: str, known: bool
    ) -> tuple[Card, bool]:
        """The rates of the tier served, and whether they are known."""
        if tier in _STANDARD_TIERS:
            return price.standard, known
        card = price.tiers.get(tier)
        if card is not None:
            return card, known
        key = (catalogue, name, tier)
        found = self._cards.get(key)
        if found is None:
            permille = tier_permille(catalogue, name, tier)
            found = (price.standard.times(permille or FULL_PERMILLE), permille is not None)
            if len(self._cards) < _REMEMBERED:
                self._cards[key] = found
        return found[0], known and found[1]


def _microusd(card: Card, price: Price, usage: Usage) -> int:
    rates = card.rates_for(usage.prompt_tokens)
    written_long = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    text = (
        usage.input_tokens * rates.input
        + usage.cache_read_tokens * rates.cache_read
        + (usage.cache_write_tokens - written_long) * rates.cache_write
        + written_long * rates.cache_write_long
        + usage.output_tokens * rates.output
    )
    total = (text + _audio(rates, usage)) * (_US_ONLY_PERMILLE if usage.us_only else FULL_PERMILLE)
    return -(-total // _DENOMINATOR) + usage.web_searches * price.search_microusd


def _audio(rates: Rates, usage: Usage) -> int:
    """What audio costs beyond the same number of tokens of text."""
    more = 0
    if usage.audio_input_tokens and rates.audio_input is not None:
        heard = min(usage.audio_input_tokens, usage.input_tokens)
        more += heard * (rates.audio_input - rates.input)
    if usage.audio_output_tokens and rates.audio_output is not None:
        spoken = min(usage.audio_output_tokens, usage.output_tokens)
        more += spoken * (rates.audio_output - rates.output)
    return more


def long_write(plain: int, written: int, told: int | None) -> int:
    """The rate of a long cache write, where a list gives only that of a usual one."""
    if told is not None:
        return told
    return written if written <= plain else plain * LONG_WRITE_PERMILLE // FULL_PERMILLE
