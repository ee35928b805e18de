"""Limits, times and amounts as people read them."""

from typing import Any

LIMITS = {
    "rpm": "requests per minute",
    "itpm": "input tokens per minute",
    "otpm": "output tokens per minute",
    "tpm": "tokens per minute",
    "concurrency": "calls at once",
    "usd_per_day": "spend per day",
    "usd_per_month": "spend per month",
}


def limit_in_words(scope: str, name: str, dimension: str) -> str:
    """Whose limit of what."""
    if scope == "band":
        return f"{LIMITS[dimension]} of lane {name}, less what is left for higher priorities"
    return f"{LIMITS.get(dimension, dimension)} of {scope} {name}"


def seconds(value: float) -> str:
    """A time; exact where it is short."""
    if value >= 100:
        return f"{value:.0f} s"
    return f"{value:.1f} s" if value >= 10 else f"{value:.2f} s"


def whole(value: float) -> str:
    """A number with its thousands."""
    return f"{value:,.0f}"


def dollars(microusd: int) -> str:
    """An amount, to the hundredth of a cent."""
    return f"${microusd / 1_000_000:,.4f}"


def moment(at: str | None, otherwise: str = "-") -> str:
    """A time of the admin API, in UTC, to the minute."""
    return otherwise if at is None else f"{at[:10]} {at[11:16]}Z"


def origin(one: Any) -> str:
    """Where a value comes from: a line of the file, a person, a temporary budget."""
    word, source = str(one["origin"]), str(one["source"])
    if not source:
        return word
    return source if word == "file" or source.startswith(word) else f"{word} ({source})"


def as_written(value: Any) -> str:
    """A value as the configuration file would have it."""
    match value:
        case None:
            return "-"
        case bool():
            return "true" if value else "false"
        case list():
            return f"[{', '.join(as_written(one) for one in value)}]"
        case float() if value.is_integer():
            return str(int(value))
        case _:
            return str(value)
