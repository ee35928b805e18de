"""Figures that several plans share, and how they are read."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from gateway.config import Settings
    from gateway.core.price_table import Price

Fresh: TypeAlias = Annotated[float, typer.Option("--input", help="Fresh input tokens.", min=0)]
Cached: TypeAlias = Annotated[
    float, typer.Option("--cached", help="Input tokens read from a prompt cache.", min=0)
]
Written: TypeAlias = Annotated[
    float, typer.Option("--written", help="Input tokens written to one.", min=0)
]
Output: TypeAlias = Annotated[float, typer.Option("--output", help="Output tokens.", min=0)]
Agents: TypeAlias = Annotated[int, typer.Option("--agents", help="How many agents.", min=1)]
PerMinute: TypeAlias = Annotated[
    float,
    typer.Option("--per-minute", help="Interactions per minute of one agent.", min=0.0001),
]
Model: TypeAlias = Annotated[
    str | None, typer.Option("--model", metavar="MODEL", help="Whose price counts.")
]
OwnPrice: TypeAlias = Annotated[
    str | None,
    typer.Option("--at", metavar="IN/OUT", help="A price: dollars per million tokens, like 3/15."),
]
On: TypeAlias = Annotated[
    str | None, typer.Option("--on", metavar="DAY", help="Prices of that day, like 2026-12-01.")
]
Calls: TypeAlias = Annotated[
    float | None,
    typer.Option("--calls", help="Interactions of a month, in place of agents and pace.", min=0),
]
Hours: TypeAlias = Annotated[float, typer.Option("--hours", help="Hours a day.", min=0, max=24)]
Days: TypeAlias = Annotated[float, typer.Option("--days", help="Days a month.", min=0, max=31)]

RouteTo: TypeAlias = Annotated[
    str | None,
    typer.Option("--route-to", metavar="MODEL", help="A cheaper model for some calls."),
]
RouteShare: TypeAlias = Annotated[
    float, typer.Option("--route-share", help="The share of them.", min=0, max=1)
]
BatchShare: TypeAlias = Annotated[
    float, typer.Option("--batch-share", help="The share of batches.", min=0, max=1)
]

PRICES = ("prices", "unpriced")
LANES = ("providers", "lanes")
"""Sections of the configuration that a plan needs; the others may be faulty."""
_LISTS = (("claude", "anthropic"), ("gemini", "google"))


def settings_of(config: Path | None, only: tuple[str, ...]) -> "Settings":
    """What the configuration says of some of its sections."""
    from .configured import configured

    return configured(config, only=only)


def price_of(settings: "Settings", model: str | None, own: str | None, on: str | None) -> "Price":
    """The price that was named.

    Raises:
        typer.BadParameter: None was, or nobody knows it.
    """
    if own is not None:
        return _own(own)
    if model is None:
        raise typer.BadParameter("name a model, or a price with --at 3/15", param_hint="--model")
    return listed_price(settings, model, on)


def listed_price(settings: "Settings", model: str, on: str | None) -> "Price":
    """The price of a model on a day; today without one.

    Raises:
        typer.BadParameter: Nobody knows it.
    """
    from datetime import UTC, date, datetime

    from gateway.wiring.prices import book_of

    book = book_of(settings.prices)
    whose = next((name for start, name in _LISTS if model.startswith(start)), "openai")
    try:
        day = datetime.now(UTC).date() if on is None else date.fromisoformat(on)
    except ValueError:
        raise typer.BadParameter("write a day like 2026-12-01", param_hint="--on") from None
    price, known = book.find(whose, model, day)
    if not known:
        raise typer.BadParameter(
            f"nobody knows the price of {model}; give one with --at 3/15", param_hint="--model"
        )
    return price


def _own(text: str) -> "Price":
    from gateway.core.cost_planning import flat_price

    usd_in, slash, usd_out = text.partition("/")
    try:
        rates = float(usd_in), float(usd_out)
    except ValueError:
        rates = (-1.0, -1.0)
    if not slash or not 0 <= min(rates) <= max(rates) < 1e6:
        raise typer.BadParameter("write it like 3/15", param_hint="--at")
    return flat_price(*rates)
