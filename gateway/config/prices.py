"""Prices of one's own, what is unpriced, and how long the accounts are kept: schema and reading."""

from datetime import date
from typing import Final

from gateway.core.price_corrections import HALF_PERMILLE
from gateway.core.price_table import ALWAYS, FULL_PERMILLE, Card, Entry, Price, Rates
from gateway.core.pricing import UNKNOWN_MODEL_RATES

from . import kinds, texts
from .reading import Given, Plain
from .schema import Leaf, Listing, Section, Series
from .settings import PriceSettings, UsageSettings

SOURCE = "configuration"
_MICRO = 1_000_000


def _rate(name: str, meaning: str, shown: str) -> Leaf[int | None]:
    return Leaf(name, kinds.optional(kinds.dollars()), meaning, None, shown)


def _dollars(name: str, meaning: str, micro: int) -> Leaf[int]:
    return Leaf(name, kinds.dollars(), meaning, micro, f"`{micro / _MICRO:g}`")


MODELS: Final = Series(
    "models", texts.glob(),
    "Models with this price; `*`, `?` and `[...]` match. An exact name wins, then the longest "
    "pattern.",
    required=True,
)  # fmt: skip
SINCE: Final[Leaf[date | None]] = Leaf(
    "since", kinds.optional(kinds.day()),
    "The first day on which it holds, UTC. Before it, the price that was known before.",
    None, "`none`",
)  # fmt: skip
INPUT: Final = Leaf(
    "input", kinds.dollars(), "Dollars per million tokens of fresh input.", 0, required=True
)
OUTPUT: Final = Leaf(
    "output", kinds.dollars(), "Dollars per million tokens of output, reasoning included.", 0,
    required=True,
)  # fmt: skip
CACHE_READ: Final = _rate("cache_read", "Input read from a prompt cache.", "as `input`")
CACHE_WRITE: Final = _rate("cache_write", "Input written to one.", "as `input`")
CACHE_WRITE_LONG: Final = _rate(
    "cache_write_long", "Input written to one for the long time (1 h, 12 h).", "as `cache_write`"
)
LONG_ABOVE: Final[Leaf[int | None]] = Leaf(
    "long_above", kinds.optional(kinds.whole(1)),
    "The whole request has the long-context price when its prompt has more tokens than this.",
    None, "`none`",
)  # fmt: skip
LONG_INPUT: Final = Leaf(
    "long_input", kinds.number(0.0, 100.0), "Factor of all input rates then.", 2.0, "`2`"
)
LONG_OUTPUT: Final = Leaf(
    "long_output", kinds.number(0.0, 100.0), "Factor of the output rate then.", 1.5, "`1.5`"
)
PRIORITY: Final = Leaf(
    "priority", kinds.number(0.0, 100.0),
    "Factor of the priority tier. Batch and flex are half the price.", 1.0, "`1`",
)  # fmt: skip
WEB_SEARCH: Final = _dollars("web_search", "Dollars per web search by the provider.", 0)
PRICE: Final = Section(
    "price", "What some models cost.",
    (MODELS, SINCE, INPUT, OUTPUT, CACHE_READ, CACHE_WRITE, CACHE_WRITE_LONG, LONG_ABOVE,
     LONG_INPUT, LONG_OUTPUT, PRIORITY, WEB_SEARCH),
)  # fmt: skip
PRICES: Final = Listing(
    "prices", "Prices of one's own, before those that the gateway knows.", PRICE
)

UNPRICED: Final = Section(
    "unpriced", "What a model costs of which nobody knows the price, in dollars per million tokens.",
    (
        _dollars("input", "Fresh input.", UNKNOWN_MODEL_RATES.input),
        _dollars("cache_read", "Input read from a prompt cache.", UNKNOWN_MODEL_RATES.cache_read),
        _dollars("cache_write", "Input written to one.", UNKNOWN_MODEL_RATES.cache_write),
        _dollars(
            "cache_write_long", "Input written to one for the long time.",
            UNKNOWN_MODEL_RATES.cache_write_long,
        ),
        _dollars("output", "Output, reasoning included.", UNKNOWN_MODEL_RATES.output),
    ),
)  # fmt: skip

