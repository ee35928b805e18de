"""What two runs of the same fleet mean, from the simulator's log and the tasks that were begun.

A task's *wait* is the time from the agent's call to the arrival, at the provider, of the attempt
that was answered: refused attempts, the SDK's pauses between them and the gateway's queue alike.

The share of a limit is what whole answers took of it in the run, divided by all that it allowed:
the full bucket at the start and what was refilled since. Output counts as it was produced.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.call import Dialect, Priority
from gateway.domain.limits import LaneLimits

from .fleet import MINUTE_S
from .provider_side import Record
from .running import End, Run

_DIMENSIONS = (
    ("rpm", "requests"),
    ("itpm", "input_tokens"),
    ("otpm", "output_tokens"),
    ("tpm", "tokens"),
)


@dataclass(slots=True)
class Tally:
    """One agent in one run.

    Attributes:
        tokens: In whole answers.
        rate_limited: 429s that its calls met at the provider.
    """

    answered: int = 0
    failed: int = 0
    unfinished: int = 0
    tokens: int = 0
    rate_limited: int = 0


@dataclass(frozen=True, slots=True)
class Figures:
    """One run.

    Attributes:
        rate_limited: 429s sent by the providers.
        wasted: Requests that reached a provider and were not answered whole.
        tokens: In whole answers.
        shares: Used share of each limit, by dialect and dimension.
        waits: Waits of answered tasks in seconds, by priority, ascending.
    """

    agents: Mapping[str, Tally]
    rate_limited: int
    wasted: int
    tokens: int
    shares: Mapping[Dialect, Mapping[str, float]]
    waits: Mapping[Priority, Sequence[float]]

    def count(self, end: End) -> int:
        """Tasks that ended so."""
        return sum(getattr(one, end.name.lower()) for one in self.agents.values())


@dataclass(frozen=True, slots=True)
class Period:
    """A stretch of the simulator's clock, in seconds."""

    begin_s: float
    end_s: float

    def part_of(self, begin_s: float, end_s: float) -> float:
        """Which part of another stretch lies in this one."""
        if end_s <= begin_s:
            return 1.0 if self.begin_s <= begin_s < self.end_s else 0.0
        inside = min(self.end_s, end_s) - max(self.begin_s, begin_s)
        return max(0.0, inside) / (end_s - begin_s)


def tallies(run: Run, records: Iterable[Record]) -> dict[str, Tally]:
    """Each agent so far."""
    found = {one.name: Tally() for one in run.members}
    for attempted in run.attempted:
        tally = found[attempted.task.member.name]
        tally.answered += attempted.end is End.ANSWERED
        tally.failed += attempted.end is End.FAILED
        tally.unfinished += attempted.end is End.UNFINISHED
    for record in records:
        tally = found[record.agent]
        tally.rate_limited += record.status == 429
        tally.tokens += record.tokens if record.whole else 0
    return found


def share(
    records: Iterable[Record], dimension: str, limit: int, period: Period, minute_s: float
) -> float:
    """Which part of a limit whole answers used in a period that began with a full bucket.

    Args:
        records: Of that limit.
        dimension: As the simulator names it.
        limit: Per minute.
        period: When.
        minute_s: Length of the minute.
    """
    used = 0.0
    for one in records:
        if one.whole:
            end_s = one.ended_s if dimension == "output_tokens" else one.started_s
            used += one.charged.get(dimension, 0) * period.part_of(one.started_s, end_s)
    return used / (limit * (1 + (period.end_s - period.begin_s) / minute_s))


def shares(
    records: Sequence[Record], limits: LaneLimits, period: Period, minute_s: float
) -> dict[str, float]:
    """The used share of each limit of a lane."""
    return {
        name: share(records, dimension, limit, period, minute_s)
        for name, dimension in _DIMENSIONS
        if (limit := getattr(limits, name)) is not None
    }


def waits(run: Run, records: Iterable[Record]) -> dict[Priority, list[float]]:
    """Waits of answered tasks by priority, ascending."""
    arrived = {one.client: one.time for one in records if one.whole}
    found: dict[Priority, list[float]] = {priority: [] for priority in Priority}
    for one in run.attempted:
        if one.end is End.ANSWERED and one.task.id in arrived:
            wait_s = max(0.0, arrived[one.task.id] - one.began)
            found[one.task.member.priority].append(wait_s)
    for some in found.values():
        some.sort()
    return found


def quantile(ascending: Sequence[float], q: float) -> float | None:
    """The smallest value that at least the share `q` of all values does not exceed."""
    if not ascending:
        return None
    return ascending[max(0, math.ceil(q * len(ascending)) - 1)]


def figures(
    run: Run,
    records: Sequence[Record],
    period: Period,
    limits: Mapping[Dialect, LaneLimits],
    minute_s: float = MINUTE_S,
) -> Figures:
    """Everything about a run that has ended.

    Args:
        run: The run.
        records: The simulator's whole log of it.
        period: The run on the simulator's clock.
        limits: Of each provider.
        minute_s: Length of the minute.
    """
    cut = {one.task.id for one in run.attempted if one.end is End.UNFINISHED}
    return Figures(
        agents=tallies(run, records),
        rate_limited=sum(one.status == 429 for one in records),
        wasted=sum(
            not one.whole and (one.status == 429 or one.client not in cut) for one in records
        ),
        tokens=sum(one.tokens for one in records if one.whole),
        shares={
            dialect: shares(
                [one for one in records if one.dialect == dialect], some, period, minute_s
            )
            for dialect, some in limits.items()
        },
        waits=waits(run, records),
    )


def binding(runs: Iterable[Figures], dialect: Dialect) -> str:
    """The limit of a provider that is used up most in any of the runs."""
    best: dict[str, float] = {}
    for one in runs:
        for name, used in one.shares[dialect].items():
            best[name] = max(best.get(name, 0.0), used)
    return max(best, key=lambda name: best[name])


@dataclass(frozen=True, slots=True)
class Spending:
    """What the gateway's metrics say each agent used.

    Attributes:
        tokens: By agent.
        cost_usd: By agent.
    """

    tokens: Mapping[str, int] = field(default_factory=dict)
    cost_usd: Mapping[str, float] = field(default_factory=dict)
