"""What a token costs: rates by model, by date, by length of the prompt and by tier served.

Rates are whole micro-dollars per million tokens, so that a cost is exact until it is rounded
once. A model id finds its price by its exact name, without the suffix that only dates it, or by
the longest glob that matches.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase

ALWAYS = date.min
_HALF_PERMILLE = 500
_FULL_PERMILLE = 1000

_DATING = re.compile(
    r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|\d{3}|latest|preview-\d{2}-(?:\d{4}|\d{2})|\d{2}-(?:\d{4}|\d{2}))"
)
"""Suffixes that pin a model to a date and leave its price alone: `-20251001`, `-2024-08-06`,
`-001`, `-latest`, `-preview-09-2025`, `-09-2025`."""
_LONGEST_DATING = 24  # a caller may name a model of any length


@dataclass(frozen=True, slots=True)
class Rates:
    """Micro-dollars per million tokens.

    Attributes:
        input: Fresh input.
        cache_read: Input read from a prompt cache.
        cache_write: Input written to one for the usual time.
        cache_write_long: Input written to one for the long time (Anthropic 1 h, OpenAI 12 h).
        output: Output, reasoning included.
    """

    input: int
    cache_read: int
    cache_write: int
    cache_write_long: int
    output: int


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a model from a date on.

    Attributes:
        rates: The usual rates.
        since: The first day on which they hold, UTC.
        long: The rates of the whole request when its prompt is longer than `long_above_tokens`,
            cached tokens included.
        long_above_tokens: Where the long context begins; not used without `long`.
        priority_permille: What the provider's priority tier costs, in thousandths.
    """

    rates: Rates
    since: date = ALWAYS
    long: Rates | None = None
    long_above_tokens: int = 0
    priority_permille: int = _FULL_PERMILLE

    def rates_for(self, prompt_tokens: int) -> Rates:
        """The rates of a request with a prompt of this length."""
        if self.long is not None and prompt_tokens > self.long_above_tokens:
            return self.long
        return self.rates

    def tier_permille(self, service_tier: str) -> int:
        """What the tier served costs, in thousandths of the standard tier."""
        if service_tier in {"batch", "flex"}:  # half price with all three (A6, B6, B12)
            return _HALF_PERMILLE
        return self.priority_permille if service_tier == "priority" else _FULL_PERMILLE


@dataclass(frozen=True, slots=True)
class Entry:
    """The prices of some models.

    Attributes:
        models: Model ids or globs.
        prices: One for each date on which the price changed, in any order.
    """

    models: tuple[str, ...]
    prices: tuple[Price, ...]


class PriceTable:
    """Finds prices. Immutable; a source with overrides builds a new one, overrides last."""

    def __init__(self, entries: Iterable[Entry], unknown: Rates) -> None:
        """Later entries win over earlier ones with the same name.

        Args:
            entries: The models with a known price.
            unknown: What every other model costs.
        """
        self._unknown = Price(unknown)
        self._exact: dict[str, tuple[Price, ...]] = {}
        globs: dict[str, tuple[Price, ...]] = {}
        for entry in entries:
            newest_first = tuple(sorted(entry.prices, key=lambda price: price.since, reverse=True))
            for name in entry.models:
                (globs if "*" in name or "?" in name else self._exact)[name] = newest_first
        self._globs = sorted(globs.items(), key=lambda item: len(item[0]), reverse=True)

    def find(self, model: str, at: date) -> tuple[Price, bool]:
        """The price of a model on a day, and whether it is known."""
        for price in self._prices(model.removeprefix("models/")):
            if price.since <= at:
                return price, True
        return self._unknown, False

    def _prices(self, model: str) -> tuple[Price, ...]:
        found = self._exact.get(model)
        if found is not None:
            return found
        for name in _undated(model):
            if name in self._exact:
                return self._exact[name]
        for pattern, prices in self._globs:
            if fnmatchcase(model, pattern):
                return prices
        return ()


def _undated(model: str) -> Iterator[str]:
    """The model without a suffix that may be dating it, shortest suffix first."""
    for at in range(len(model) - 1, max(0, len(model) - _LONGEST_DATING), -1):
        if model[at] in "-@" and _DATING.fullmatch(model, at):
            yield model[:at]
