"""Limits, factors and settings as they are written on the command line."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any, TypeAlias

import typer

from gateway.domain.limits import BudgetMode

_UNITS = {"": 1, "k": 1000, "m": 1_000_000}
_COUNT = re.compile(r"(\d[\d_]*(?:\.\d+)?)\s*([km]?)", re.IGNORECASE)
_NONE = "none"
FACTORS = ("rpm", "tpm", "concurrency", "usd_per_day", "usd_per_month")


@dataclass(frozen=True, slots=True)
class Given:
    """A limit that was written; `None`: no limit. One that was not written is no `Given` at all."""

    value: int | float | None


def read_count(text: str) -> Given:
    """`40000`, `40k`, `1.5M`, or `none`."""
    if text.strip().lower() == _NONE:
        return Given(None)
    match = _COUNT.fullmatch(text.strip())
    value = None if match is None else Decimal(match[1]) * _UNITS[match[2].lower()]
    if value is None or value != value.to_integral_value():
        raise typer.BadParameter(f"{text!r} is no limit. Write it like 40000, 40k, 1.5M or none.")
    return Given(int(value))


def read_dollars(text: str) -> Given:
    """`20`, `$0.5`, or `none`."""
    if text.strip().lower() == _NONE:
        return Given(None)
    value = _positive(text.strip().removeprefix("$"))
    if value is None:
        raise typer.BadParameter(f"{text!r} is no amount. Write it like 20, 0.5 or none.")
    return Given(int(value) if value == value.to_integral_value() else float(value))


def read_factor(text: str) -> tuple[str, ...]:
    """`1.5` for every limit, or `tpm=1.5` for one: the limit, empty for all, and the factor."""
    name, _, number = text.rpartition("=")
    value = _positive(number)
    if not value or (name and name not in FACTORS):
        raise typer.BadParameter(
            f"{text!r} is no factor. Write 1.5 for all limits, or LIMIT=1.5 for one of "
            f"{', '.join(FACTORS)}."
        )
    return name, str(float(value))


def read_setting(text: str) -> tuple[str, ...]:
    """`floors.normal=0.1`: a path and a value."""
    path, sign, value = text.partition("=")
    if not sign or not all(path.split(".")):
        raise typer.BadParameter(f"{text!r} is no setting. Write it like floors.normal=0.1.")
    return path, value


Rpm: TypeAlias = Annotated[
    Given | None,
    typer.Option(
        "--rpm", parser=read_count, metavar="N", help="Requests a minute; none: no limit."
    ),
]
Tpm: TypeAlias = Annotated[
    Given | None,
    typer.Option("--tpm", parser=read_count, metavar="N", help="Tokens a minute, such as 40k."),
]
Concurrency: TypeAlias = Annotated[
    Given | None,
    typer.Option("--concurrency", parser=read_count, metavar="N", help="Calls in flight at once."),
]
UsdPerDay: TypeAlias = Annotated[
    Given | None,
    typer.Option("--usd-per-day", parser=read_dollars, metavar="USD", help="Spend a day, UTC."),
]
UsdPerMonth: TypeAlias = Annotated[
    Given | None,
    typer.Option("--usd-per-month", parser=read_dollars, metavar="USD", help="Spend a month, UTC."),
]
Mode: TypeAlias = Annotated[
    BudgetMode | None,
    typer.Option("--mode", help="A soft budget may be exceeded while its lane has room."),
]
Factors: TypeAlias = Annotated[
    list[Any] | None,
    typer.Option(
        "--factor",
        parser=read_factor,
        metavar="[LIMIT=]F",
        help="Multiply all limits that there are, or one: 1.5, tpm=2. Repeatable.",
    ),
]
Settings: TypeAlias = Annotated[
    list[Any] | None,
    typer.Option(
        "--set",
        parser=read_setting,
        metavar="PATH=VALUE",
        help="Any setting by its path in the file; none: its default. Repeatable.",
    ),
]


def written(**options: Given | None) -> dict[str, Any]:
    """The limits that were written, as the API takes them."""
    return {name: one.value for name, one in options.items() if one is not None}


def factors_of(given: list[Any] | None) -> dict[str, float]:
    """Factors by limit."""
    found: dict[str, float] = {}
    for name, factor in given or ():
        found |= dict.fromkeys((name,) if name else FACTORS, float(factor))
    return found


def settings_of(given: list[Any] | None) -> dict[str, Any]:
    """Settings by path as a document."""
    document: dict[str, Any] = {}
    for path, text in given or ():
        *outer, last = path.split(".")
        inner = document
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = _value(text)
    return document


def merged(document: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Two documents as one; the second wins."""
    result = dict(document)
    for name, value in more.items():
        inner = result.get(name)
        both = isinstance(inner, dict) and isinstance(value, dict)
        result[name] = merged(inner, value) if both else value  # type: ignore[arg-type]
    return result


def _value(text: str) -> Any:
    if text == _NONE:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def _positive(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() and value >= 0 else None
