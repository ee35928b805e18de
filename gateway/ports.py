"""Protocols between the layers, and nothing else. Implementations live in the sibling packages."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.domain.access import AdminToken, AuditEntry, AuditQuery, Json, NewToken, Role
from gateway.domain.admission import Charge, Expectation, Settlement, TicketRequest, Verdict
from gateway.domain.breaking import BreakerFact, BreakerKey
from gateway.domain.call import Priority
from gateway.domain.explanation import Explanation
from gateway.domain.facts import (
    AgentTrip,
    BreakerMove,
    BreakerState,
    CallRecord,
    HeadroomSeen,
    SessionOver,
    TurnFollowed,
)
from gateway.domain.keys import KeyRecord, NewKey
from gateway.domain.limits import Headroom
from gateway.domain.outcome import Reason
from gateway.domain.overrides import Collection, Item, ItemOrigin, Overrides
from gateway.domain.spending import UsageQuery, UsageRow
from gateway.domain.temporary import TemporaryBudget
from gateway.domain.topology import Provider, Topology
from gateway.domain.value import value

Headers: TypeAlias = list[tuple[bytes, bytes]]
"""Header fields in their order, names as they came."""
Told: TypeAlias = Callable[[Expectation], None]
"""Hears what a waiting call can expect; must not raise and must not block."""


class Clock(Protocol):
    """Time for everything above the pure core."""

    def monotonic(self) -> float:
        """Seconds, for durations."""

    def wall(self) -> float:
        """Seconds since the epoch, for stamps and calendars."""


@value
class UpstreamRequest:
    """One HTTP request to send to a provider.

    Attributes:
        method: Upper-case method.
        target: Path and query, as it goes on the wire.
        headers: Without hop-by-hop fields; `host` and framing fields are set by the transport.
        body: The whole body, or an iterator of chunks with `content_length` (`None`: chunked).
    """

    method: str
    target: bytes
    headers: Headers
    body: bytes | AsyncIterator[bytes] = b""
    content_length: int | None = None


class UpstreamResponse(Protocol):
    """An answer whose head has arrived and whose body is still on its way."""

    @property
    def status(self) -> int:
        """The final status (1xx answers were consumed)."""

    @property
    def headers(self) -> Headers:
        """Header fields as they came; hop-by-hop fields and framing still included."""

    async def read(self) -> bytes:
        """The next bytes as soon as there are any; `b""` at the end of the body.

        Raises:
            UpstreamFailure: The body was cut short, broke the protocol or stalled.
        """

    def close(self) -> None:
        """Give the connection back if the body was read to its end, else close it. Idempotent."""


class Upstream(Protocol):
    """The transport to all providers."""

    async def send(self, provider: Provider, request: UpstreamRequest) -> UpstreamResponse:
        """Send a request and return once the response head has arrived.

        Cancelling the caller closes the connection.

        Raises:
            UpstreamFailure: No head arrived; `sent` says whether repeating it is free of risk.
        """

    async def close(self) -> None:
        """Close all connections."""


class Admission(Protocol):
    """The one queue of all replicas.

    Only `admit` waits. The others put an operation into the next batch and return at once.
    """

    async def admit(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        """Wait for a turn. Cancelling the caller leaves the queue at once.

        Args:
            request: What is asked for.
            told: Hears what the call can expect once it has to wait, and again about once a
                second for as long as it does.
        """

    def head(self, ticket: str, lane: str, seen: Sequence[Headroom]) -> None:
        """The provider has answered this ticket's call, and its headers said this of the lane.

        From here on the provider's counters include the call's input.
        """

    def amend(self, ticket: str, charge: Charge) -> None:
        """A ticket that waits here will take this much instead; any other is left as it is."""

    def extend(self, ticket: str, lane: str, output_tokens: int) -> None:
        """A running answer outgrew its reservation: hold this many output tokens in all."""

    def settle(self, settlement: Settlement) -> None:
        """Replace a reservation by the actual use."""

    async def requeue(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        """Give an admitted ticket's reservation back and wait again at the head of its flow."""

    def block(self, lane: str, dimensions: tuple[str, ...], for_s: float) -> None:
        """Block a lane (the dimensions named, or all of it) after a provider's rate-limit 429."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who presented a key."""

    agent: str
    key_id: str


class Directory(Protocol):
    """Keys and topology, cached locally and kept fresh by the store."""

    @property
    def topology(self) -> Topology:
        """The snapshot in force."""

    def identify(self, secret: str) -> Identity | None:
        """The owner of a gateway key, or `None`. From the local cache, without waiting."""


