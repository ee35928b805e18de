"""Admission that goes on when the store is lost, and goes back to it when it has returned.

While the store answers, every call is the store's queue's own. When an answer is waited for longer
than `silence_s`, whatever the cause (no connection, a paused or slow server, one that refuses
writes or scripts), this replica admits by itself with its share of every limit
(`gateway.store.local`): calls that wait move there in their order, calls that run hold their part
of the share. Nobody is told of the move; a call only waits for the time of the silence.

Back again. The store must have answered quickly for a while. What it has missed is told as soon as
it answers, and again and again (`gateway.store.debts`), until the time to return: the first replica
names it, long enough ahead for all to have told what they used, since from then on the store lets
through whatever it knows of no use of; and who is still away then lets nothing through that a budget's
minute applies to. Within a third of a second calls that wait then move back in their order.

A store that has lost its data, even without being missed (a quick restart, a flush), does not know
this replica. Before it decides anything it is told what this replica's calls used in the last minute.

Failure policy: none of the above fails a call. Limits hold for all replicas together as long as
they lose the store together; a single one that is cut off uses its share while the others, who
cannot know that it lives, use the whole.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from math import inf
from types import TracebackType
from typing import Any, Self

from gateway.core.admission.messages import Operation
from gateway.core.admission.stamps import UNSTAMPED, Stamps
from gateway.domain.admission import Admitted, Charge, Settlement, TicketRequest, Verdict
from gateway.domain.limits import Headroom
from gateway.domain.topology import Topology
from gateway.ports import Clock, Told

from .admission import LET_GO, RedisAdmission
from .background import pause, running
from .connection import Client
from .debts import Debts, Held
from .local import LocalStore, local_admission
from .own_use import OwnUse
from .sight import Looking, Sight

_log = logging.getLogger(__name__)

_STALL = 2
"""So many pauses between two checks at most count as silence of the store."""
_TELLING = 2
"""Checks after the agreed time in which all have shut their budgets and told what they used."""
_ONE_REQUEST = Charge(requests=1)


@dataclass(frozen=True, slots=True)
class FallbackSettings:
    """When to leave the store, and when to return, in seconds.

    Attributes:
        silence_s: An answer that takes longer means that the store is lost.
        quick_s: An answer that takes longer is not good enough to return.
        steady_s: For how long answers must have been quick, at the time on which all agree.
        jitter_s: Up to so much later than that, by chance.
        check_s: How often silence and speed are looked at.
        goodbye_s: How long stopping may take to tell the store what is owed.
        looking: How often the store's figures are looked at.
    """

    silence_s: float = 0.5
    quick_s: float = 0.25
    steady_s: float = 0.5
    jitter_s: float = 0.1
    check_s: float = 0.1
    goodbye_s: float = 1.0
    looking: Looking = field(default_factory=Looking)


class FallbackAdmission:
    """Implements `gateway.ports.Admission`; use as an async context manager.

    Args:
        queue: The store's queue, started; stays the caller's.
        redis: The queue's client.
        root: Root of all key names.
        replica: Unique name of this process.
        clock: For durations and the calendar.
        chance: A number from 0 to 1, for jitter.
        settings: Times.
    """

    def __init__(
        self,
        queue: RedisAdmission,
        redis: Client,
        root: str,
        replica: str,
        clock: Clock,
        *,
        chance: Callable[[], float],
        settings: FallbackSettings = FallbackSettings(),
    ) -> None:
        self._queue = queue
        self._replica = replica
        self._clock = clock
        self._chance = chance
        self._settings = settings
        self._sight = Sight(queue, redis, root, replica, clock, settings.looking)
        self._debts = Debts(queue, replica, self._spawn)
        self._running: dict[str, Held] = {}
        self._restored = False
        queue.restore = self._restore
        self._amended: dict[str, Charge] = {}
        self._local: RedisAdmission | None = None
        self._local_store: LocalStore | None = None
        self._silence_s = 0.0
        self._looks = 0
        self._forgotten = 0
        self._steady_since_s: float | None = None
        self._jitter_s = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = AsyncExitStack()
        self.losses = 0
        """How often the store was lost."""

    # --- life ---------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        """Begin to watch."""
        await self._stack.enter_async_context(
            running("fallback", self._watch_for_ever(), self._sight.run())
        )
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop watching; who waits here is refused. A store that is there is told what is owed."""
        await self._stack.aclose()
        if self._local is not None:
            await self._local.stop()
        else:
            self._debts.pay()
            if self._tasks:
                await asyncio.wait(self._tasks, timeout=self._settings.goodbye_s)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def degraded(self) -> str | None:
        """What is different while the store is away; `None` while it is there."""
        if self._local is None:
            return None
        return f"the store does not answer; admitting 1/{self._sight.replicas} of each limit"

    @property
    def replicas(self) -> int:
        """How many share a limit, as last seen."""
        return self._sight.replicas

    async def configure(self, topology: Topology, stamps: Stamps = UNSTAMPED) -> None:
        """Put the limits of a topology in force, wherever calls are admitted."""
        if self._sight.looks == 0:
            self._sight.use = OwnUse(topology.minute_s)
        if self._local is not None:
            await self._local.configure(topology, stamps)
        await self._queue.configure(topology, stamps)

    # --- the port -----------------------------------------------------------------------------

    async def admit(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        """Wait for a turn. Cancelling the caller leaves the queue at once."""
        return await self._turn(request, told, again=False)

    async def requeue(self, request: TicketRequest, told: Told | None = None) -> Verdict:
        """Give an admitted ticket's reservation back and wait again at the head of its flow."""
        held = self._running.pop(request.ticket, None)
        if held is not None and (self._local is not None or held.name != request.ticket):
            self._debts.settle(held, _ONE_REQUEST, away=self._local is not None)
        return await self._turn(request, told, again=True)

    async def _turn(self, request: TicketRequest, told: Told | None, *, again: bool) -> Verdict:
        asked, since_s = request, self._clock.monotonic()
        while True:
            local = self._local
            side = self._queue if local is None else local
            try:
                verdict = await (side.requeue if again else side.admit)(asked, told)
            finally:
                if self._amended and (charge := self._amended.pop(request.ticket, None)):
                    request = replace(request, charge=charge)
            if verdict is not LET_GO:
                break
            # One whose time ran out in the silence is asked for once more: now or never.
            left_s = request.max_wait_s - (self._clock.monotonic() - since_s)
            asked = replace(request, max_wait_s=max(0.0, left_s))
        if isinstance(verdict, Admitted):
            name = request.ticket if local is None else None
            self._running[request.ticket] = Held(request, name)
        return verdict

    def head(self, ticket: str, lane: str, seen: Sequence[Headroom]) -> None:
        """The provider has answered this ticket's call, and its headers said this of the lane."""
        if self._local is not None:
            self._local.head(ticket, lane, seen)
            return
        held = self._running.get(ticket)
        self._queue.head(ticket if held is None else held.name or "", lane, seen)

    def amend(self, ticket: str, charge: Charge) -> None:
        """A ticket that waits here will take this much instead; any other is left as it is."""
        for side in (self._queue, self._local):
            if side is not None and side.waits(ticket):
                self._amended[ticket] = charge
                side.amend(ticket, charge)

    def extend(self, ticket: str, lane: str, output_tokens: int) -> None:
        """A running answer outgrew its reservation: hold this many output tokens in all."""
        if self._local is not None:
            self._local.extend(ticket, lane, output_tokens)
        held = self._running.get(ticket)
        if held is not None and held.name is not None:
            self._queue.extend(held.name, lane, output_tokens)

    def settle(self, settlement: Settlement) -> None:
        """Replace a reservation by the actual use."""
        local, held = self._local, self._running.pop(settlement.ticket, None)
        if local is not None:
            local.settle(settlement)
        if held is None:
            self._queue.settle(settlement)
            return
        self._sight.use.note(held.request, settlement.actual, self._clock.monotonic())
        if local is None and held.whole:
            self._queue.settle(settlement)
        else:
            self._debts.settle(held, settlement.actual, away=local is not None)

    def block(self, lane: str, dimensions: tuple[str, ...], for_s: float) -> None:
        """Block a lane (the dimensions named, or all of it) after a provider's rate-limit 429."""
        side = self._queue if self._local is None else self._local
        side.block(lane, dimensions, for_s)

    # --- leaving and returning ----------------------------------------------------------------

    async def _watch_for_ever(self) -> None:
        while True:
            before_s = self._clock.monotonic()
            await pause(self._settings.check_s)
            self._listen(self._clock.monotonic() - before_s)
            if self._local is None:
                self._check_present()
            else:
                self._check_away()

    def _listen(self, passed_s: float) -> None:
        """Add up silence. What passes while our own event loop stands still proves little."""
        silent_s = self._queue.silent_s
        heard = min(passed_s, _STALL * self._settings.check_s)
        if silent_s < passed_s:  # asked since the last time
            self._silence_s = min(silent_s, heard)
        else:
            self._silence_s += heard

    def _check_present(self) -> None:
        if self._silence_s >= self._settings.silence_s:
            self._leave()
        elif self._sight.looks > self._looks:
            first, self._looks = self._looks == 0, self._sight.looks
            self._reconcile(first=first)
            self._adopt_all()

    def _check_away(self) -> None:
        settings, now_s = self._settings, self._clock.monotonic()
        queue = self._queue
        if max(queue.silent_s, queue.took_s) > settings.quick_s or not queue.store_up:
            self._steady_since_s = None
            return
        if self._steady_since_s is None:
            self._steady_since_s = now_s
            self._jitter_s = self._chance() * settings.jitter_s
        if self._sight.looks > self._looks:
            self._looks = self._sight.looks
            self._reconcile(first=False)
        elif self._sight.back_at_s < inf:
            self._charge_ahead()
        steady = now_s - self._steady_since_s >= settings.steady_s
        late_s = self._clock.wall() - self._sight.back_at_s
        if late_s >= 0 and self._local_store is not None:  # the first may be back any time now
            self._local_store.shut(settings.steady_s)
        if steady and late_s >= _TELLING * settings.check_s + self._jitter_s:
            self._return()

    def _leave(self) -> None:
        now_s = self._clock.monotonic()
        store = LocalStore(self._clock, self._sight.replicas)
        store.begin(
            self._replica,
            self._queue.configured.values(),
            seen=self._sight.seen,
            used=self._sight.use.by_scope(now_s),
            running=[held.request for held in self._running.values()],
        )
        local = local_admission(store, self._replica, self._clock)
        local.stand_in_for(self._queue, self._running)
        self._spawn(local.start())
        self._local, self._local_store = local, store
        self._steady_since_s = None
        self._looks = self._sight.looks
        self._sight.wants_back, self._sight.back_at_s = True, inf
        self.losses += 1
        _log.warning("%s until it is back", self.degraded)
        self._queue.let_go()

    def _return(self) -> None:
        local, store = self._local, self._local_store
        if local is None or store is None:
            return
        self._local = self._local_store = None
        self._sight.wants_back = False
        for lane, dimensions, for_s in store.blocks():
            self._queue.block(lane, dimensions, for_s)
        self._charge_ahead()
        self._adopt_all()
        local.let_go()
        self._spawn(local.stop())
        _log.warning("the store is back; limits are shared by all replicas again")

    def _reconcile(self, *, first: bool) -> None:
        """Tell the store what it missed. At the first look, nothing was."""
        sight, debts = self._sight, self._debts
        if sight.emptied and self._restored:
            sight.emptied = self._restored = False
        elif sight.emptied:
            sight.emptied = False
            emptied = sight.use.sums(self._clock.monotonic())
            debts.forgotten(self._running.values(), emptied=emptied)
        elif self._queue.forgotten != self._forgotten and not first:
            debts.forgotten(self._running.values(), emptied=None)
        else:
            debts.remembered()
        self._forgotten = self._queue.forgotten
        self._charge_ahead()

    async def _restore(self) -> list[Operation]:
        """A store that has lost its data hears of our use before it admits anything more.

        Raises:
            RedisError: The store does not answer.
        """
        if not await self._sight.is_another():
            return []
        running = self._running.values()
        self._debts.forgotten(running, emptied=self._sight.use.sums(self._clock.monotonic()))
        for held in running:
            self._debts.charge_ahead(held)
        self._restored = True
        if await self._sight.is_first():  # nobody waits, so they take effect at once
            return self._debts.operations()
        self._debts.pay()
        return []

    def _charge_ahead(self) -> None:
        for held in self._running.values():
            self._debts.charge_ahead(held)
        self._debts.pay()

    def _adopt_all(self) -> None:
        for held in self._running.values():
            self._debts.adopt(held)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work, name="fallback")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("a part of the fallback failed", exc_info=error)
