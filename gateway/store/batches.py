"""Operations of one event-loop turn become one script call; one call is in flight at a time.

While a call is in flight, what is put meanwhile makes the next one, so that batches grow with the
load. How a call that fails is dealt with is told in `gateway.store.admission`.

Batches are numbered. One that was given up and sent again may still arrive much later, when others
have run or its replica was declared dead: the store does nothing then.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Protocol, TypeAlias

import msgspec
from redis.exceptions import (
    ClusterDownError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
    TryAgainError,
)

from gateway.core.admission import messages
from gateway.core.admission.messages import Event, Operation

from .background import pause
from .connection import FAILURES

_log = logging.getLogger(__name__)

FIRST = 0
"""Rank of what gives back or tells; arrivals rank by band, 1 to 3."""
LAST = 4
"""Rank of what must not come before the arrival it is about."""
_FIRST_PAUSE_S = 0.02
_LONGEST_PAUSE_S = 0.5
_PASSING = (ClusterDownError, NoPermissionError, OutOfMemoryError, ReadOnlyError, TryAgainError)
_PASSING_WORDS = ("misconf", "noreplicas", "busy", "unknown command", "oom ", "readonly")
"""Refusals of the server that may end without our doing; the words are of those without a class of their own."""

Entry: TypeAlias = tuple[int, Operation, asyncio.Future[Any] | None]


@dataclass(frozen=True, slots=True)
class Reply:
    """What one call of the script brought.

    Attributes:
        events: About tickets of this replica.
        lanes: For each lane touched: name, microseconds until its pump could next serve somebody
            (-1: not by time alone) and the replica whose ticket that would be.
    """

    events: Sequence[Event]
    lanes: Sequence[tuple[str, float, str]]


class Party(Protocol):
    """Who is told how batches fare."""

    def batch_done(self, reply: Reply) -> None:
        """A batch ran."""

    def batch_failed(self, operations: Iterable[Operation]) -> None:
        """A batch will not be sent again."""

    def store_lost(self) -> None:
        """The store did not answer; called again at each try."""

    @property
    def blind_s(self) -> float:
        """How long the other replicas may take to tell what they know to a store without its data."""

    def configuration(self) -> Iterable[Operation]:
        """What a store that has forgotten this replica must be told first."""

    async def missing(self) -> Iterable[Operation]:
        """What it must be told next, before anything that it was asked."""


class Batches:
    """Collects operations and sends them.

    Args:
        call: Runs the script on packed operations.
        party: Told of replies.
    """

    def __init__(self, call: Callable[[bytes], Awaitable[object]], party: Party) -> None:
        self._call = call
        self._party = party
        self._entries: list[Entry] = []
        self._number = 0
        self._was_known = False
        self._wanted = asyncio.Event()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder().decode
        self._now_s = asyncio.get_running_loop().time
        self.lost = False
        """Whether the last call failed."""
        self.calling_since_s: float | None = None
        """Event-loop time since which an answer is waited for; `None`: nothing was asked."""
        self.took_s = 0.0
        """How long the last answer was waited for."""

    def put(
        self, operation: Operation, rank: int = FIRST, done: asyncio.Future[Any] | None = None
    ) -> None:
        """Send an operation with the next batch. `done` gets its snapshot, or `None`."""
        self._entries.append((rank, operation, done))
        self._wanted.set()

    async def run(self) -> None:
        """Send, for ever."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await self.flush()

    async def flush(self) -> None:
        """Send everything there is."""
        while self._entries:
            entries, self._entries = self._entries, []
            entries.sort(key=itemgetter(0))
            await self._deliver(entries)

    async def _deliver(self, entries: list[Entry]) -> None:
        self.calling_since_s = self._now_s()
        try:
            await self._deliver_in_the_end(entries)
        except Exception as error:  # noqa: BLE001 - logged; a fault of ours fails one batch
            _log.exception("a batch of admission failed")
            self._give_up(entries, error)
        finally:
            self.took_s = self._now_s() - self.calling_since_s
            self.calling_since_s = None

    async def _deliver_in_the_end(self, entries: list[Entry]) -> None:
        pause_s = _FIRST_PAUSE_S
        self._number += 1
        while True:
            try:
                reply = await self._attempt([entry[1] for entry in entries])
            except (OverflowError, UnicodeEncodeError) as error:
                entries = self._sayable(entries, error)
            except (*FAILURES, msgspec.DecodeError) as error:
                if isinstance(error, ResponseError) and not _passes(error):
                    _log.error("the admission script failed: %s", error)
                    self._give_up(entries, error)
                    return
                self._note_lost(error)
                await pause(pause_s)
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
            else:
                self._note_found()
                self._finish(entries, reply)
                return

    async def _attempt(self, operations: list[Operation]) -> list[Any]:
        number = messages.batch(self._number)
        reply = self._decode(await self._call(self._encode([number, *operations])))  # type: ignore[arg-type] # redis-py does not say bytes
        if len(reply) == 1:
            hello = messages.hello(again=self._was_known, blind_s=self._party.blind_s)
            preface = [number, hello, *self._party.configuration()]
            preface += await self._party.missing()
            reply = self._decode(await self._call(self._encode(preface + operations)))  # type: ignore[arg-type] # as above
        if len(reply) == 2:  # it took us for dead: what we had sent until then is late
            self._number = reply[1] + 1
        if not isinstance(reply, list) or len(reply) != 4:
            raise msgspec.DecodeError("the admission script gave an unknown reply")
        self._was_known = True
        return reply

    def _finish(self, entries: list[Entry], reply: list[Any]) -> None:
        _, events, lanes, snapshots = reply
        shown = iter(snapshots)
        for _, operation, done in entries:
            snapshot = next(shown) if operation[0] == "inspect" else None
            if done is not None and not done.done():
                done.set_result(snapshot)
        self._party.batch_done(Reply(events or (), lanes or ()))

    def _sayable(self, entries: list[Entry], error: Exception) -> list[Entry]:
        """The operations without those that no store could be told; those alone fail."""
        odd = [entry for entry in entries if not self._can_be_said(entry[1])]
        if not odd:
            raise error
        _log.error("operations of admission that cannot be sent: %s", error)
        self._give_up(odd, ResponseError(str(error)))
        return [entry for entry in entries if entry not in odd]

    def _can_be_said(self, operation: Operation) -> bool:
        try:
            self._encode(operation)
        except (OverflowError, UnicodeEncodeError):
            return False
        return True

    def _give_up(self, entries: list[Entry], error: Exception) -> None:
        for _, _, done in entries:
            if done is not None and not done.done():
                done.set_exception(error)
        self._party.batch_failed([entry[1] for entry in entries])

    def _note_lost(self, error: Exception) -> None:
        if not self.lost:
            self.lost = True
            _log.warning("the store does not answer: %s", str(error) or type(error).__name__)
        self._party.store_lost()

    def _note_found(self) -> None:
        if self.lost:
            self.lost = False
            _log.warning("the store answers again")


def _passes(error: ResponseError) -> bool:
    said = str(error).lower()
    return isinstance(error, _PASSING) or any(word in said for word in _PASSING_WORDS)
