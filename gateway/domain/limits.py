"""Limits: what is counted, how much of it a lane or a budget allows, and whose limit it was."""

from dataclasses import dataclass
from enum import StrEnum


class Dimension(StrEnum):
    """What a limit counts. The first four are per minute."""

    RPM = "rpm"
    """Requests."""
    ITPM = "itpm"
    """Input tokens, as the provider counts them against its limit."""
    OTPM = "otpm"
    """Output tokens."""
    TPM = "tpm"
    """Input and output tokens together."""
    CONCURRENCY = "concurrency"
    """Calls in flight at once."""
    USD_PER_DAY = "usd_per_day"
    """Micro-dollars in a calendar day, UTC."""
    USD_PER_MONTH = "usd_per_month"
    """Micro-dollars in a calendar month, UTC."""


class ScopeKind(StrEnum):
    """Whose limit it is."""

    LANE = "lane"
    BAND = "band"
    """Of a lane, the part that is left for calls of higher priority (`floors`)."""
    AGENT = "agent"
    TEAM = "team"


@dataclass(frozen=True, slots=True)
class LaneLimits:
    """Limits of one lane per configured minute; `None` is no limit (or not yet learned)."""

    rpm: int | None = None
    itpm: int | None = None
    otpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None


class BudgetMode(StrEnum):
    """Whether a budget may be exceeded while its lane has spare capacity."""

    HARD = "hard"
    SOFT = "soft"


@dataclass(frozen=True, slots=True)
class Budget:
    """An agent's or a team's own limits; `None` is no limit."""

    rpm: int | None = None
    tpm: int | None = None
    concurrency: int | None = None
    usd_per_day_micro: int | None = None
    usd_per_month_micro: int | None = None
    mode: BudgetMode = BudgetMode.HARD


@dataclass(frozen=True, slots=True)
class Headroom:
    """What a provider's response headers say of one dimension of a lane.

    Attributes:
        dimension: The limit spoken of.
        limit: The limit per minute, if told.
        remaining: What is left now, in requests or tokens, if told.
        granularity: `remaining` was rounded to a multiple of this (Anthropic rounds tokens to
            1,000, provider-facts A4).
    """

    dimension: Dimension
    limit: int | None
    remaining: int | None
    granularity: int = 1
