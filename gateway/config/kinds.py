"""Kinds of values: how each is written, what it means, and its JSON schema."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Generic, TypeVar

from .faults import quoted, suggestion

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")
E = TypeVar("E", bound=Enum)

VARIABLE_PATTERN = r"\$\{"
MAX_INTEGER = 2**53 - 1
"""The largest integer that a Lua number holds exactly."""
NONE = "none"


class Unfit(Exception):  # noqa: N818 - named for the value, it never leaves this package
    """The text is not of this kind.

    Attributes:
        message: What is wrong, without the value where it may be secret.
        remedy: How to write it.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


@dataclass(frozen=True, slots=True)
class Kind(Generic[T_co]):
    """A kind of value.

    Attributes:
        name: For the reference page.
        parse: Text to value; raises `Unfit`.
        json: Its JSON schema.
    """

    name: str
    parse: Callable[[str], T_co]
    json: Mapping[str, object]


def whole(minimum: int = 0, maximum: int = MAX_INTEGER) -> Kind[int]:
    """A whole number within bounds; `_` may group digits."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[+-]?\d[\d_]{0,30}", text):
            raise Unfit(f"{quoted(text)} is not a whole number", "Write it like 80000.")
        value = int(text)
        _check_bounds(value, minimum, maximum)
        return value

    schema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return Kind("integer", parse, schema)


def number(
    minimum: float = 0.0, maximum: float = 1e9, *, above: bool = False, name: str = "number"
) -> Kind[float]:
    """A decimal number within bounds; `above` excludes the minimum."""

    def parse(text: str) -> float:
        value = float(_decimal(text))
        _check_bounds(value, minimum, maximum, above=above)
        return value

    lower = "exclusiveMinimum" if above else "minimum"
    return Kind(name, parse, {"type": "number", lower: minimum, "maximum": maximum})


def share(maximum: float = 0.9) -> Kind[float]:
    """A share of a limit, such as 0.05 or 5%."""
    inner = number(0.0, maximum)

    def parse(text: str) -> float:
        if text.endswith("%"):
            value = float(_decimal(text[:-1].strip()) / 100)
            _check_bounds(value, 0.0, maximum)
            return value
        return inner.parse(text)

    schema = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": maximum},
            {"type": "string", "pattern": r"^\d+(\.\d+)?\s*%$"},
        ]
    }
    return Kind("share", parse, schema)


_DURATION_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration(
    minimum_s: float = 0.0, maximum_s: float = 86400.0, *, above: bool = False
) -> Kind[float]:
    """A duration in seconds: `500ms`, `120s`, `2m`, `1h`, `1d`, or a number of seconds."""

    def parse(text: str) -> float:
        match = re.fullmatch(r"([+-]?[\d.]+)\s*(ms|s|m|h|d)?", text)
        if match is None:
            raise Unfit(
                f"{quoted(text)} is not a duration", "Write it like 500ms, 120s, 2m, 1h or 1d."
            )
        value = float(_decimal(match[1])) * _DURATION_UNITS[match[2] or "s"]
        _check_bounds(value, minimum_s, maximum_s, above=above, unit=" s")
        return value

    schema = {
        "anyOf": [
            {"type": "number", "minimum": minimum_s, "maximum": maximum_s},
            {"type": "string", "pattern": r"^\d+(\.\d+)?\s*(ms|s|m|h|d)?$"},
        ]
    }
    return Kind("duration", parse, schema)


_SIZE_UNITS = {
    "": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3,
    "kib": 1024, "mib": 1024**2, "gib": 1024**3,
}  # fmt: skip


def size(minimum: int = 1, maximum: int = 64 * 1024**3) -> Kind[int]:
    """A number of bytes: `32MiB`, `64MB` or a plain number."""

    def parse(text: str) -> int:
        match = re.fullmatch(r"([+-]?[\d.]+)\s*([A-Za-z]*)", text)
        if match is None or match[2].lower() not in _SIZE_UNITS:
            raise Unfit(f"{quoted(text)} is not a size", "Write it like 32MiB, 64MB or 1048576.")
        value = int(_decimal(match[1]) * _SIZE_UNITS[match[2].lower()])
        _check_bounds(value, minimum, maximum, unit=" bytes")
        return value

    schema = {
        "anyOf": [
            {"type": "integer", "minimum": minimum},
            {"type": "string", "pattern": r"^\d+(\.\d+)?\s*([KkMmGg][Ii]?)?[Bb]?$"},
        ]
    }
    return Kind("size", parse, schema)


def dollars() -> Kind[int]:
    """US dollars, kept as whole micro-dollars."""

    def parse(text: str) -> int:
        micro = _decimal(text.removeprefix("$").strip()) * 1_000_000
        if micro != micro.to_integral_value():
            raise Unfit("an amount finer than a millionth of a dollar", "Round it.")
        _check_bounds(int(micro), 0, MAX_INTEGER)
        return int(micro)

    return Kind("dollars", parse, {"type": "number", "minimum": 0})


def day() -> Kind[date]:
    """A day, such as 2026-12-01."""

    def parse(text: str) -> date:
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise Unfit(f"{quoted(text)} is not a day", "Write it like 2026-12-01.") from None

    return Kind("day", parse, {"type": "string", "format": "date"})


def flag() -> Kind[bool]:
    """True or false."""

    def parse(text: str) -> bool:
        lowered = text.lower()
        if lowered in {"true", "yes", "on"}:
            return True
        if lowered in {"false", "no", "off"}:
            return False
        raise Unfit(f"{quoted(text)} is neither true nor false", "Write true or false.")

    return Kind("boolean", parse, {"type": "boolean"})


def choice(words: type[E]) -> Kind[E]:
    """One of the words of an enum."""
    known = {str(word.value): word for word in words}

    def parse(text: str) -> E:
        if text not in known:
            remedy = suggestion(text, known, f"Write one of: {', '.join(known)}.")
            raise Unfit(f"{quoted(text)} is not one of {', '.join(known)}", remedy)
        return known[text]

    return Kind(" \\| ".join(f"`{word}`" for word in known), parse, {"enum": list(known)})


def optional(kind: Kind[T]) -> Kind[T | None]:
    """The kind, or the word `none`."""

    def parse(text: str) -> T | None:
        return None if text == NONE else kind.parse(text)

    schema = {"anyOf": [dict(kind.json), {"const": NONE}]}
    return Kind(f"{kind.name} or `none`", parse, schema)


def _decimal(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise Unfit(f"{quoted(text)} is not a number", "Write it like 0.5 or 20.") from None
    if not value.is_finite():
        raise Unfit(f"{quoted(text)} is not a finite number", "Write it like 0.5 or 20.")
    return value


def _check_bounds(
    value: float, minimum: float, maximum: float, *, above: bool = False, unit: str = ""
) -> None:
    if value < 0 <= minimum:
        raise Unfit("a negative number makes no sense here", "Write a positive one.")
    if value < minimum or (above and value == minimum):
        bound = "more than" if above else "at least"
        raise Unfit(f"the value is too small: it must be {bound} {minimum:,}{unit}")
    if value > maximum:
        raise Unfit(f"the value is too large: it may be at most {maximum:,}{unit}")
