"""The accounts: what every agent, team, model, lane, provider and tag used, hour by hour.

Written beside the calls: each worker adds up what ended within a second and sends it as a numbered
batch. The script adds a batch once, whatever was sent again, so the sums are exact over all
workers and replicas.

Failure policy: while the store does not answer, batches wait and go later, under the hour in which
their calls ended. Their number is bounded: beyond `MAX_PENDING` rows, models and tags are put down
to `other`, and no token or cent is lost. A worker that is killed loses its last second; what one
that stops in order cannot send in time is lost, and said.
"""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Mapping
from importlib.resources import files
from operator import add
from typing import Any, TypeAlias

import msgspec

from gateway.core.accounting import Keys, Sums, entries, folded
from gateway.domain.facts import CallRecord
from gateway.domain.spending import HOUR_S, Attribution, UsageQuery, UsageRow
from gateway.ports import Clock, StoreSilent

from .connection import FAILURES, Client
from .scripts import Script

_log = logging.getLogger(__name__)

FLUSH_S = 1.0
CHUNK = 200
"""Rows in one script call, which blocks the store for a fraction of a millisecond."""
MAX_PENDING = 10_000
"""Rows that wait for a lost store before models and tags are folded."""
_GOODBYE_S = 2.0
_CALLS, _TAGS = "calls", "tags"

_Place: TypeAlias = tuple[str, int, Keys]
"""Accounts, hour, row."""


class StoredUsage:
    """Implements `gateway.ports.Accounts`. An `Observer`.

    Args:
        redis: An open client; stays the caller's.
        root: Root of all key names, with a hash tag.
        replica: Unique name of this worker's life.
        clock: For the hour.
        keep_s: How long an hour is kept; 0: nothing is.
        max_rows: Rows of one hour in the store.
    """

    def __init__(
        self, redis: Client, root: str, replica: str, clock: Clock, *, keep_s: float, max_rows: int
    ) -> None:
        self._redis = redis
        self._root = root
        self._replica = replica
        self._clock = clock
        self._keep_ms = int(keep_s * 1000)
        self._max_rows = max_rows
        self._script = Script((files(__package__) / "lua" / "usage.lua").read_text())
        self._pending: dict[_Place, list[int]] = {}
        self._batches: deque[tuple[int, bytes]] = deque()
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._failing = False
        self._stopping = False

    def call_finished(self, record: CallRecord) -> None:
        """Put one call down."""
        if not self._keep_ms:
            return
        hour_s = int(self._clock.wall()) // HOUR_S * HOUR_S
        for keys, amounts in entries(record):
            self._add(_CALLS, hour_s, keys, amounts)
            for tag in record.tags:
                self._add(_TAGS, hour_s, (*keys, tag), amounts)
        if self._pending:
            self._wake(FLUSH_S)

    async def rows(self, query: UsageQuery) -> list[UsageRow]:
        """The sums that are asked for.

        By tag, a call counts with each of its tags, and those without any do not.

        Raises:
            StoreSilent: The store does not answer.
        """
        accounts = _TAGS if Attribution.TAG in query.by else _CALLS
        sums = Sums(query)
        groups: dict[bytes, Keys] = {}  # the same rows come again each hour
        first_s = max(query.since_s, self._clock.wall() - self._keep_ms / 1000 - HOUR_S)
        hours = range(int(first_s) // HOUR_S * HOUR_S, int(-(-query.until_s // 1)), HOUR_S)
        try:
            for hour_s in hours:  # one by one, so that calls are served in between
                rows = await self._redis.hgetall(f"{self._root}:usage:{accounts}:{hour_s}")
                sums.add(hour_s, _unpacked(rows, groups, sums))
        except FAILURES as error:
            raise StoreSilent(str(error)) from error
        return sums.rows()

    async def stop(self) -> None:
        """Write what is left, if the store takes it soon."""
        self._stopping = True  # from here on, only this writes
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                if self._writing is not None:
                    await self._writing
                await self._write()  # what could not be sent before
                await self._write()  # and what came meanwhile
        if self._batches or self._pending:
            _log.error("the accounts of the last calls are lost: the store does not take them")

    def _add(self, accounts: str, hour_s: int, keys: Keys, amounts: list[int]) -> None:
        place = (accounts, hour_s, keys)
        sums = self._pending.get(place)
        if sums is None and len(self._pending) >= MAX_PENDING:
            place = (accounts, hour_s, folded(keys))
            sums = self._pending.get(place)
        if sums is None:
            self._pending[place] = list(amounts)
        else:
            sums[:] = map(add, sums, amounts)

    def _wake(self, after_s: float) -> None:
        if self._timer is None and self._writing is None and not self._stopping:
            self._timer = asyncio.get_running_loop().call_later(after_s, self._flush)

    def _flush(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        try:
            await self._write()
        finally:
            self._writing = None
            if self._batches or self._pending:
                self._wake(FLUSH_S)

    async def _write(self) -> None:
        """Send every batch; one whose fate is unknown is sent again as it was."""
        if not self._batches:
            self._batch()
        try:
            while self._batches:
                number, packed = self._batches[0]
                arguments = (self._replica, number, self._keep_ms, self._max_rows, packed)
                await self._script.call(self._redis, (self._root,), arguments)
                self._batches.popleft()
        except FAILURES as error:
            if not self._failing:
                self._failing = True
                _log.warning("the accounts wait, the store fails: %s", error)
        else:
            self._failing = False

    def _batch(self) -> None:
        """Turn what is pending into batches, which do not change any more."""
        places, self._pending = list(self._pending.items()), {}
        for start in range(0, len(places), CHUNK):
            self._number += 1
            self._batches.append((self._number, _packed(places[start : start + CHUNK])))


def _packed(places: list[tuple[_Place, list[int]]]) -> bytes:
    hours: dict[tuple[str, int], list[object]] = {}
    for (accounts, hour_s, keys), amounts in places:
        row, other = (msgspec.json.encode(one).decode() for one in (keys, folded(keys)))
        hours.setdefault((accounts, hour_s), []).extend((row, other, amounts))
    return msgspec.msgpack.encode([part for (a, h), rows in hours.items() for part in (a, h, rows)])


_ROW = msgspec.json.Decoder(list[str]).decode
_AMOUNTS = msgspec.msgpack.Decoder(list[int]).decode


def _unpacked(
    rows: Mapping[Any, Any], groups: dict[bytes, Keys], sums: Sums
) -> list[tuple[Keys, list[int]]]:
    """Rows with their groups, from the store's bytes (redis-py does not say that it is bytes)."""
    found = []
    for row, amounts in rows.items():
        group = groups.get(row)
        if group is None:
            group = groups[row] = sums.group(_ROW(row))
        found.append((group, _AMOUNTS(amounts)))
    return found