class Explanations(Protocol):
    """What is remembered of finished calls."""

    async def find(self, request_id: str) -> Explanation | None:
        """The explanation of a call that any replica finished, if it is still kept.

        Raises:
            StoreSilent: The store does not answer.
        """


class Keys(Protocol):
    """Gateway keys of agents, made at run time.

    Each raises `StoreSilent` when the store does not answer.
    """

    async def all(self) -> Sequence[KeyRecord]:
        """Every key ever made, oldest first."""

    async def get(self, public_id: str) -> KeyRecord | None:
        """One key."""

    async def create(self, agent: str, *, expires_in_s: float | None = None) -> NewKey:
        """Make a key."""

    async def revoke(self, public_id: str) -> KeyRecord:
        """End a key for good, everywhere within a second.

        Raises:
            LookupError: There is no such key.
        """

    async def expire(self, public_id: str, *, in_s: float | None) -> KeyRecord:
        """Let a key end after a time; `None` lets it live until it is revoked.

        Raises:
            LookupError: There is no such key.
        """

    async def rotate(
        self, public_id: str, *, overlap_s: float, expires_in_s: float | None = None
    ) -> NewKey:
        """Make a new key for the same agent; the old one works on for the overlap at most.

        Raises:
            LookupError: There is no such key.
            ValueError: It no longer works.
        """


class Steering(Protocol):
    """What operators do to lanes and to calls that wait; done in the order in which it is asked."""

    def pause(self, lane: str) -> None:
        """Admit nothing more to a lane; what waits keeps its place."""

    def resume(self, lane: str) -> None:
        """End a pause."""

    def block(self, lane: str, dimensions: tuple[str, ...], for_s: float) -> None:
        """Stop a lane, or some dimensions of it, for a time."""

    def unblock(self, lane: str) -> None:
        """End all blocks of a lane."""

    def dismiss(self, ticket: str, reason: Reason, retry_after_s: float | None) -> None:
        """End the wait of a ticket of any replica."""

    def move(self, ticket: str, to: Priority) -> None:
        """Let a waiting ticket of any replica go on with another priority."""


class Books(Protocol):
    """The limits of all replicas as the store sees them; nothing is changed by looking.

    Each raises `StoreSilent` when the store does not answer.
    """

    async def lanes(self) -> list[str]:
        """Names of all lanes in use, configured or not, in order."""

    async def lane(self, name: str, *, queue: bool = False) -> LaneSnapshot:
        """One lane, with its queue if wanted."""

    async def agent(self, name: str) -> BudgetSnapshot:
        """One agent's budget."""

    async def team(self, name: str) -> BudgetSnapshot:
        """One team's budget."""


class Audit(Protocol):
    """What was changed, by whom and when; nothing is ever taken back from it.

    Each raises `StoreSilent` when the store does not answer.
    """

    async def record(self, entry: AuditEntry) -> str:
        """Remember a change. Gives the entry's id."""

    async def entries(
        self, query: AuditQuery, *, limit: int, before: str = ""
    ) -> Sequence[AuditEntry]:
        """The newest entries that are wanted, newest first; those before an entry if one is named."""

    def export(self, query: AuditQuery) -> AsyncIterator[AuditEntry]:
        """All entries that are wanted, oldest first."""


class Tokens(Protocol):
    """Tokens of the admin API, apart from the configured one.

    Each raises `StoreSilent` when the store does not answer.
    """

    async def find(self, secret: str) -> AdminToken | None:
        """The token that a secret opens with now."""

    async def create(self, name: str, role: Role, *, expires_s: float | None) -> NewToken:
        """Make one."""

    async def all(self) -> Sequence[AdminToken]:
        """All there are, oldest first, expired ones included."""

    async def delete(self, token_id: str) -> AdminToken | None:
        """End one for good, everywhere and at once. `None`: there is no such token."""


class Replays(Protocol):
    """Answers that were given once and are given again to whoever repeats a request.

    Each raises `StoreSilent` when the store does not answer.
    """

    async def begin(self, key: str) -> bytes | None:
        """Claim a key, which the caller must `finish` or `abandon`; or the answer kept under it.

        Raises:
            StillRunning: Another request has claimed it.
        """

    async def finish(self, key: str, answer: bytes) -> None:
        """Keep the answer for a day."""

    async def abandon(self, key: str) -> None:
        """Nothing was done: let the request be repeated."""


