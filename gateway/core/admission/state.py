"""What admission remembers: lanes, budgets, flows, tickets, and the order of the queue."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from .messages import MICRO, NO_LIMIT, Event

DIMENSION_NAMES = ("rpm", "itpm", "otpm", "tpm")
BAND_NUMBERS = (1, 2, 3)
BACKGROUND = 3
EPSILON = 1e-6
"""Of a token: absorbs rounding when a caller comes back exactly on time."""
FOREVER = 3600 * MICRO
"""Said when nobody can say how long, in microseconds."""
DAY = 86400 * MICRO
KEPT_PLACE_US = 60 * MICRO
"""How long the place of a ticket that left unserved is kept for a retry."""


class Ranking:
    """Members by score, equal scores by the bytes of the name: a Redis sorted set."""

    __slots__ = ("_scores",)

    def __init__(self) -> None:
        self._scores: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._scores)

    def __contains__(self, member: str) -> bool:
        return member in self._scores

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._scores, key=self._rank))

    def _rank(self, member: str) -> tuple[float, bytes]:
        return self._scores[member], member.encode()

    def put(self, member: str, score: float) -> None:
        """Add a member, or give it another score."""
        self._scores[member] = score

    def drop(self, member: str) -> None:
        """Remove a member, if it is there."""
        self._scores.pop(member, None)

    def first(self) -> str:
        """The member with the lowest score; there must be one."""
        return min(self._scores, key=self._rank)

    def head(self) -> tuple[float, bytes]:
        """Score and name of the first member."""
        return self._rank(self.first())

    def score(self, member: str) -> float:
        """The score of a member."""
        return self._scores[member]


def _zeros(count: int = 4) -> list[int]:
    return [0] * count


def _nones() -> list[int]:
    return [NO_LIMIT] * 4


def _levels(count: int = 4) -> list[float]:
    return [0.0] * count


@dataclass(slots=True)
class Ledger:
    """Sums for ever, by dimension: reserved is settled + released + expired + held now."""

    reserved: list[int]
    settled: list[int]
    released: list[int]
    expired: list[int]

    @classmethod
    def empty(cls, dimensions: int) -> "Ledger":
        """Nothing yet."""
        return cls(*(_zeros(dimensions) for _ in range(4)))

    def rows(self) -> list[list[int]]:
        """For a snapshot."""
        return [list(row) for row in (self.reserved, self.settled, self.released, self.expired)]

    def move(self, d: int, reserved: int, used: int) -> None:
        """A reservation becomes actual use; what was used beyond it is reserved first."""
        if used > reserved:
            self.reserved[d] += used - reserved
        else:
            self.released[d] += reserved - used
        self.settled[d] += used


@dataclass(slots=True)
class LaneState:
    """One lane. Lists are by dimension (rpm, itpm, otpm, tpm) or by band (urgent first).

    Attributes:
        stamp: Of the configuration in force: revision of its run-time edits, then load time.
        limits, concurrency, margin, floors, minute_us, max_depth, ageing_us: Configuration.
        learned: Limits from response headers.
        epoch: How often the limits in force have changed.
        level: What each bucket holds at `at_us`.
        blocked_us: Until when, by dimension, and last for the lane as a whole.
        held, in_flight: Reserved by admitted tickets, and their number.
        holding_us: Mean time from grant to settlement.
        corrected: Sum of corrections by the provider's figures.
        pending: Of these, what settlements of calls in flight may turn out to explain.
        drift: Ours minus theirs at the last answer.
        strangers: Left in each bucket for others who use the account.
        used_us, ramp_us: When a call last came, began or ended; when the ramp begins, 0: there is none.
        ramp_idle_us, ramp_start, ramp_over_us: Configuration of ramps.
        pace: Share of buckets and refill that is let through now.
        sequence: Number of the last arrival.
        virtual: Virtual time of each band.
        since_us: Since when each band waits for service.
        active: Flows in each band that no budget holds back.
        waiting, flows, weights, waiting_charges: Tickets, flows, their weights and charges.
        announced: The next time told, and to which replica.
        limit, capacity, rate: In force; derived by `lane.shape`.
    """

    name: str
    at_us: int
    limits: list[int] = field(default_factory=_nones)
    concurrency: int = NO_LIMIT
    margin: float = 0.01
    floors: list[float] = field(default_factory=lambda: [0, 0.05, 0.2])
    minute_us: int = 60 * MICRO
    max_depth: int = 1000
    ageing_us: int = 30 * MICRO
    learned: list[int] = field(default_factory=_nones)
    epoch: int = 0
    level: list[float] = field(default_factory=_levels)
    blocked_us: list[int] = field(default_factory=lambda: _zeros(5))
    paused: bool = False
    held: list[int] = field(default_factory=_zeros)
    in_flight: int = 0
    holding_us: float = 0
    corrected: list[float] = field(default_factory=_levels)
    pending: list[float] = field(default_factory=_levels)
    drift: list[float] = field(default_factory=_levels)
    strangers: list[float] = field(default_factory=_levels)
    used_us: int = 0
    ramp_us: int = 0
    ramp_idle_us: int = 0
    ramp_start: float = 1
    ramp_over_us: int = 0
    pace: float = 1
    sequence: int = 0
    virtual: list[float] = field(default_factory=lambda: _levels(3))
    since_us: list[int] = field(default_factory=lambda: _zeros(3))
    active: list[int] = field(default_factory=lambda: [0] * 3)
    waiting: list[int] = field(default_factory=lambda: [0] * 3)
    flows: list[int] = field(default_factory=lambda: [0] * 3)
    weights: list[float] = field(default_factory=lambda: _levels(3))
    waiting_charges: list[list[int]] = field(default_factory=lambda: [_zeros() for _ in range(3)])
    ledger: Ledger = field(default_factory=lambda: Ledger.empty(4))
    announced: tuple[int, str] = (0, "")
    stamp: list[int] = field(default_factory=lambda: _zeros(2))
    limit: list[int] = field(default_factory=_nones)
    capacity: list[float] = field(default_factory=lambda: [-1.0] * 4)
    rate: list[float] = field(default_factory=_levels)


@dataclass(slots=True)
class BudgetState:
    """One agent's or team's budget.

    Attributes:
        stamp: Of the configuration in force, as of a lane's.
        limits: rpm, tpm, concurrency, micro-dollars per day and per month.
        slots: The sliding minute, oldest first: slot number, tokens, requests.
        tokens, requests: Sums over the slots.
        held_requests, held_input, held_output, held_cost: Of calls in flight.
        day, spent_day, month, spent_month: Spend of the calendar day and month (UTC).
        groups: Number of places where flows wait for this budget.
        blind_until_us: Until then replicas may not have told what they used before the data were
            lost.
        ledger: By requests, tokens, micro-dollars.
    """

    scope: str
    limits: list[int] = field(default_factory=lambda: [NO_LIMIT] * 5)
    soft: bool = False
    minute_us: int = 60 * MICRO
    slots: list[tuple[int, int, int]] = field(default_factory=list)
    tokens: int = 0
    requests: int = 0
    held_requests: int = 0
    held_input: int = 0
    held_output: int = 0
    held_cost: int = 0
    in_flight: int = 0
    holding_us: float = 0
    day: int = 0
    spent_day: int = 0
    month: int = 0
    spent_month: int = 0
    groups: int = 0
    blind_until_us: int = 0
    ledger: Ledger = field(default_factory=lambda: Ledger.empty(3))
    stamp: list[int] = field(default_factory=lambda: _zeros(2))

    @property
    def kind(self) -> str:
        """`agent` or `team`."""
        return self.scope.split(":", 1)[0]

    @property
    def name(self) -> str:
        """Whose it is."""
        return self.scope.split(":", 1)[1]


@dataclass(slots=True)
class Flow:
    """One agent's queue in one band of one lane.

    Attributes:
        tag: Virtual time at which its next ticket starts.
        tickets: The waiting ones, by sequence number.
        charges, tokens: Of what waits: lane charges by dimension, tokens for budgets.
        parked: The budget it waits for, or `None`.
        woken_from: The budget it was woken from and whose next flow waits for it to get on.
    """

    tag: float = 0
    tickets: Ranking = field(default_factory=Ranking)
    charges: list[int] = field(default_factory=_zeros)
    tokens: int = 0
    weight: float = 1
    active: bool = False
    parked: str | None = None
    woken_from: str | None = None

    @property
    def count(self) -> int:
        """How many wait."""
        return len(self.tickets)


@dataclass(slots=True)
class Ticket:
    """One request, waiting or admitted.

    Attributes:
        charge: Requests, lane input, lane output, lane tokens, input, output, micro-dollars.
        deadline_us: It is not served later.
        why: Kind, name and dimension of the limit that it last waited for.
        cost: What its flow was charged.
        levels, held, corrected, epoch: The lane's books when it was admitted.
        refused: Dimensions of the provider's 429 that it waits again for.
    """

    id: str
    lane: str
    agent: str
    team: str
    band: int
    weight: float
    charge: list[int]
    replica: str
    arrived_us: int
    deadline_us: int
    fingerprint: str = ""
    sequence: int = 0
    admitted: bool = False
    admitted_us: int = 0
    cost: int = 0
    why: tuple[str, str, str] = ("", "", "")
    levels: list[float] = field(default_factory=list)
    held: list[int] = field(default_factory=list)
    corrected: list[float] = field(default_factory=list)
    epoch: int = -1
    refused: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class KeptPlace:
    """The place of a ticket that left without being served, for its retry."""

    lane: str
    agent: str
    band: int
    sequence: int
    tag: float
    until_us: int


@dataclass(slots=True)
class Books:
    """Everything, and what the call that is running has to say."""

    lanes: dict[str, LaneState] = field(default_factory=dict)
    budgets: dict[str, BudgetState] = field(default_factory=dict)
    flows: dict[tuple[int, str, str], Flow] = field(default_factory=dict)
    tickets: dict[str, Ticket] = field(default_factory=dict)
    places: dict[str, KeptPlace] = field(default_factory=dict)
    replicas: Ranking = field(default_factory=Ranking)
    numbers: dict[str, int] = field(default_factory=dict)
    """Of the last batch of each replica, dead ones included."""
    outboxes: dict[str, list[Event]] = field(default_factory=dict)
    active: dict[tuple[int, str], Ranking] = field(default_factory=dict)
    """Flows (agents) by (band, lane) that may be served, by tag."""
    parked: dict[tuple[int, str, str], Ranking] = field(default_factory=dict)
    """Flows by (band, budget, lane) that wait for the budget, by tag."""
    soft: dict[tuple[int, str], Ranking] = field(default_factory=dict)
    """Flows by (band, lane) among these whose budget may be exceeded, by tag."""
    wake: dict[str, Ranking] = field(default_factory=dict)
    """Groups of parked flows (`BAND|BUDGET`) by lane, by the time to try the first of them."""
    groups: dict[str, Ranking] = field(default_factory=dict)
    """Where flows wait for a budget (`BAND|LANE`), by budget."""
    now_us: int = 0
    caller: str = ""
    events: list[Event] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)
    fresh: list[Ticket] = field(default_factory=list)
    """Admitted in this call."""
    made: set[str] = field(default_factory=set)
    """Lanes, and scopes of budgets, of which nothing was known before this call."""
    cautious: bool = False
    """The caller was known here once, so the store has lost what it knew."""
    blind_us: int = 0
    """For how long others may not have told it again."""

    def tell(self, replica: str, event: Event) -> None:
        """Tell the replica that owns a ticket: in the reply, or by its outbox."""
        if replica == self.caller:
            self.events.append(event)
        else:
            self.outboxes.setdefault(replica, []).append(event)

    def touch_lane(self, name: str) -> None:
        """Have a lane pumped before this call ends."""
        if name not in self.touched:
            self.touched.append(name)

    def flow(self, band: int, agent: str, lane: str) -> Flow:
        """The flow, new if need be."""
        return self.flows.setdefault((band, agent, lane), Flow())

    def head_of(self, flow: Flow) -> Ticket:
        """The first ticket of a flow that has one."""
        return self.tickets[flow.tickets.first()]


def ranking(rankings: dict[tuple[int, str], Ranking], band: int, lane: str) -> Ranking:
    """The ranking of one band."""
    return rankings.setdefault((band, lane), Ranking())
