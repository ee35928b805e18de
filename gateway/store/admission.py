"""The one queue of all replicas, kept in Redis by a script.

Operations of one event-loop turn travel together (`batches`); a ticket that has to wait is granted
by whichever replica's call finds room for it, and its owner hears of it in the reply or by its
outbox (`outbox`). Nobody polls: the script says when each lane could next serve somebody and whose
ticket that would be; the owner calls at that time, the others with tickets there a little later.

Failure policy:
    * The store does not answer: the batch is sent again until it does. Operations name their
      tickets, so a batch that did run changes nothing when it runs again. A call that has not
      been heard of waits `patience_s` for the store and is then refused with `store_lost`; a call
      that is known to wait keeps waiting up to its own maximum.
    * The store has forgotten this replica (it was paused for longer than its lease, or the store
      lost its data): the script does nothing but say so, and the whole configuration is sent
      ahead of the batch, so that no limit is ever missing.
    * The store was out of reach, and may have come back as it was before a change of limits: the
      configuration is sent again.
    * A reply or an outbox entry is lost: each beat names the tickets that wait here, and the store
      answers for those that do not. A ticket that the store no longer knows arrives again.
    * The store holds a ticket that has ended here (a call that was given up arrived late and
      admitted it again, or the store came back some seconds old): each beat compares a few of the
      tickets that the store holds for this replica with its own, and disowns what is unknown.
    * The script fails, or we do (a fault in the gateway): said in the log, and the calls of that batch are
      refused, since sending it again would fail again.
"""

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import msgspec

from gateway.core.admission import messages
from gateway.core.admission.messages import Event, Operation
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.core.admission.stamps import UNSTAMPED, Stamps, lifted, stamped
from gateway.domain.admission import Admitted, Charge, Settlement, TicketRequest, Verdict
from gateway.domain.call import Priority
from gateway.domain.limits import Headroom
from gateway.domain.outcome import Reason, Refusal
from gateway.domain.topology import Lane, QueueSettings, Topology
from gateway.ports import Clock, Told

from .batches import FIRST, LAST, Batches, Reply
from .connection import Client
from .lane_timers import LaneTimers
from .line import ScriptLine
from .outbox import listen
from .scripts import admission_script
from .waiting import Waiting

_log = logging.getLogger(__name__)

_AGAIN_S = 0.05
_BLIND_BEATS = 1.5
"""After a beat each replica has noticed that the store has lost its data; what it owes then is
told within two round trips."""
_STORE_LOST = Refusal(
    Reason.STORE_LOST, "The gateway's store does not answer; no limit can be checked.", 1.0
)
_FAULT = Refusal(Reason.INTERNAL, "The gateway could not decide about this call.", 1.0)
_STOPPING = Refusal(Reason.DRAINING, "This gateway is stopping; try again.", 1.0)
LET_GO = Refusal(Reason.STORE_LOST, "The call waits elsewhere.", 1.0)
"""Not a refusal: the answer of `let_go`, told by its identity."""
_TOO_LATE = Refusal(Reason.QUEUE_TIMEOUT, "No turn within the time the call may wait.", 1.0)


@dataclass(frozen=True, slots=True)
class AdmissionSettings:
    """Times of the protocol between replicas, in seconds.

    Attributes:
        lease_s: A replica that was silent for so long is dead.
        beat_s: How often a replica without calls says that it lives.
        patience_s: How long a new call waits for a store that does not answer.
        backup_s: How much later than its owner others call for a lane.
        refresh_s: How often the configuration is sent again, so that it does not expire.
        goodbye_s: How long stopping may take.
    """

    lease_s: float = 3.0
    beat_s: float = 1.0
    patience_s: float = 2.0
    backup_s: float = 0.1
    refresh_s: float = 600.0
    goodbye_s: float = 2.0


