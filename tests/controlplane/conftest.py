"""The admin application over plain values, without a gateway."""

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

import httpx2
import pytest
from fastapi import FastAPI

from gateway.config import Settings
from gateway.config.editing import Edition
from gateway.config.leaves import document_schemas
from gateway.controlplane.app import behind_guard, described_app
from gateway.controlplane.parts import AdminParts
from gateway.core.admission import messages
from gateway.core.admission.inspect import snapshot_budget, snapshot_lane
from gateway.core.admission.operations import Engine
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.core.breaker import BreakerSettings
from gateway.core.breaker_board import BreakerBoard
from gateway.core.cost_planning import flat_price
from gateway.core.price_table import Price
from gateway.core.routing.ledger import RouteLedger
from gateway.domain.access import AdminToken, AuditEntry, AuditQuery, NewToken, Role
from gateway.domain.breaking import BreakerFact, BreakerKey
from gateway.domain.call import Dialect, Priority
from gateway.domain.explanation import Explanation
from gateway.domain.facts import BreakerState
from gateway.domain.keys import KeyRecord, NewKey
from gateway.domain.limits import LaneLimits
from gateway.domain.outcome import Reason
from gateway.domain.overrides import Overrides, Overtaken, UnfitEdit
from gateway.domain.routes import Route
from gateway.domain.spending import UsageQuery, UsageRow
from gateway.domain.topology import Agent, Lane, Provider, Team, Topology
from gateway.ports import Edition as AnyEdition
from gateway.ports import Identity, StillRunning, StoreSilent

TOKEN = "token-of-these-tests"
NOW_S = 1_795_564_800.0


def topology() -> Topology:
    """One configured lane and agent."""
    provider = Provider("claude", Dialect.ANTHROPIC, "https://api.invalid")
    lane = Lane("sonnet", "claude", ("claude-*",), LaneLimits(rpm=10))
    return replace(
        Topology({}, {}, {}, {}),
        providers={"claude": provider},
        lanes={"sonnet": lane},
        teams={"red": Team("red")},
        agents={"ann": Agent("ann", "red", weight=2.0)},
    )


@dataclass
class Desk:
    """Books, directory and memory in one: the model of admission, on a still clock.

    Attributes:
        silent: The store does not answer.
    """

    engine: Engine = field(default_factory=lambda: Engine(3_000_000))
    topology: Topology = field(default_factory=topology)
    explained: dict[str, Explanation] = field(default_factory=dict)
    silent: bool = False
    used: list[UsageRow] = field(default_factory=list)
    asked: list[UsageQuery] = field(default_factory=list)
    recorded: list[AuditEntry] = field(default_factory=list)
    ledger: RouteLedger = field(default_factory=RouteLedger)

    async def resume(self, route: Route) -> None:
        self._speak()
        self.ledger.resume(route.name)

    def call(self, *operations: list[object]) -> None:
        """Operations of one replica."""
        self.engine.call("r1", [["hello"], *operations], int(NOW_S * 1e6))

    def price_of(self, provider: Provider, model: str, at_s: float) -> tuple[Price, bool]:
        assert (provider.name, at_s) == ("claude", NOW_S)
        return flat_price(3, 15) if model == "m" else flat_price(1, 1), model != "unheard-of"

    async def rows(self, query: UsageQuery) -> list[UsageRow]:
        self._speak()
        self.asked.append(query)
        return self.used

    async def lanes(self) -> list[str]:
        self._speak()
        return sorted(self.engine.books.lanes)

    async def lane(self, name: str, *, queue: bool = False) -> LaneSnapshot:
        self._speak()
        return snapshot_lane(self.engine.books, name, queue=queue)

    async def agent(self, name: str) -> BudgetSnapshot:
        self._speak()
        return snapshot_budget(self.engine.books, f"agent:{name}")

    async def team(self, name: str) -> BudgetSnapshot:
        self._speak()
        return snapshot_budget(self.engine.books, f"team:{name}")

    async def find(self, request_id: str) -> Explanation | None:
        self._speak()
        return self.explained.get(request_id)

    def identify(self, secret: str) -> Identity | None:
        raise AssertionError(f"no key is asked for, not even {secret}")

    def monotonic(self) -> float:
        return NOW_S

    def wall(self) -> float:
        return NOW_S

    async def record(self, entry: AuditEntry) -> str:
        self._speak()
        self.recorded.append(replace(entry, entry_id=f"{len(self.recorded) + 1}-0"))
        return self.recorded[-1].entry_id

    async def entries(
        self, query: AuditQuery, *, limit: int, before: str = ""
    ) -> Sequence[AuditEntry]:
        self._speak()
        older = [one for one in self.recorded if not before or one.entry_id < before]
        return [one for one in reversed(older) if query.wants(one)][:limit]

    async def export(self, query: AuditQuery) -> AsyncIterator[AuditEntry]:
        self._speak()
        for one in self.recorded:
            if query.wants(one):
                yield one

    def _speak(self) -> None:
        if self.silent:
            raise StoreSilent("gone")


