"""From the tokens of a call to its price."""

from datetime import date

from gateway.domain.usage import Usage
from gateway.domain.value import value

from .list_prices import LIST_PRICES
from .price_table import PriceTable

_TOKENS = 1_000_000  # rates are per million
_PERMILLE = 1_000


@value
class Cost:
    """What a call costs.

    Attributes:
        microusd: Micro-dollars, rounded up once: no call that used tokens at a price is free.
        priced: False when the model has no known price and the stated default was used.
    """

    microusd: int
    priced: bool


def cost(model: str, usage: Usage, at: date, table: PriceTable = LIST_PRICES) -> Cost:
    """The cost of a call.

    Args:
        model: The model that answered, as the provider names it.
        usage: What it used; long-context rates go by the whole prompt, cached or not.
        at: The day on which it ran, UTC.
        table: Where prices come from.
    """
    price, priced = table.find(model, at)
    rates = price.rates_for(usage.prompt_tokens)
    written_long = min(usage.cache_write_1h_tokens, usage.cache_write_tokens)
    total = (
        usage.input_tokens * rates.input
        + usage.cache_read_tokens * rates.cache_read
        + (usage.cache_write_tokens - written_long) * rates.cache_write
        + written_long * rates.cache_write_long
        + usage.output_tokens * rates.output
    ) * price.tier_permille(usage.service_tier)
    return Cost(-(-total // (_TOKENS * _PERMILLE)), priced)
