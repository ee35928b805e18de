"""Which of several configurations of one limit counts, where replicas have different ones.

Each limit that a replica sends carries a stamp: the revision of the last run-time edit of its item
that the replica knows, then the time at which the replica loaded its file. An older stamp changes
nothing. So a replica that has not heard of an edit cannot undo it, and of two files the one loaded
last counts, on all replicas, for every lane, agent and team that it names.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gateway.domain.limits import Budget
from gateway.domain.topology import Lane, QueueSettings, Topology

from .messages import Operation, configure_all, configure_budget, configure_lane


@dataclass(frozen=True, slots=True)
class Stamps:
    """The stamps of one replica's configuration.

    Attributes:
        loaded_ms: When its file was loaded, in milliseconds since the epoch.
        revisions: Of scopes (`lane:NAME`, `agent:NAME`, `team:NAME`) edited at run time.
    """

    loaded_ms: int = 0
    revisions: Mapping[str, int] = field(default_factory=dict)

    def of(self, scope: str) -> list[int]:
        """The stamp of a scope."""
        return [self.revisions.get(scope, 0), self.loaded_ms]


UNSTAMPED = Stamps()
"""Older than all others."""


def stamped(topology: Topology, stamps: Stamps) -> Iterator[Operation]:
    """Everything a topology says of limits, each with its stamp."""
    for operation in configure_all(topology):
        yield [*operation, stamps.of(str(operation[1]))]


def lifted(scope: str, queue: QueueSettings, minute_s: float, stamps: Stamps) -> Operation:
    """The limits of a scope that is configured no more: none."""
    kind, name = scope.split(":", 1)
    if kind == "lane":
        operation = configure_lane(Lane(name=name, provider="", models=()), queue, minute_s)
    else:
        operation = configure_budget(scope, Budget(), minute_s)
    return [*operation, stamps.of(scope)]