USAGE_KEEP: Final = Leaf(
    "keep", kinds.duration(0, 400 * 86_400),
    "How long the accounts are kept (`gateway usage`). 0 keeps none.",
    UsageSettings().keep_s, "`90d`",
)  # fmt: skip
USAGE_ROWS: Final = Leaf(
    "max_rows", kinds.whole(100, 1_000_000),
    "Rows of one hour; beyond them, new models and tags count as `other`. A row takes about "
    "200 bytes of the store's memory.",
    UsageSettings().max_rows, "`5000`",
)  # fmt: skip
USAGE: Final = Section("usage", "The accounts of tokens and cost.", (USAGE_KEEP, USAGE_ROWS))


def prices(given: list[Given], unpriced: Given) -> PriceSettings:
    """The prices of the file."""
    values = [unpriced.get(leaf) for leaf in UNPRICED.fields if isinstance(leaf, Leaf)]
    rates = [value for value in values if isinstance(value, int)]
    return PriceSettings(tuple(_entry(one) for one in given), Rates(*rates))


def usage(given: Given) -> UsageSettings:
    """How the accounts are kept."""
    return UsageSettings(keep_s=given.get(USAGE_KEEP), max_rows=given.get(USAGE_ROWS))


def _entry(given: Given) -> Entry:
    plain = given.get(INPUT)
    read, written, written_long = (
        given.get(leaf) for leaf in (CACHE_READ, CACHE_WRITE, CACHE_WRITE_LONG)
    )
    written = plain if written is None else written
    rates = Rates(
        input=plain,
        cache_read=plain if read is None else read,
        cache_write=written,
        cache_write_long=written if written_long is None else written_long,
        output=given.get(OUTPUT),
    )
    card = Card(rates)
    above = given.get(LONG_ABOVE)
    if above is not None:
        long = rates.times(_permille(given.get(LONG_INPUT)), _permille(given.get(LONG_OUTPUT)))
        card = Card(rates, long, above)
    half = card.times(HALF_PERMILLE)
    price = Price(
        card,
        given.get(SINCE) or ALWAYS,
        {
            "batch": half,
            "flex": half,
            "priority": card.times(_permille(given.get(PRIORITY))),
        },
        given.get(WEB_SEARCH),
        SOURCE,
    )
    return Entry(given.series(MODELS), (price,))


def _permille(factor: float) -> int:
    return round(factor * FULL_PERMILLE)


def shown(settings: PriceSettings) -> dict[str, Plain]:
    """As `gateway check --show` tells it."""
    unknown = settings.unknown
    return {
        "prices": [_shown(one.models, one.prices[0]) for one in settings.entries],
        "unpriced": {
            "input": _usd(unknown.input),
            "cache_read": _usd(unknown.cache_read),
            "cache_write": _usd(unknown.cache_write),
            "cache_write_long": _usd(unknown.cache_write_long),
            "output": _usd(unknown.output),
        },
    }


def _shown(models: tuple[str, ...], price: Price) -> dict[str, Plain]:
    rates, long = price.standard.rates, price.standard.long
    return {
        "models": list(models),
        "since": None if price.since == ALWAYS else price.since.isoformat(),
        "input": _usd(rates.input),
        "output": _usd(rates.output),
        "cache_read": _usd(rates.cache_read),
        "cache_write": _usd(rates.cache_write),
        "cache_write_long": _usd(rates.cache_write_long),
        "long_above": None if long is None else price.standard.long_above_tokens,
        "long_input": 2.0 if long is None or not rates.input else long.input / rates.input,
        "long_output": 1.5 if long is None or not rates.output else long.output / rates.output,
        "priority": 1.0 if not rates.input else price.tiers["priority"].rates.input / rates.input,
        "web_search": _usd(price.search_microusd),
    }


def _usd(micro: int) -> float:
    return micro / _MICRO