class Edition(Protocol):
    """The configuration at one revision; edits give the next, which nobody has stored yet.

    Edits raise `UnfitEdit`. Items are named by collection and name, and by `COLLECTION/NAME`.
    """

    @property
    def read(self) -> Overrides:
        """What was changed at run time before the edits that led here."""

    @property
    def overrides(self) -> Overrides:
        """What was changed at run time."""

    @property
    def topology(self) -> Topology:
        """As it is in force now, temporary budgets included."""

    @property
    def lasting_topology(self) -> Topology:
        """As it is without temporary budgets."""

    @property
    def keyed_agents(self) -> Set[str]:
        """Agents to whom the file gives a key."""

    def names(self, collection: Collection) -> Sequence[str]:
        """Names of the items that there are."""

    def item(self, collection: Collection, name: str) -> Item | None:
        """One item, temporary budgets left out."""

    def effective(self) -> Mapping[str, Json]:
        """Every setting in force with its origin."""

    def origin(self, path: str) -> ItemOrigin:
        """Where a value in force comes from, temporary budgets included."""

    def written(
        self,
        collection: Collection,
        documents: Mapping[str, Mapping[str, Json]],
        by: str,
        *,
        whole: bool,
    ) -> "Edition":
        """With items, by name, as documents say (`whole`), or changed by merge patches."""

    def without(self, collection: Collection, name: str, by: str) -> "Edition":
        """Without an item, whatever the file says."""

    def reset(self, keys: Iterable[str]) -> "Edition":
        """With items as the file has them."""

    def with_budget(self, budget: TemporaryBudget) -> "Edition":
        """With a temporary budget."""

    def without_budget(self, budget_id: str) -> "Edition":
        """Without a temporary budget."""

    def reloaded(self) -> "Edition":
        """All replicas are to read their files again."""


class Configuration(Protocol):
    """The configuration of this replica, and what was changed of it for all of them."""

    async def read(self) -> Edition:
        """As it is now.

        Raises:
            StoreSilent: The store does not answer.
        """

    async def commit(self, edition: Edition, entries: Sequence[AuditEntry]) -> None:
        """Put an edition in force and its changes into the audit: both, or neither.

        Raises:
            Overtaken: Somebody else has committed meanwhile.
            StoreSilent: The store does not answer.
        """

    async def reload(self) -> Sequence[str]:
        """Read this replica's file again; settings that only a restart changes are named.

        Raises:
            UnfitEdit: The file cannot be used; what was in force stays.
        """


class StillRunning(Exception):  # noqa: N818 - a fact about another request
    """The same request is being served."""


class Accounts(Protocol):
    """What was used, by whom and when."""

    async def rows(self, query: UsageQuery) -> list[UsageRow]:
        """The sums that are asked for, by time and then by group.

        Raises:
            StoreSilent: The store does not answer.
        """


class StoreSilent(Exception):  # noqa: N818 - a fact about the store
    """The store does not answer now."""


class Observer(Protocol):
    """Told of each finished call."""

    def call_finished(self, record: CallRecord) -> None:
        """Must not raise and must not block."""


class HeadroomObserver(Protocol):
    """Told what providers' response headers say."""

    def headroom_seen(self, seen: HeadroomSeen) -> None:
        """Must not raise and must not block."""


class Breakers(Protocol):
    """The switches on providers, lanes and agents, as this replica sees them."""

    def all(self) -> Iterable[tuple[BreakerKey, BreakerFact]]:
        """Every one that was ever asked, with its state."""

    def of(self, key: BreakerKey) -> BreakerFact:
        """The state of one; closed if it was never asked."""

    def force(self, key: BreakerKey, state: BreakerState, cause: str) -> BreakerFact:
        """Open it until told otherwise, or close it and forget what it has seen, everywhere."""


class BreakerObserver(Protocol):
    """Told of breakers."""

    def breaker_moved(self, move: BreakerMove) -> None:
        """A breaker moved, here or (`move.here` is false) at another replica."""

    def agent_tripped(self, trip: AgentTrip) -> None:
        """An agent runs away; told once, where it was found."""


class SessionObserver(Protocol):
    """Told of sessions; of each turn and each end once, over all replicas. Must not raise."""

    def turn_followed(self, turn: TurnFollowed) -> None:
        """A session had a further turn."""

    def session_over(self, session: SessionOver) -> None:
        """A session is over."""

    def sessions_open(self, count: int) -> None:
        """So many sessions are open, at all replicas."""
