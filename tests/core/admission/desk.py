"""A desk at which the rules of admission are tried out: the model with a clock and short words."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.core.admission.messages import Event
from gateway.core.admission.operations import Answer, Engine
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot

S = 1_000_000
START_US = 1_795_564_800 * S  # 2026-11-25 00:00:00 UTC, at the start of a slot of any minute
LEASE_US = 3 * S
URGENT, NORMAL, BACKGROUND = 1, 2, 3
RPM, ITPM, OTPM, TPM, ALL = 1, 2, 3, 4, 5


def charge(
    input_tokens: int = 0, output_tokens: int = 0, cost: int = 0, requests: int = 1
) -> list[int]:
    """What a call takes, lane and budgets alike."""
    both = input_tokens + output_tokens
    return [requests, input_tokens, output_tokens, both, input_tokens, output_tokens, cost]


@dataclass
class Desk:
    """Operations of one or more replicas on the model.

    Attributes:
        replica: Who makes the next calls.
        now_us: When.
        log: All events of all replicas, in order.
    """

    replica: str = "r1"
    now_us: int = START_US
    log: list[Event] = field(default_factory=list)
    last: Answer = field(default_factory=lambda: Answer(known=True))

    def __post_init__(self) -> None:
        self.engine = Engine(LEASE_US)
        self.call(["hello"])

    # --- operations ---------------------------------------------------------------------------

    def call(self, *operations: list[Any]) -> list[Event]:
        """One call; returns its events."""
        self.last = self.engine.call(self.replica, operations, self.now_us)
        self.log += self.last.events
        return self.last.events

    def lane(self, name: str = "lane", **limits: Any) -> None:
        """Configure a lane without margin and floors, unless told."""
        self.call(
            [
                "configure",
                f"lane:{name}",
                {
                    "limits": [limits.get(kind, -1) for kind in ("rpm", "itpm", "otpm", "tpm")],
                    "concurrency": limits.get("concurrency", -1),
                    "margin": limits.get("margin", 0),
                    "floors": limits.get("floors", [0, 0, 0]),
                    "minute_us": 60 * S,
                    "max_depth": limits.get("max_depth", 1000),
                    "ageing_us": limits.get("ageing_s", 30) * S,
                    "ramp": limits.get("ramp", [0, 1, 0]),
                },
            ]
        )

    def budget(self, scope: str, *, soft: bool = False, minute_s: int = 60, **limits: int) -> None:
        """Configure a budget, `agent:NAME` or `team:NAME`."""
        kinds = ("rpm", "tpm", "concurrency", "day", "month")
        values = [limits.get(kind, -1) for kind in kinds]
        settings = {"limits": values, "soft": int(soft), "minute_us": minute_s * S}
        self.call(["configure", scope, settings])

    def arrive(
        self,
        ticket: str,
        needs: Sequence[int] | None = None,
        *,
        agent: str = "ann",
        team: str = "",
        band: int = NORMAL,
        weight: float = 1,
        wait_s: float = 600,
        lane: str = "lane",
        fingerprint: str = "",
        retry: bool = False,
    ) -> Event:
        """A ticket arrives; returns what it is told."""
        self.call(
            [
                "arrive",
                ticket,
                lane,
                agent,
                team,
                band,
                weight,
                list(needs or charge()),
                int(wait_s * S),
                fingerprint,
                int(retry),
            ]
        )
        return next(event for event in self.last.events if event[1] == ticket)

    def requeue(self, ticket: str, needs: Sequence[int], agent: str = "ann") -> list[Event]:
        """The provider has refused a ticket's call."""
        return self.call(
            ["requeue", ticket, "lane", agent, "", NORMAL, 1, list(needs), 600 * S, "", 0]
        )

    def settle(
        self, ticket: str, used: Sequence[int] | None = None, lane: str = "lane"
    ) -> list[Event]:
        """A ticket ends."""
        return self.call(["settle", ticket, lane, list(used or charge())])

    def cancel(self, ticket: str, *, timed_out: bool = False) -> list[Event]:
        """A ticket stops waiting."""
        return self.call(["cancel", ticket, int(timed_out)])

    def head(
        self, ticket: str, *seen: tuple[int, int, int, int], lane: str = "lane"
    ) -> list[Event]:
        """An answer tells (dimension, limit, remaining, granularity)."""
        return self.call(["head", ticket, lane, [list(each) for each in seen]])

    def block(self, *dimensions: int, for_s: float) -> list[Event]:
        """The provider stops a lane."""
        return self.call(["block", "lane", list(dimensions), int(for_s * S)])

    def after(self, seconds: float) -> list[Event]:
        """Let time pass, and pump."""
        self.now_us += int(seconds * S)
        return self.call(["tick", "lane"])

    # --- looking ------------------------------------------------------------------------------

    def see(self, lane: str = "lane") -> LaneSnapshot:
        """The lane now."""
        events = self.last.events
        self.call(["inspect", f"lane:{lane}", 1])
        (found,), self.last = self.last.snapshots, Answer(True, events)
        assert isinstance(found, LaneSnapshot)
        return found

    def see_budget(self, scope: str) -> BudgetSnapshot:
        """The budget now."""
        self.call(["inspect", scope, 0])
        (found,) = self.last.snapshots
        assert isinstance(found, BudgetSnapshot)
        return found

    def queue(self, lane: str = "lane") -> list[str]:
        """Tickets in the order in which they will be served."""
        return [entry.ticket for entry in self.see(lane).queue]


def granted(events: Sequence[Event]) -> list[str]:
    """Tickets granted, in order."""
    return [str(event[1]) for event in events if event[0] == "g"]


def refused(events: Sequence[Event]) -> dict[str, str]:
    """Tickets refused, with the reason."""
    return {str(event[1]): str(event[2]) for event in events if event[0] == "r"}