@dataclass
class TokenBox:
    """Tokens of the API in memory."""

    desk: Desk
    made: dict[str, NewToken] = field(default_factory=dict)

    async def find(self, secret: str) -> AdminToken | None:
        self.desk._speak()
        return next((one.token for one in self.made.values() if one.secret == secret), None)

    async def create(self, name: str, role: Role, *, expires_s: float | None) -> NewToken:
        self.desk._speak()
        token_id = f"t{len(self.made)}"
        token = AdminToken(token_id, name, role, b"", NOW_S, expires_s)
        self.made[token_id] = NewToken(token, f"gwa-{token_id}-secret")
        return self.made[token_id]

    async def all(self) -> Sequence[AdminToken]:
        self.desk._speak()
        return [one.token for one in self.made.values()]

    async def delete(self, token_id: str) -> AdminToken | None:
        self.desk._speak()
        gone = self.made.pop(token_id, None)
        return None if gone is None else gone.token


@dataclass
class ReplayBox:
    """Answers kept in memory; an empty one marks a request that is being served."""

    desk: Desk
    kept: dict[str, bytes] = field(default_factory=dict)

    async def begin(self, key: str) -> bytes | None:
        self.desk._speak()
        if key not in self.kept:
            self.kept[key] = b""
            return None
        if not self.kept[key]:
            raise StillRunning
        return self.kept[key]

    async def finish(self, key: str, answer: bytes) -> None:
        self.kept[key] = answer

    async def abandon(self, key: str) -> None:
        del self.kept[key]


@dataclass
class BreakerBox:
    """Breakers that nothing but this API moves."""

    board: BreakerBoard = field(
        default_factory=lambda: BreakerBoard(BreakerSettings(), lambda: 0.0, lambda *_: None)
    )

    def all(self) -> Iterator[tuple[BreakerKey, BreakerFact]]:
        return self.board.all()

    def of(self, key: BreakerKey) -> BreakerFact:
        return self.board.of(key.scope, key.name).fact

    def force(self, key: BreakerKey, state: BreakerState, cause: str) -> BreakerFact:
        return self.board.force(key, state, cause, NOW_S)


@pytest.fixture
def breakers() -> BreakerBox:
    return BreakerBox()


@dataclass
class Helm:
    """What operators do, done to the model of admission at once."""

    desk: Desk

    def pause(self, lane: str) -> None:
        self.desk.call(["pause", lane])

    def resume(self, lane: str) -> None:
        self.desk.call(["resume", lane])

    def block(self, lane: str, dimensions: tuple[str, ...], for_s: float) -> None:
        self.desk.call(messages.block(lane, dimensions, for_s))

    def unblock(self, lane: str) -> None:
        self.desk.call(["unblock", lane])

    def dismiss(self, ticket: str, reason: Reason, retry_after_s: float | None) -> None:
        retry_us = -1 if retry_after_s is None else messages.micros(retry_after_s)
        self.desk.call(["dismiss", ticket, reason.value, retry_us])

    def move(self, ticket: str, to: Priority) -> None:
        self.desk.call(["move", ticket, messages.BANDS[to]])


@cache
def described() -> FastAPI:
    """All routes, put together once: it takes a while."""
    return described_app("1.2.3", document_schemas())


