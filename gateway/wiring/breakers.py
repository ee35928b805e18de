"""Joins the breakers: the board of this replica, the other replicas, metrics, log and audit.

Failure policy: the audit of moves that nobody ordered waits while the store is away, the oldest of
too many are dropped with a line in the log; nothing of it holds up a call.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

from gateway.config.reliability import ReliabilitySettings
from gateway.core.breaker_board import BreakerBoard
from gateway.core.retrying import Chance
from gateway.dataplane.gates import Gates
from gateway.domain.access import AuditEntry, Json
from gateway.domain.breaking import BreakerFact, BreakerKey
from gateway.domain.facts import BreakerMove, BreakerScope, BreakerState
from gateway.ports import Audit, BreakerObserver, Clock, StoreSilent
from gateway.store.background import pause, running
from gateway.store.breakers import SharedBreakers
from gateway.store.connection import ROOT, Client
from gateway.store.sightings import Sightings

from .runaways import Runaways, breaker_settings

log = logging.getLogger("gateway.breakers")
BY_HAND = frozenset({"manual", "reset"})
"""Causes of moves that are in the audit already, under the name of who made them."""
_MOST_UNTOLD = 1000
_AGAIN_S = 1.0


class JoinedBreakers:
    """Implements `gateway.ports.Breakers`.

    Attributes:
        board: The breakers.
        gates: The same, as the data plane passes them.
        runaways: Stops agents.
    """

    def __init__(
        self,
        settings: ReliabilitySettings,
        chance: Chance,
        clock: Clock,
        observer: BreakerObserver,
        audit: Audit,
    ) -> None:
        slow_s = settings.slow_after_s
        self.board = BreakerBoard(
            settings.breakers, chance, self._moved, breaker_settings(settings.runaways)
        )
        self.runaways = Runaways(settings.runaways, self.board, observer, clock)
        self.gates = Gates(self.board, clock.wall, float("inf") if slow_s is None else slow_s)
        self._clock = clock
        self._observer = observer
        self._audit = audit
        self._tell: Callable[[BreakerKey, BreakerFact], None] = _nobody
        self._unaudited: deque[AuditEntry] = deque(maxlen=_MOST_UNTOLD)
        self._news = asyncio.Event()

    def all(self) -> Iterator[tuple[BreakerKey, BreakerFact]]:
        """Every breaker that was ever asked, with its state."""
        return self.board.all()

    def of(self, key: BreakerKey) -> BreakerFact:
        """The state of one."""
        return self.board.fact(key)

    def force(self, key: BreakerKey, state: BreakerState, cause: str) -> BreakerFact:
        """Somebody says so; all replicas follow."""
        return self.board.force(key, state, cause, self._clock.wall())

    @asynccontextmanager
    async def shared(self, redis: Client) -> AsyncIterator["JoinedBreakers"]:
        """Tell other replicas, and hear them, until the context ends."""
        async with (
            SharedBreakers(redis, ROOT, self.board.hear) as shared,
            Sightings(redis, ROOT, self.runaways.hear).shared() as sightings,
            running("breaker audit", self._audit_for_ever()),
        ):
            self._tell = shared.tell
            self.runaways.tell = sightings.tell
            yield self

    def _moved(self, key: BreakerKey, fact: BreakerFact, here: bool) -> None:
        self._observer.breaker_moved(
            BreakerMove(key.scope, key.name, fact.state, fact.cause, here=here)
        )
        self.gates.moved(key)
        if key.scope is BreakerScope.AGENT and fact.state is BreakerState.CLOSED:
            self.runaways.forget(key.name)
        if not here:
            return
        log.warning("breaker %s is %s: %s", key, fact.state.value, fact.note or fact.cause)
        self._tell(key, fact)
        if fact.cause not in BY_HAND:
            self._unaudited.append(_entry(key, fact))
            self._news.set()

    async def _audit_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._unaudited:
                try:
                    await self._audit.record(self._unaudited[0])
                    self._unaudited.popleft()
                except StoreSilent:
                    await pause(_AGAIN_S)


def shown(fact: BreakerFact) -> Json:
    """A state, as the audit has it."""
    shown: dict[str, Json] = {
        "state": fact.state.value,
        "cause": fact.cause,
        "openings": fact.openings,
    }
    if fact.note:
        shown["evidence"] = fact.note
    return shown


def _entry(key: BreakerKey, fact: BreakerFact) -> AuditEntry:
    return AuditEntry(
        at_s=fact.at_s,
        actor="gateway",
        role="",
        address="",
        action=f"breakers.{fact.state.value}",
        subject=f"breakers/{key}",
        before=None,
        after=shown(fact),
        request_id="",
    )


def _nobody(key: BreakerKey, fact: BreakerFact) -> None:
    """Before there is somebody to tell."""
