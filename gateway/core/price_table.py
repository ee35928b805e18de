"""What a token costs: rates by model, by date, by length of the prompt and by tier served.

Rates are whole micro-dollars per million tokens, so that a cost is exact until it is rounded
once. A table finds a model by its exact name, without the suffix that only dates it, or by the
longest glob that matches.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from fnmatch import fnmatchcase

ALWAYS = date.min
FULL_PERMILLE = 1000

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
        cache_write: Input written to one for the usual time (Anthropic 5 min, OpenAI 30 min).
        cache_write_long: Input written to one for the long time (Anthropic 1 h, OpenAI 12 h).
        output: Output, reasoning included.
        audio_input: Fresh input that is audio; `None`: as `input`.
        audio_output: Output that is audio; `None`: as `output`.
    """

    input: int
    cache_read: int
    cache_write: int
    cache_write_long: int
    output: int
    audio_input: int | None = None
    audio_output: int | None = None

    def times(self, input_permille: int, output_permille: int | None = None) -> "Rates":
        """Every input rate times one factor, output times another (or the same)."""
        out = input_permille if output_permille is None else output_permille
        return Rates(
            _scaled(self.input, input_permille),
            _scaled(self.cache_read, input_permille),
            _scaled(self.cache_write, input_permille),
            _scaled(self.cache_write_long, input_permille),
            _scaled(self.output, out),
            None if self.audio_input is None else _scaled(self.audio_input, input_permille),
            None if self.audio_output is None else _scaled(self.audio_output, out),
        )


def _scaled(rate: int, permille: int) -> int:
    return (rate * permille + FULL_PERMILLE // 2) // FULL_PERMILLE


@dataclass(frozen=True, slots=True)
class Card:
    """The rates of one tier.

    Attributes:
        rates: The usual rates.
        long: The rates of the whole request when its prompt is longer than `long_above_tokens`,
            cached tokens included.
        long_above_tokens: Where the long context begins; not used without `long`.
    """

    rates: Rates
    long: Rates | None = None
    long_above_tokens: int = 0

    def rates_for(self, prompt_tokens: int) -> Rates:
        """The rates of a request with a prompt of this length."""
        if self.long is not None and prompt_tokens > self.long_above_tokens:
            return self.long
        return self.rates

    def times(self, permille: int) -> "Card":
        """All of it times one factor."""
        long = None if self.long is None else self.long.times(permille)
        return Card(self.rates.times(permille), long, self.long_above_tokens)


@dataclass(frozen=True, slots=True)
class Price:
    """The price of a model from a date on.

    Attributes:
        standard: The usual tier.
        since: The first day on which it holds, UTC.
        tiers: Other tiers by the name that a provider's answer gives them; batch is one.
        search_microusd: One web search by the provider.
        source: Where it was read, for people.
    """

    standard: Card
    since: date = ALWAYS
    tiers: Mapping[str, Card] = field(default_factory=dict)
    search_microusd: int = 0
    source: str = ""


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
    """Finds prices by name and day. Immutable."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        """Entries with the same name add up; of one day, the later entry wins."""
        exact: dict[str, list[Price]] = {}
        globs: dict[str, list[Price]] = {}
        for entry in entries:
            for name in entry.models:
                known = (globs if "*" in name or "?" in name else exact).setdefault(name, [])
                known.extend(entry.prices)
        self._exact = {name: _newest_first(prices) for name, prices in exact.items()}
        longest_first = sorted(globs.items(), key=lambda item: len(item[0]), reverse=True)
        self._globs = [(pattern, _newest_first(prices)) for pattern, prices in longest_first]

    def find(self, model: str, at: date) -> Price | None:
        """The price of a model on a day; `None` if this table has none."""
        for price in self._prices(model):
            if price.since <= at:
                return price
        return None

    def _prices(self, model: str) -> tuple[Price, ...]:
        for name in names_of(model):
            if name in self._exact:
                return self._exact[name]
        for pattern, prices in self._globs:
            if fnmatchcase(model, pattern):
                return prices
        return ()


def _newest_first(prices: list[Price]) -> tuple[Price, ...]:
    """Of one day, the one given last comes first."""
    return tuple(sorted(prices, key=lambda price: price.since))[::-1]


def names_of(model: str) -> Iterator[str]:
    """The model as a price list may know it: as it is, and without what may be dating it."""
    model = model.removeprefix("models/")
    yield model
    for at in range(len(model) - 1, max(0, len(model) - _LONGEST_DATING), -1):
        if model[at] in "-@" and _DATING.fullmatch(model, at):
            yield model[:at]
