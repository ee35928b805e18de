"""Prices for the data plane: the core's price book, asked with today's date."""

from collections.abc import Sequence
from datetime import UTC, date, datetime

from gateway.config.settings import PriceSettings
from gateway.core.price_table import Price, PriceTable
from gateway.core.pricing import Cost, PriceBook
from gateway.domain.topology import Provider
from gateway.domain.usage import Usage

_DAY_S = 86_400


class Prices:
    """Prices calls by the date on which they ran; the date is worked out once a day."""

    __slots__ = ("_book", "_catalogues", "_date", "_day", "_settings")

    def __init__(self, settings: PriceSettings = PriceSettings()) -> None:  # noqa: B008 - frozen
        self._settings = settings
        self._book = book_of(settings)
        self._day = -1
        self._date = date.min
        self._catalogues: dict[tuple[str, str], str] = {}

    def __call__(
        self, provider: Provider, models: Sequence[str], usage: Usage, at_s: float
    ) -> Cost:
        """What a call costs.

        Args:
            provider: The account that is billed.
            models: Names of the model that answered; the first with a known price counts.
            usage: What was used.
            at_s: When, in epoch seconds.
        """
        return self._book.cost(self._catalogue(provider), models, usage, self._on(at_s))

    def adopt(self, settings: PriceSettings) -> None:
        """Prices of one's own that hold from now on."""
        if settings != self._settings:
            self._settings, self._book = settings, book_of(settings)

    def price(self, provider: Provider, model: str, at_s: float) -> tuple[Price, bool]:
        """The price of a model, and whether it is known."""
        return self._book.find(self._catalogue(provider), model, self._on(at_s))

    def _on(self, at_s: float) -> date:
        day = int(at_s // _DAY_S)
        if day != self._day:
            self._day, self._date = day, datetime.fromtimestamp(at_s, UTC).date()
        return self._date

    def _catalogue(self, provider: Provider) -> str:
        key = (provider.dialect.value, provider.base_url)
        found = self._catalogues.get(key)
        if found is None:
            from .published_prices import catalogue  # noqa: PLC0415 - slow: see `load`

            found = self._catalogues[key] = catalogue(provider.dialect, provider.base_url)
        return found


def book_of(settings: PriceSettings) -> PriceBook:
    """All that is known of prices, those of the configuration first."""
    return PriceBook(published, PriceTable(settings.entries), settings.unknown)


def published(catalogue_id: str, model: str, at: date) -> Price | None:
    """The published price of a model."""
    from .published_prices import published_price  # noqa: PLC0415 - slow: see `load`

    return published_price(catalogue_id, model, at)


def load() -> None:
    """Read the bundled prices. It takes a third of a second, so do it in a thread, at the start."""
    from .published_prices import warm  # noqa: PLC0415 - as said

    warm()
