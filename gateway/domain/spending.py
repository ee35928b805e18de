"""What was used and what it cost: the rows of the accounts."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import StrEnum

HOUR_S = 3600
"""The accounts are kept by the hour, UTC."""
OTHER = "other"
"""What has no row of its own since there are too many."""


class Attribution(StrEnum):
    """To whom or what use is put down."""

    AGENT = "agent"
    TEAM = "team"
    MODEL = "model"
    LANE = "lane"
    PROVIDER = "provider"
    TAG = "tag"


KEYS = (
    Attribution.AGENT,
    Attribution.TEAM,
    Attribution.PROVIDER,
    Attribution.LANE,
    Attribution.MODEL,
)
"""In the order in which a row is kept; rows by tag have the tag behind them."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Sums over calls, in whole numbers.

    Attributes:
        calls: Calls that reached a provider.
        refused: Calls that the gateway itself refused.
        input_tokens: Fresh input.
        cache_write_1h_tokens: The part of `cache_write_tokens` with the long lifetime.
        reasoning_tokens: The part of `output_tokens` that was reasoning.
        cost_microusd: Cost, in millionths of a dollar.
        unpriced: Calls of whose model nobody knows the price.
        estimated: Calls of which the provider told no usage.
        wait_ms: Time in the queue.
        upstream_ms: Time at the provider.
    """

    calls: int = 0
    refused: int = 0
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    cache_write_1h_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_microusd: int = 0
    unpriced: int = 0
    estimated: int = 0
    web_searches: int = 0
    wait_ms: int = 0
    upstream_ms: int = 0

    def amounts(self) -> list[int]:
        """All sums in their order."""
        return [getattr(self, name) for name in AMOUNTS]


AMOUNTS = tuple(one.name for one in fields(Spent))
"""The names of all sums, in the order in which they are kept."""


@dataclass(frozen=True, slots=True)
class UsageRow:
    """Sums of one group.

    Attributes:
        start_s: When its time bucket begins, epoch seconds; `None` for all of the time.
        keys: The group, in the order that was asked for.
    """

    start_s: int | None
    keys: tuple[str, ...]
    spent: Spent


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """What is asked of the accounts.

    Attributes:
        since_s: From the hour of this time on, epoch seconds.
        until_s: Up to the hour before this time; a begun hour is included.
        by: How to group; empty: one group.
        bucket_s: Length of a time bucket, whole hours; `None`: all of the time is one.
    """

    since_s: float
    until_s: float
    by: Sequence[Attribution] = ()
    bucket_s: int | None = None
