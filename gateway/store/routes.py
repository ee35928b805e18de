"""What replicas tell each other of their routes: pins, warm prefixes, counts, returns to shadow.

Nothing here is on the way of a call: a decision reads this replica's memory alone, and what it
decided is written a tenth of a second later, together with what others decided meanwhile.

    ROOT:routes:heard              a stream of batches of pins and warm prefixes. A replica that
                                   starts reads it from its beginning, and one that lost the store
                                   goes on where it was.
    ROOT:routes:counts:NAME:DAY    counts of a route by arm, added up by all replicas
    ROOT:routes:returned:NAME      why a route was returned to shadow

All expire. NAME ends in a digest of the route's settings, so that a changed route counts anew.

Failure policy: without the store each replica goes on with what it knows; counts are kept here and
added when the store is back, pins that were not written are lost (their conversations stay where
they are on this replica). What is known of caches then counts as incomplete, and unknown means
stay. A message that another version wrote and this one cannot read is skipped.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Self, TypeAlias

import msgspec

from gateway.core.estimate import EstimateBook
from gateway.core.routing.conversations import Pin
from gateway.core.routing.holdout import ArmCounts, Arms, no_counts
from gateway.core.routing.ledger import Pinned, RouteLedger, Shared
from gateway.domain.routes import Arm, Choice, Route, RouteMode, Why
from gateway.ports import Clock, StoreSilent

from .background import pause, running
from .connection import FAILURES, Client

_log = logging.getLogger(__name__)

FLUSH_S = 0.1
SYNC_S = 1.0
MAX_PENDING = 5_000
MAX_BATCHES = 20_000
_BATCH = 500
_BLOCK_MS = 1_000
_DAY_S = 86_400
_KEEP_COUNTS_S = 3 * _DAY_S
_KEEP_RETURNED_S = 30 * _DAY_S
_KEEP_STREAM_S = 6 * 3_600
_GOODBYE_S = 1.0

_PinRow: TypeAlias = tuple[str, str, str, str, str, bool, bool, float]
_WarmRow: TypeAlias = tuple[str, bytes, float]


class _Batch(msgspec.Struct, array_like=True):
    replica: str
    pins: list[_PinRow]
    warm: list[_WarmRow]


class SharedRoutes:
    """Carries a ledger between replicas.

    Args:
        redis: An open client; stays the caller's.
        root: Root of all key names, with a hash tag.
        replica: Names this process.
        ledger: What this replica knows.
        book: Where warm prefixes are remembered.
        routes: The routes in force.
        clock: For stamps.
    """

    def __init__(
        self,
        redis: Client,
        root: str,
        replica: str,
        ledger: RouteLedger,
        book: EstimateBook,
        routes: Callable[[], Sequence[Route]],
        clock: Clock,
    ) -> None:
        self._redis = redis
        self._root = f"{root}:routes"
        self._replica = replica
        self._ledger = ledger
        self._book = book
        self._routes = routes
        self._clock = clock
        self._pending: list[Shared] = []
        self._last = "0"
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Batch).decode
        self._failing = False
        self._stack = AsyncExitStack()
        ledger.listen(self._take)

    async def __aenter__(self) -> Self:
        """Begin to do all of it."""
        work = running("routes", self.follow(), self.write(), self.sync())
        await self._stack.enter_async_context(work)
        return self

    async def __aexit__(self, *exit_: object) -> None:
        """End it, and write what is left."""
        await self._stack.aclose()
        await self.stop()

    async def follow(self) -> None:
        """Take in what the others tell, for ever."""
        stream = f"{self._root}:heard"
        while True:
            if not self._routes():
                await pause(SYNC_S)
                continue
            try:
                found: Any = await self._redis.xread(
                    {stream: self._last},
                    count=_BATCH,
                    block=_BLOCK_MS if self._ledger.complete else None,
                )
            except FAILURES as error:
                self._ledger.complete = False
                _log.debug("routes of other replicas: %s", error)
                await pause(SYNC_S)
                continue
            entries = _entries(found)
            for name, fields in entries:
                self._last = name.decode()
                self._hear(fields.get(b"b", b""))
            self._ledger.complete = self._ledger.complete or len(entries) < _BATCH

    async def write(self) -> None:
        """Write what is to be told, for ever."""
        while True:
            await pause(FLUSH_S if self._routes() else SYNC_S)
            await self.flush()

    async def sync(self) -> None:
        """Add up the counts, judge the routes, and take in what others found, for ever."""
        while True:
            await pause(SYNC_S)
            await self.sync_once()

    async def sync_once(self) -> None:
        """One round of that."""
        routes = [route for route in self._routes() if route.mode is not RouteMode.OFF]
        if not routes:
            return
        taken = self._ledger.take()
        try:
            await self._count(taken)
            await self._learn(routes)
            self._failing = False
        except FAILURES as error:
            self._ledger.put_back(taken)
            if not self._failing:
                self._failing = True
                _log.warning("routes count by themselves, the store fails: %s", error)
        for route in routes:
            await self._judge(route)

    async def flush(self) -> None:
        """Write what is to be told now."""
        if not self._pending:
            return
        pending, self._pending = self._pending, []
        stream = f"{self._root}:heard"
        try:
            for start in range(0, len(pending), _BATCH):
                packed = self._encode(self._packed(pending[start : start + _BATCH]))
                await self._redis.xadd(stream, {"b": packed}, maxlen=MAX_BATCHES, approximate=True)
            await self._redis.expire(stream, _KEEP_STREAM_S)
        except FAILURES as error:
            _log.debug("%d pins of routes are not shared: %s", len(pending), error)

    async def stop(self) -> None:
        """Write what is left, if the store takes it soon."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                await self.flush()
                await self.sync_once()

    async def resume(self, route: Route) -> None:
        """Forget the counts of a route and that it was returned to shadow.

        Raises:
            StoreSilent: The store does not answer.
        """
        try:
            await self._redis.delete(self._returned_key(route), *self._count_keys(route))
        except FAILURES as error:
            raise StoreSilent(str(error)) from error
        self._ledger.resume(route.name)

    def _take(self, told: Shared) -> None:
        if len(self._pending) < MAX_PENDING:
            self._pending.append(told)

    def _packed(self, told: Iterable[Shared]) -> _Batch:
        batch = _Batch(self._replica, [], [])
        for one in told:
            if isinstance(one, Pinned):
                pin = one.pin
                batch.pins.append(
                    (one.conversation, pin.route, pin.choice.value, pin.why.value, pin.arm.value,
                     pin.escalated, pin.troubled, pin.until)
                )  # fmt: skip
            else:
                batch.warm.append((one.model, one.digest, one.until))
        return batch

    def _hear(self, packed: bytes) -> None:
        try:
            batch = self._decode(packed)
            if batch.replica == self._replica:
                return
            for row in batch.pins:
                self._ledger.pins.hear(row[0], _pin(row))
        except (msgspec.MsgspecError, ValueError):
            return
        offset_s = self._clock.monotonic() - self._clock.wall()
        for model, digest, until in batch.warm:
            self._book.remember(model, digest, until + offset_s)

    async def _count(self, taken: dict[str, Arms]) -> None:
        by_name = {route.name: route for route in self._routes()}
        for name, arms in taken.items():
            route = by_name.get(name)
            if route is None:
                continue
            key = self._count_keys(route)[0]
            async with self._redis.pipeline(transaction=False) as pipe:
                for arm, counts in arms.items():
                    for field, number in counts.fields().items():
                        pipe.hincrby(key, f"{arm.value}.{field}", number)
                pipe.expire(key, _KEEP_COUNTS_S)
                await pipe.execute()

    async def _learn(self, routes: Sequence[Route]) -> None:
        """The totals of today and yesterday, and which routes were returned."""
        returned = {}
        for route in routes:
            arms = no_counts()
            for key in self._count_keys(route):
                _gather(arms, await self._redis.hgetall(key))
            self._ledger.set_totals(route.name, arms)
            why = await self._redis.get(self._returned_key(route))
            if why:
                told = why if isinstance(why, str) else why.decode("utf-8", "replace")
                returned[route.name] = told
        self._ledger.set_returned(returned)

    async def _judge(self, route: Route) -> None:
        if self._ledger.mode_of(route) is not RouteMode.ENFORCE:
            return
        finding = self._ledger.judged(route)
        if not finding.worse:
            return
        self._ledger.return_to_shadow(route.name, str(finding))
        _log.warning("route %s returns to shadow: %s", route.name, finding)
        with contextlib.suppress(*FAILURES):
            key = self._returned_key(route)
            await self._redis.set(key, str(finding), nx=True, ex=_KEEP_RETURNED_S)

    def _count_keys(self, route: Route) -> tuple[str, str]:
        """Today's and yesterday's."""
        day = int(self._clock.wall() // _DAY_S)
        name = f"{self._root}:counts:{_name(route)}"
        return f"{name}:{day}", f"{name}:{day - 1}"

    def _returned_key(self, route: Route) -> str:
        return f"{self._root}:returned:{_name(route)}"


def _name(route: Route) -> str:
    """A route and its settings; the mode is not among them."""
    plain = repr(replace(route, mode=RouteMode.SHADOW)).encode()
    return f"{route.name}:{blake2b(plain, digest_size=6).hexdigest()}"


def _pin(row: _PinRow) -> Pin:
    _, route, choice, why, arm, escalated, troubled, until = row
    return Pin(route, Choice(choice), Why(why), Arm(arm), escalated, troubled, until)


def _entries(found: Any) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """The entries of the one stream that was asked for, in either protocol's shape."""
    if not found:
        return []
    streams = list(found.values()) if isinstance(found, dict) else [found[0][1]]
    entries = streams[0]
    while entries and isinstance(entries[0], list):  # RESP3 wraps them once more
        entries = entries[0]
    return list(entries)


def _gather(arms: Arms, flat: Any) -> None:
    by_arm: dict[str, dict[str, int]] = {}
    for field, number in flat.items():
        arm, _, name = field.decode().partition(".")
        by_arm.setdefault(arm, {})[name] = int(number)
    for arm in Arm:
        if arm.value in by_arm:
            arms[arm].add(ArmCounts.of_fields(by_arm[arm.value]))
