"""What the accounts say of each lane's work: the figures that capacity is planned from."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from gateway.domain.spending import Attribution, Spent, UsageRow
from gateway.domain.value import value

from .capacity import Interaction
from .price_table import Price

GROUPS = (Attribution.LANE, Attribution.PROVIDER, Attribution.MODEL, Attribution.AGENT)
"""How rows have to be grouped, in buckets of an hour."""
PriceOf: TypeAlias = Callable[[str, str], Price | None]
"""(provider, model) → its price."""
HOURS_OF_A_MONTH = 730
_MINUTES = 60
_MS = 1000
_MILLION = 1_000_000


@value
class Observed:
    """One lane's work.

    Attributes:
        agents: How many called.
        calls: How many calls.
        per_minute: Calls per minute of one agent, in the hours in which it called at all.
        each: A call on average.
        cost_microusd: What they cost.
        uncached_microusd: What they would have cost without prompt caches.
    """

    lane: str
    provider: str
    agents: int
    calls: int
    per_minute: float
    each: Interaction
    cost_microusd: int
    uncached_microusd: int


@dataclass(slots=True)
class _Work:
    provider: str
    agents: set[str] = field(default_factory=set)
    hours: set[tuple[int | None, str]] = field(default_factory=set)
    sums: dict[str, int] = field(default_factory=dict)
    uncached_microusd: int = 0


_SUMMED = (
    "calls",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "upstream_ms",
    "cost_microusd",
)


def observed(rows: Iterable[UsageRow], price_of: PriceOf) -> list[Observed]:
    """The work of each lane that was called, by name. Rows grouped by `GROUPS` and hour."""
    lanes: dict[str, _Work] = {}
    for row in rows:
        lane, provider, model, agent = row.keys
        if not lane or not row.spent.calls:
            continue
        work = lanes.setdefault(lane, _Work(provider))
        work.agents.add(agent)
        work.hours.add((row.start_s, agent))
        for name in _SUMMED:
            work.sums[name] = work.sums.get(name, 0) + getattr(row.spent, name)
        work.uncached_microusd += _uncached(row.spent, price_of(provider, model))
    return [_observed(name, work) for name, work in sorted(lanes.items())]


def _observed(lane: str, work: _Work) -> Observed:
    sums = work.sums
    calls = sums["calls"]
    return Observed(
        lane=lane,
        provider=work.provider,
        agents=len(work.agents),
        calls=calls,
        per_minute=calls / (len(work.hours) * _MINUTES),
        each=Interaction(
            input_tokens=sums["input_tokens"] / calls,
            cache_read_tokens=sums["cache_read_tokens"] / calls,
            cache_write_tokens=sums["cache_write_tokens"] / calls,
            output_tokens=sums["output_tokens"] / calls,
            max_output_tokens=sums["output_tokens"] / calls,
            duration_s=sums["upstream_ms"] / calls / _MS,
        ),
        cost_microusd=sums["cost_microusd"],
        uncached_microusd=work.uncached_microusd,
    )


def _uncached(spent: Spent, price: Price | None) -> int:
    """What it would cost as fresh input, in short prompts; as it did where no price is known."""
    if price is None:
        return spent.cost_microusd
    rates = price.standard.rates
    cached = (
        spent.cache_read_tokens * (rates.input - rates.cache_read)
        + (spent.cache_write_tokens - spent.cache_write_1h_tokens)
        * (rates.input - rates.cache_write)
        + spent.cache_write_1h_tokens * (rates.input - rates.cache_write_long)
    )
    return spent.cost_microusd + round(cached / _MILLION)