@dataclass
class Plan:
    """The configuration in memory; who commits is recorded with the changes of the desk.

    Attributes:
        base: What the file says.
        rivals: Edits that others make just before the next commits.
    """

    desk: Desk
    base: Settings
    overrides: Overrides = field(default_factory=Overrides)
    rivals: list[Callable[[Edition], Edition]] = field(default_factory=list)
    reloaded: int = 0
    broken: UnfitEdit | None = None

    async def read(self) -> Edition:
        self.desk._speak()
        return Edition(self.base, self.overrides, self.desk.wall())

    async def commit(self, edition: AnyEdition, entries: Sequence[AuditEntry]) -> None:
        self.desk._speak()
        if self.rivals:
            self.overrides = self.rivals.pop()(await self.read()).overrides
        if edition.read.revision != self.overrides.revision:
            raise Overtaken
        self.overrides = edition.overrides
        self.desk.topology = edition.topology
        for entry in entries:
            await self.desk.record(entry)

    async def reload(self) -> Sequence[str]:
        if self.broken is not None:
            raise self.broken
        self.reloaded += 1
        return ["server"]


@dataclass
class KeyBox:
    """Keys in memory."""

    desk: Desk
    made: dict[str, KeyRecord] = field(default_factory=dict)

    async def all(self) -> Sequence[KeyRecord]:
        self.desk._speak()
        return list(self.made.values())

    async def get(self, public_id: str) -> KeyRecord | None:
        self.desk._speak()
        return self.made.get(public_id)

    async def create(self, agent: str, *, expires_in_s: float | None = None) -> NewKey:
        self.desk._speak()
        expires_s = None if expires_in_s is None else NOW_S + expires_in_s
        record = KeyRecord(f"k{len(self.made)}", agent, b"", NOW_S, expires_s)
        self.made[record.public_id] = record
        return NewKey(record, f"gw-{record.public_id}-secret")

    async def revoke(self, public_id: str) -> KeyRecord:
        self.made[public_id] = replace(self.made[public_id], revoked_s=NOW_S)
        return self.made[public_id]

    async def expire(self, public_id: str, *, in_s: float | None) -> KeyRecord:
        expires_s = None if in_s is None else NOW_S + in_s
        self.made[public_id] = replace(self.made[public_id], expires_s=expires_s)
        return self.made[public_id]

    async def rotate(
        self, public_id: str, *, overlap_s: float, expires_in_s: float | None = None
    ) -> NewKey:
        old = self.made[public_id]
        if not old.works_at(NOW_S):
            raise ValueError(f"key {public_id} no longer works")
        await self.expire(public_id, in_s=overlap_s)
        return await self.create(old.agent, expires_in_s=expires_in_s)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def plan(desk: Desk) -> Plan:
    return Plan(desk, Settings(desk.topology, agent_keys={"ann": "key-of-ann"}))


@pytest.fixture
def keys(desk: Desk) -> KeyBox:
    return KeyBox(desk)


@pytest.fixture
def tokens(desk: Desk) -> TokenBox:
    return TokenBox(desk)


@pytest.fixture
def replays(desk: Desk) -> ReplayBox:
    return ReplayBox(desk)


@pytest.fixture
def parts(
    desk: Desk,
    tokens: TokenBox,
    replays: ReplayBox,
    breakers: BreakerBox,
    plan: Plan,
    keys: KeyBox,
) -> AdminParts:
    """What the application of these tests works with."""
    return AdminParts(
        token=TOKEN,
        version="1.2.3",
        books=desk,
        directory=desk,
        explanations=desk,
        clock=desk,
        audit=desk,
        tokens=tokens,
        replays=replays,
        configuration=plan,
        keys=keys,
        steering=Helm(desk),
        origins=("https://ops.example.com",),
        document_schemas=document_schemas(),
        accounts=desk,
        price_of=desk.price_of,
        breakers=breakers,
        ledger=desk.ledger,
        resume=desk.resume,
    )


@pytest.fixture
async def client(parts: AdminParts) -> AsyncIterator[httpx2.AsyncClient]:
    """Somebody with the configured token."""
    transport = httpx2.ASGITransport(
        app=behind_guard(described(), parts), raise_app_exceptions=False
    )
    async with httpx2.AsyncClient(
        transport=transport,
        base_url="http://admin",
        headers={"authorization": f"Bearer {TOKEN}"},
    ) as one:
        yield one
