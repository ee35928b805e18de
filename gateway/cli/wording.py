"""Limits, times and amounts as people read them."""

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
