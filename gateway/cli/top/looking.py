"""What `gateway top` knows: one look at the admin API, and the pace since earlier looks."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias

from gateway.cli.admin_access import AdminApi

MOST_WAITING = 200
"""So many waiting calls are asked for; more could not be drawn."""
PACE_S = 60.0
"""How far back a pace looks."""
TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")

Counts: TypeAlias = Mapping[tuple[str, ...], int]
"""Ever growing: tokens by (agent,), spent by (lane, dimension)."""


@dataclass(frozen=True, slots=True)
class Look:
    """The gateway at one moment, as its admin API shows it.

    Attributes:
        lanes: Of `/lanes`.
        queue: The first waiting calls, of `/queue`.
        waiting: How many wait in all.
        agents: Usage of today (UTC) by agent.
        past: Times (monotonic) and counts of this look and earlier ones, oldest first.
    """

    url: str
    lanes: list[Any]
    queue: list[Any]
    waiting: int
    agents: list[Any]
    past: tuple[tuple[float, Counts], ...]

    def pace(self, *what: str) -> float | None:
        """How much a minute, since the oldest look; `None` without one."""
        (since_s, before), (at_s, now) = self.past[0], self.past[-1]
        if at_s <= since_s or what not in before:
            return None
        return max(0, now.get(what, 0) - before[what]) / (at_s - since_s) * 60


def looked(api: AdminApi, before: Look | None) -> Look:
    """Look once.

    Raises:
        Failure: The gateway does not answer, or not as it should.
    """
    at_s = time.monotonic()  # noqa: TID251 - a terminal's own clock
    queue = api.get("queue", limit=MOST_WAITING)
    lanes = api.all("lanes")
    agents = api.all("usage", group_by="agent", since=datetime.now(UTC).date().isoformat())
    earlier = () if before is None else before.past
    kept = tuple(one for one in earlier if one[0] >= at_s - PACE_S)
    counts = _counts(lanes, agents)
    return Look(api.url, lanes, queue["items"], queue["total"], agents, (*kept, (at_s, counts)))


def tokens(row: Any) -> int:
    """Prompt and output tokens of a row of usage."""
    return sum(row[name] for name in TOKENS)


def _counts(lanes: list[Any], agents: list[Any]) -> Counts:
    used: dict[tuple[str, ...], int] = {(row["agent"],): tokens(row) for row in agents}
    for lane in lanes:
        for limit in lane["limits"]:
            used[lane["name"], limit["dimension"]] = limit["spent"]
    return used