class RedisAdmission:
    """Implements `gateway.ports.Admission`.

    Args:
        redis: An open client; stays the caller's.
        root: Root of all key names, with a hash tag.
        replica: Unique name of this process.
        clock: For durations.
        settings: Times of the protocol.
        took: Told how long each batch took to the store and back, in seconds.
    """

    def __init__(
        self,
        redis: Client,
        root: str,
        replica: str,
        clock: Clock,
        settings: AdmissionSettings = AdmissionSettings(),
        took: Callable[[float], None] | None = None,
    ) -> None:
        self._redis = redis
        self._root = root
        self._replica = replica
        self._clock = clock
        self._settings = settings
        self._took = took
        self._line = ScriptLine(redis, admission_script(), root)
        self._who = (replica, "", str(messages.micros(settings.lease_s)))
        self._batches = Batches(self._call, self)
        self._waiting: dict[str, Waiting] = {}
        self._waiting_in: Counter[str] = Counter()
        self._running: dict[str, float] = {}
        self._audited = ""
        self._configured: dict[str, Operation] = {}
        self._named: set[str] = set()  # by the topology; the others are lanes of single models
        self._queue = QueueSettings()
        self._minute_s = 60.0
        self._timers = LaneTimers(self._tick)
        self._beat: asyncio.TimerHandle | None = None
        self._refresh_at_s = 0.0
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False
        self.restore: Callable[[], Awaitable[Iterable[Operation]]] | None = None
        """Knows what a store that has forgotten this replica lacks besides its configuration."""
        self.alone = True
        """Whether no other replica was seen of late."""
        self.forgotten = 0
        """How often the store knew nothing of this replica, the first time included."""

    # --- life ---------------------------------------------------------------------------------

    @property
    def store_up(self) -> bool:
        """Whether the store answered the last call, and somebody is there to make the next."""
        return not self._batches.lost and not any(task.done() for task in self._tasks)

    @property
    def configured(self) -> Mapping[str, Operation]:
        """The configuration in force, by scope."""
        return self._configured

    @property
    def silent_s(self) -> float:
        """For how long an answer of the store has been waited for."""
        since_s = self._batches.calling_since_s
        return 0.0 if since_s is None else asyncio.get_running_loop().time() - since_s

    @property
    def took_s(self) -> float:
        """How long the last answer was waited for."""
        return self._batches.took_s

    async def start(self) -> None:
        """Begin to send, to listen and to beat."""
        self._refresh_at_s = self._clock.monotonic() + self._settings.refresh_s
        self._spawn(self._batches.run())
        self._spawn(
            listen(self._redis, f"{self._root}:out:{self._replica}", self._take, self._again)
        )
        self._beat_later()

    async def stop(self) -> None:
        """Refuse who waits, give everything back, and say goodbye."""
        self._stopping = True
        for waiting in list(self._waiting.values()):
            waiting.answer(_STOPPING)
        self._timers.stop()
        if self._beat is not None:
            self._beat.cancel()
        gone = asyncio.get_running_loop().create_future()
        self._batches.put(["bye"], LAST + 1, gone)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.goodbye_s):
                await gone
        pending = set(self._tasks)
        while pending:  # a cancellation may get lost in redis-py, see `background.running`
            for task in pending:
                task.cancel()
            _, pending = await asyncio.wait(pending, timeout=_AGAIN_S)
        self._tasks.clear()
        await self._line.close()

    async def configure(self, topology: Topology, stamps: Stamps = UNSTAMPED) -> None:
        """Put the limits of a topology in force, for everything that waits as well.

        What an earlier topology limited and this one does not name is limited no more. Returns once they are, or after the patience of a call if the store does not answer; they
        are then the first thing it hears.
        """
        self._queue, self._minute_s = topology.queue, topology.minute_s
        operations = list(stamped(topology, stamps))
        named = {cast("str", op[1]) for op in operations}
        gone = [scope for scope in self._named if scope not in named]
        operations += [lifted(scope, self._queue, self._minute_s, stamps) for scope in gone]
        changed = [op for op in operations if self._configured.get(cast("str", op[1])) != op]
        self._configured.update((cast("str", op[1]), op) for op in operations)
        for scope in gone:
            del self._configured[scope]
        self._named = named
        if not changed:
            return
        done = asyncio.get_running_loop().create_future()
        for operation in changed[:-1]:
            self._batches.put(operation)
        self._batches.put(changed[-1], FIRST, done)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.patience_s):
                await done

    # --- the port -----------------------------------------------------------------------------

    async def admit(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        """Wait for a turn. Cancelling the caller leaves the queue at once."""
        self._know_lane(request.lane)
        return await self._turn(request, messages.arrive(request), told)

    async def requeue(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        """Give an admitted ticket's reservation back and wait again at the head of its flow."""
        return await self._turn(request, messages.requeue(request), told)

    def head(self, ticket: str, lane: str, seen: Sequence[Headroom]) -> None:
        """The provider has answered this ticket's call, and its headers said this of the lane."""
        if seen:
            self._batches.put(messages.head(ticket, lane, seen))

    def amend(self, ticket: str, charge: Charge) -> None:
        """A ticket that waits here will take this much instead; any other is left as it is."""
        waiting = self._waiting.get(ticket)
        if waiting is not None and not waiting.verdict.done():
            waiting.request = replace(waiting.request, charge=charge)
            self._batches.put(messages.amend(ticket, waiting.request.lane, charge), LAST)

    def extend(self, ticket: str, lane: str, output_tokens: int) -> None:
        """A running answer outgrew its reservation: hold this many output tokens in all."""
        self._batches.put(messages.extend(ticket, lane, output_tokens))

    def settle(self, settlement: Settlement) -> None:
        """Replace a reservation by the actual use."""
        self._running.pop(settlement.ticket, None)
        self._batches.put(messages.settle(settlement))

    def block(self, lane: str, dimensions: tuple[str, ...], for_s: float) -> None:
        """Block a lane (the dimensions named, or all of it) after a provider's rate-limit 429."""
        self._batches.put(messages.block(lane, dimensions, for_s))

    # --- for whoever stands in for the store ---------------------------------------------------

    def let_go(self) -> None:
        """Answer everybody who waits with `LET_GO`, those who come next first, and leave the queue."""
        order = sorted(self._waiting.values(), key=lambda one: (not one.had_a_turn, one.since_s))
        for waiting in order:
            if waiting.answer(LET_GO):
                self._batches.put(messages.cancel(waiting.request.ticket), LAST)

    def waits(self, ticket: str) -> bool:
        """Whether a call waits here, or for its verdict."""
        return ticket in self._waiting

    def stand_in_for(self, other: "RedisAdmission", running: Iterable[str]) -> None:
        """Know the configuration of another queue, and own its admitted tickets."""
        self._configured = dict(other._configured)
        self._queue, self._minute_s = other._queue, other._minute_s
        self._running = dict.fromkeys(running, 0.0)

    async def look(self, scopes: Sequence[str]) -> list[Any]:
        """What `inspect` shows of scopes, as it came.

        Raises:
            RedisError: The script failed.
        """
        return await asyncio.gather(*(self._inspect(scope) for scope in scopes))

    # --- for the admin ------------------------------------------------------------------------

    def unblock(self, lane: str) -> None:
        """End all blocks of a lane."""
        self._batches.put(["unblock", lane])

    def dismiss(self, ticket: str, reason: Reason, retry_after_s: float | None) -> None:
        """End the wait of a ticket of any replica."""
        retry_us = -1 if retry_after_s is None else messages.micros(retry_after_s)
        self._batches.put(["dismiss", ticket, reason.value, retry_us], LAST)

    def move(self, ticket: str, to: Priority) -> None:
        """Let a waiting ticket of any replica go on with another priority."""
        self._batches.put(["move", ticket, messages.BANDS[to]], LAST)

    def pause(self, lane: str) -> None:
        """Admit nothing more to a lane; what waits keeps its place."""
        self._batches.put(["pause", lane])

    def resume(self, lane: str) -> None:
        """End a pause."""
        self._batches.put(["resume", lane])

    async def inspect_lane(self, lane: str, *, queue: bool = False) -> LaneSnapshot:
        """A lane as the store sees it, with its queue if wanted.

        Raises:
            RedisError: The script failed.
        """
        found = await self._inspect(messages.lane_scope(lane), queue=queue)
        return msgspec.convert(found, LaneSnapshot)

    async def inspect_agent(self, agent: str) -> BudgetSnapshot:
        """An agent's budget as the store sees it.

        Raises:
            RedisError: The script failed.
        """
        return msgspec.convert(await self._inspect(messages.agent_scope(agent)), BudgetSnapshot)

    async def inspect_team(self, team: str) -> BudgetSnapshot:
        """A team's budget as the store sees it.

        Raises:
            RedisError: The script failed.
        """
        return msgspec.convert(await self._inspect(messages.team_scope(team)), BudgetSnapshot)

    async def _inspect(self, scope: str, *, queue: bool = False) -> Any:
        done = asyncio.get_running_loop().create_future()
        self._batches.put(["inspect", scope, int(queue)], LAST, done)
        return await done

    # --- waiting ------------------------------------------------------------------------------

    def _know_lane(self, name: str) -> None:
        """A model in no configured lane has one of its own, with learned limits."""
        scope = messages.lane_scope(name)
        if scope not in self._configured:
            lane = Lane(name=name, provider="", models=())
            operation = messages.configure_lane(lane, self._queue, self._minute_s)
            self._configured[scope] = operation
            self._batches.put(operation)

    async def _turn(
        self, request: TicketRequest, operation: Operation, told: Told | None
    ) -> Verdict:
        if self._stopping:
            return _STOPPING
        waiting = Waiting(request, asyncio.get_running_loop(), self._clock.monotonic(), told)
        ticket, lane = request.ticket, request.lane
        self._waiting[ticket] = waiting
        self._waiting_in[lane] += 1
        before_s = self._running.pop(ticket, None)
        given_back = None if before_s is None else waiting.gives_back(before_s)
        self._batches.put(operation, messages.BANDS[request.priority], given_back)
        if self._batches.lost:
            waiting.lose_patience_in(self._settings.patience_s, self._forsake)
        try:
            verdict = await waiting.verdict
        except asyncio.CancelledError:
            self._batches.put(messages.cancel(ticket), LAST)
            raise
        else:
            if isinstance(verdict, Admitted):
                self._running[ticket] = verdict.waited_s
            return verdict
        finally:
            waiting.disarm()
            del self._waiting[ticket]
            self._waiting_in[lane] -= 1
            if not self._waiting_in[lane]:
                del self._waiting_in[lane]

    def _forsake(self, waiting: Waiting) -> None:
        """The store did not answer in time; should it have admitted the ticket, that is undone."""
        if waiting.answer(_STORE_LOST):
            self._batches.put(messages.cancel(waiting.request.ticket), LAST)

    def _overdue(self, waiting: Waiting) -> None:
        """Its time is up: the store says whether a grant was just in time, and if not, why."""
        waiting.overdue = True
        if self._batches.lost:
            self._forsake(waiting)
        else:
            self._batches.put(messages.cancel(waiting.request.ticket, timed_out=True), LAST)
            waiting.lose_patience_in(self._settings.patience_s, self._forsake)

    # --- what the store says (Party) ----------------------------------------------------------

    def batch_done(self, reply: Reply) -> None:
        """A batch ran."""
        self._take(reply.events)
        for lane, next_us, owner in reply.lanes:
            self._lane_next(lane, next_us / messages.MICRO, owner)

    def batch_failed(self, operations: Iterable[Operation]) -> None:
        """A batch will not be sent again."""
        for operation in operations:
            if operation[0] in {"arrive", "requeue", "cancel"}:
                waiting = self._waiting.get(cast("str", operation[1]))
                if waiting is not None:
                    waiting.answer(_FAULT)

    def store_lost(self) -> None:
        """The store did not answer."""
        for waiting in self._waiting.values():
            if waiting.heard_s is None:
                waiting.lose_patience_in(self._settings.patience_s, self._forsake)

    @property
    def blind_s(self) -> float:
        """How long the other replicas may take to tell what they know to a store without its data."""
        return 0.0 if self.alone else _BLIND_BEATS * self._settings.beat_s

    def configuration(self) -> Iterable[Operation]:
        """What a store that has forgotten this replica must be told first."""
        self.forgotten += 1
        return self._configured.values()

    async def missing(self) -> Iterable[Operation]:
        """What it must be told next."""
        return () if self.restore is None else await self.restore()

    def _again(self) -> None:
        """The store may have come back as it was before the last change of limits."""
        for operation in self._configured.values():
            self._batches.put(operation)

    def _take(self, events: Iterable[Event]) -> None:
        for event in events:
            if event[0] == "n":
                lane, delay = cast("tuple[str, float]", event[1:])
                self._timers.arm(lane, delay / messages.MICRO)
                continue
            if event[0] == "o":
                self._audit(*cast("tuple[str, list[str]]", event[1:]))
                continue
            waiting = self._waiting.get(cast("str", event[1]))
            if waiting is None:
                continue  # it was cancelled; the cancellation gives back what was granted
            try:
                self._heed(waiting, event)
            except (ValueError, TypeError):  # one odd event must not end the task that reads all
                _log.exception("cannot read what the store says of a ticket: %r", event)
                waiting.answer(_FAULT)
                self._batches.put(messages.cancel(waiting.request.ticket), LAST)

    def _audit(self, last: str, tickets: Sequence[str]) -> None:
        """Disown what ended here; if its end is still to be sent, that goes first."""
        self._audited = last
        for ticket in tickets:
            if ticket not in self._running and ticket not in self._waiting:
                self._batches.put(["disown", ticket], LAST)

    def _heed(self, waiting: Waiting, event: Event) -> None:
        """Act on what the store says of a ticket.

        Raises:
            ValueError: It makes no sense (another version of the gateway said it).
            TypeError: As above.
        """
        match event[0]:
            case "g":
                verdict = messages.admitted(event)
                if waiting.may_be_granted(verdict.waited_s):
                    waiting.answer(verdict)
            case "r":
                waiting.answer(messages.refused(event))
            case "w":
                waiting.heard_s = self._clock.monotonic()
                expectation, left_s = messages.expected(event)
                waiting.arm(left_s, self._overdue)
                if waiting.told is not None:
                    waiting.told(expectation)
            case _:
                self._arrive_again(waiting)

    def _arrive_again(self, waiting: Waiting) -> None:
        left_s = waiting.deadline_s - self._clock.monotonic()
        if left_s <= 0 or waiting.overdue:
            waiting.answer(_TOO_LATE)
        else:
            request = replace(waiting.request, max_wait_s=left_s)
            self._batches.put(messages.arrive(request), messages.BANDS[request.priority])

    # --- time ---------------------------------------------------------------------------------

    def _lane_next(self, lane: str, next_s: float, owner: str) -> None:
        if next_s < 0 or (owner != self._replica and lane not in self._waiting_in):
            self._timers.drop(lane)
        else:
            later_s = 0.0 if owner == self._replica else self._settings.backup_s
            self._timers.arm(lane, next_s + later_s)

    def _tick(self, lane: str) -> None:
        self._batches.put(["tick", lane], LAST)

    def _beat_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._beat = loop.call_later(self._settings.beat_s, self._beat_now)

    def _beat_now(self) -> None:
        now_s = self._clock.monotonic()
        old = [
            (waiting.heard_s or 0.0, ticket)
            for ticket, waiting in self._waiting.items()
            if now_s - waiting.since_s >= self._settings.beat_s
        ]
        old.sort()  # only so many are told again; those who heard least lately come first
        if not self._batches.lost:
            self._batches.put(["beat", [ticket for _, ticket in old]], LAST)
            self._batches.put(["audit", self._audited], LAST)
            self._audited = ""  # from the beginning, unless there are more
            if now_s >= self._refresh_at_s:
                self._refresh_at_s = now_s + self._settings.refresh_s
                self._again()
        self._beat_later()

    async def _call(self, packed: bytes) -> object:
        began_s = self._clock.monotonic()
        reply = await self._line.call(*self._who, packed)
        if self._took is not None:
            self._took(self._clock.monotonic() - began_s)
        return reply

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="admission")
        task.add_done_callback(_report)
        self._tasks.append(task)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        _log.error("a part of admission ended", exc_info=error)
