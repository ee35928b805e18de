"""List prices for the data plane: the pure table of the core, asked with today's date."""

from datetime import UTC, date, datetime

from gateway.core.pricing import cost
from gateway.domain.usage import Usage

_DAY_S = 86_400


class ListPrices:
    """Prices calls by the date on which they ran; the date is worked out once a day."""

    __slots__ = ("_date", "_day")

    def __init__(self) -> None:
        self._day = -1
        self._date = date.min

    def __call__(self, model: str, usage: Usage, at_s: float) -> tuple[int, bool]:
        """Micro-dollars of a call, and whether its model has a known price."""
        day = int(at_s // _DAY_S)
        if day != self._day:
            self._day, self._date = day, datetime.fromtimestamp(at_s, UTC).date()
        priced = cost(model, usage, self._date)
        return priced.microusd, priced.priced
