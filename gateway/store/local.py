"""The queue without a store: the rules of admission in this process, with this replica's share.

`LocalStore` answers the calls that admission makes of a store with the model of the script
(`gateway.core.admission`), so everything else about waiting, granting and settling is the same as
with a store. It knows one replica and keeps nothing when the process ends.

Share. Every limit is divided by the number of replicas (`share`); so are the figures that a
provider's headers give of the whole account. A limit smaller than the number of replicas is 1. A
call larger than a share but not than the limit goes when nothing else of the share is in use, and
counts with what it really takes.

Failure policy: an operation that makes no sense fails as it does in the store, for its batch alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

import msgspec
from redis.exceptions import ResponseError

from gateway.core.admission.messages import MICRO, NO_LIMIT, Operation
from gateway.core.admission.operations import Engine
from gateway.core.admission.queue import lane_of
from gateway.core.admission.state import DIMENSION_NAMES, Books
from gateway.domain.admission import TicketRequest
from gateway.ports import Clock

from .admission import RedisAdmission
from .background import pause
from .connection import ROOT, Client
from .seeding import Seen, hold, seed_budget, seed_lane

_FOREVER_US = 10 * 365 * 86_400 * MICRO


def share(limit: int, replicas: int) -> int:
    """One replica's part of a limit."""
    return limit if limit <= 0 else max(1, limit // replicas)


class LocalStore:
    """What admission uses of a store's client, answered here.

    Args:
        clock: Its wall clock stands for the store's.
        replicas: How many share each limit.
    """

    def __init__(self, clock: Clock, replicas: int) -> None:
        self.engine = Engine(_FOREVER_US)
        self._clock = clock
        self._replicas = replicas
        self._decode = msgspec.msgpack.Decoder(list[list[Any]]).decode
        self._encode = msgspec.msgpack.Encoder().encode
        self._ours = {
            "configure": self._configure,
            "head": self._head,
            "arrive": self._fit,
            "requeue": self._fit,
            "amend": self._fit_amended,
        }

    # --- redis-py's names ---------------------------------------------------------------------

    async def evalsha(self, _: str, __: int, ___: str, *arguments: Any) -> bytes:
        """Run the admission script.

        Raises:
            ResponseError: An operation makes no sense.
        """
        replica, _now, _lease_us, packed = arguments
        return self.run(replica, packed)

    eval = evalsha

    async def blpop(self, _: Sequence[str], timeout: float) -> None:  # noqa: ASYNC109 - redis-py's
        """There is no other replica whose calls could decide about our tickets."""
        await pause(timeout)

    # --- what it does -------------------------------------------------------------------------

    def run(self, replica: str, packed: bytes) -> bytes:
        """One call of the script.

        Raises:
            ResponseError: An operation makes no sense.
        """
        now_us = self.now_us()
        try:
            operations = [self._shared(operation) for operation in self._decode(packed)]
            answer = self.engine.call(replica, operations, now_us)
        except Exception as fault:  # as in the store: the batch fails, and admission goes on
            raise ResponseError(f"local admission: {fault!r}") from fault
        if not answer.known:
            return self._encode([now_us])
        if answer.late is not None:
            return self._encode([now_us, answer.late])
        return self._encode([now_us, answer.events, answer.lanes, answer.snapshots])

    def now_us(self) -> int:
        """Now."""
        return int(self._clock.wall() * MICRO)

    def begin(
        self,
        replica: str,
        configuration: Iterable[Operation],
        *,
        seen: Mapping[str, Seen],
        used: Mapping[str, tuple[int, int]],
        running: Iterable[TicketRequest],
    ) -> None:
        """Know what the store knew.

        Args:
            replica: Our name.
            configuration: Of all scopes.
            seen: What the store last showed, by scope.
            used: Tokens and requests of the sliding minute that we know of ourselves, by scope.
            running: Calls that are admitted and not settled.
        """
        books = self.engine.books
        operations = [self._shared(list(operation)) for operation in configuration]
        self.engine.call(replica, [["hello"], *operations], self.now_us())
        for scope, found in seen.items():
            if scope.startswith("lane:"):
                seed_lane(books, scope.partition(":")[2], found, self._replicas)
        for scope in {*seen, *used}:
            if not scope.startswith("lane:"):
                own = used.get(scope, (0, 0))
                seed_budget(books, scope, seen.get(scope), own, self._replicas)
        for request in running:
            hold(books, replica, request)

    def blocks(self) -> list[tuple[str, tuple[str, ...], float]]:
        """What is blocked here: lane, dimensions (none: the whole lane), seconds to go."""
        now_us = self.now_us()
        found: list[tuple[str, tuple[str, ...], float]] = []
        for lane in self.engine.books.lanes.values():
            for d, until_us in enumerate(lane.blocked_us):
                if until_us > now_us:
                    names = () if d == 4 else (DIMENSION_NAMES[d],)
                    found.append((lane.name, names, (until_us - now_us) / MICRO))
        return found

    def shut(self, for_s: float) -> None:
        """Let nothing through for so long that a budget's limit of a minute applies to."""
        until_us = self.now_us() + int(for_s * MICRO)
        for budget in self.engine.books.budgets.values():
            budget.blind_until_us = until_us

    # --- shares -------------------------------------------------------------------------------

    def _shared(self, operation: Operation) -> Operation:
        ours = self._ours.get(str(operation[0]))
        return operation if ours is None else ours(operation)

    def _configure(self, operation: Operation) -> Operation:
        name, scope, whole, *stamp = operation
        to = dict(cast("dict[str, Any]", whole))
        to["limits"] = [share(limit, self._replicas) for limit in to["limits"]]
        if "concurrency" in to:
            to["concurrency"] = share(to["concurrency"], self._replicas)
        return [name, scope, to, *stamp]

    def _head(self, operation: Operation) -> Operation:
        name, ticket, lane, told = operation
        shared = [
            [d, share(limit, self._replicas), _part(remaining, self._replicas), granularity]
            for d, limit, remaining, granularity in cast("list[list[int]]", told)
        ]
        return [name, ticket, lane, shared]

    def _fit(self, operation: Operation) -> Operation:
        """A call that only the whole limit has room for asks for a whole share."""
        _, _, lane, agent, team, _, _, charge = operation[:8]
        fitted = self._fitted(str(lane), str(agent), str(team), cast("list[int]", charge))
        return [*operation[:7], fitted, *operation[8:]]

    def _fit_amended(self, operation: Operation) -> Operation:
        name, id_, lane, charge = operation
        ticket = self.engine.books.tickets.get(str(id_))
        if ticket is None:
            return operation
        fitted = self._fitted(str(lane), ticket.agent, ticket.team, cast("list[int]", charge))
        return [name, id_, lane, fitted]

    def _fitted(self, lane: str, agent: str, team: str, whole: list[int]) -> list[int]:
        charge, books = list(whole), self.engine.books
        self._fit_lane(books, lane, charge)
        for scope in (f"agent:{agent}", f"team:{team}"):
            budget = books.budgets.get(scope)
            if budget is not None and not budget.soft:
                _fit_tokens(charge, budget.limits[1], self._replicas)
        return charge

    def _fit_lane(self, books: Books, name: str, charge: list[int]) -> None:
        if name not in books.lanes:
            return
        books.now_us = self.now_us()
        limit = lane_of(books, name).limit
        for d in range(4):
            if 0 < limit[d] < charge[d] <= (limit[d] + 1) * self._replicas - 1:
                charge[d] = limit[d]


def _part(remaining: int, replicas: int) -> int:
    return remaining if remaining == NO_LIMIT else remaining // replicas


def _fit_tokens(charge: list[int], limit: int, replicas: int) -> None:
    over = charge[4] + charge[5] - limit
    if limit <= 0 or over <= 0 or over > (limit + 1) * (replicas - 1):
        return
    from_output = min(charge[5], over)
    charge[5] -= from_output
    charge[4] -= over - from_output


def local_admission(store: LocalStore, replica: str, clock: Clock) -> RedisAdmission:
    """Admission by a local store."""
    return RedisAdmission(cast("Client", store), ROOT, replica, clock)
