"""Prices in force: those of the configuration first, until it is read again."""

from gateway.config.settings import PriceSettings
from gateway.core.price_table import Card, Entry, Price, Rates
from gateway.core.pricing import Cost
from gateway.domain.call import Dialect
from gateway.domain.topology import Provider
from gateway.domain.usage import Usage
from gateway.wiring.prices import Prices

PROVIDER = Provider("claude", Dialect.ANTHROPIC, "https://api.anthropic.com")
NOV_S, DAY_S = 1_795_564_800.0, 86_400.0
USED = Usage(1_000_000)


def own(usd: int) -> PriceSettings:
    price = Price(Card(Rates(*[usd * 1_000_000] * 5)))
    return PriceSettings((Entry(("claude-sonnet-*",), (price,)),))


def test_prices_of_a_configuration_that_was_read_again_count_at_once() -> None:
    prices = Prices(own(7))

    def cost(model: str = "claude-sonnet-5") -> Cost:
        return prices(PROVIDER, (model,), USED, NOV_S)

    assert cost() == Cost(7_000_000, priced=True)
    prices.adopt(own(8))
    assert cost() == Cost(8_000_000, priced=True)
    prices.adopt(PriceSettings())
    assert cost() == Cost(2_000_000, priced=True)  # $2: the published price
    prices.adopt(PriceSettings(unknown=Rates(*[9_000_000] * 5)))
    assert cost("what") == Cost(9_000_000, priced=False)


def test_the_day_of_the_call_counts() -> None:
    prices = Prices()
    google = Provider("gemini", Dialect.GEMINI, "https://generativelanguage.googleapis.com")
    days = (NOV_S, NOV_S + 6 * DAY_S, NOV_S)  # 25 November, 1 December, and back
    found = [prices(google, ("gemini-4-argon",), USED, at_s).microusd for at_s in days]
    assert found == [2_000_000, 4_000_000, 2_000_000]
    assert prices.price(google, "gemini-4-argon", NOV_S)[0].standard.rates.input == 2_000_000
