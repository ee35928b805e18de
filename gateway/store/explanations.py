"""Explanations of finished calls, kept in the store for a while so that any replica can tell them.

Written beside the calls: what ended within a tenth of a second goes to the store together. What is
kept is the record of a call; it is explained when somebody asks, which is rare.

Failure policy: an explanation is a convenience and never costs a call anything. When the store is
slow or lost, or when there are more than the allowance of a second (so that a flood cannot fill the
store's memory), explanations are dropped and counted. Calls that were simply answered use at most
half of the allowance, so that those which waited or failed find room. A replica that is killed
loses those of its last tenth of a second. A record that another version of the gateway wrote and
this one cannot read is as good as none.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import replace
from importlib.resources import files

import msgspec

from gateway.core.explaining import explain, is_plain
from gateway.domain.explanation import Explanation
from gateway.domain.facts import CallRecord
from gateway.ports import Clock, StoreSilent

from .connection import FAILURES, Client
from .scripts import Script

_log = logging.getLogger(__name__)

FLUSH_S = 0.1
CHUNK = 100
"""So many in one script call, which blocks the store for a fraction of a millisecond."""
MAX_PENDING = 1000
_MAX_PATH = 200
_GOODBYE_S = 1.0


class StoredExplanations:
    """Implements `gateway.ports.Explanations`. An `Observer`.

    Args:
        redis: An open client; stays the caller's.
        root: Root of all key names, with a hash tag.
        clock: For stamps.
        keep_s: How long they are kept; 0: none are.
        per_second: How many of this replica's are kept in each second.
        dropped: Told how many were not kept.
    """

    def __init__(
        self,
        redis: Client,
        root: str,
        clock: Clock,
        *,
        keep_s: float,
        per_second: int,
        dropped: Callable[[int], None],
    ) -> None:
        self._redis = redis
        self._root = root
        self._clock = clock
        self._keep_ms = int(keep_s * 1000)
        self._per_second = per_second
        self._dropped = dropped
        self._script = Script((files(__package__) / "lua" / "explanations.lua").read_text())
        self._encode = msgspec.json.Encoder().encode
        self._pack = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.json.Decoder(tuple[float, CallRecord]).decode
        self._pending: list[tuple[CallRecord, float]] = []
        self._second = 0
        self._taken = 0
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._failing = False

    def call_finished(self, record: CallRecord) -> None:
        """Note one call."""
        if not self._keep_ms:
            return
        now_s = self._clock.wall()
        if not self._allowed(record, int(now_s)):
            self._dropped(1)
            return
        self._pending.append((record, now_s))
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    async def find(self, request_id: str) -> Explanation | None:
        """The explanation of a finished call, if it is still kept.

        Raises:
            StoreSilent: The store does not answer.
        """
        try:
            found = await self._redis.get(f"{self._root}:why:{request_id}")
        except FAILURES as error:
            raise StoreSilent(str(error)) from error
        try:
            ended_s, record = self._decode(found or b"")
        except msgspec.MsgspecError:
            return None
        return explain(record, ended_s)

    async def stop(self) -> None:
        """Write what is left, if the store takes it soon."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                if self._writing is not None:
                    await self._writing
                await self._write(*self._take())

    def _allowed(self, record: CallRecord, second: int) -> bool:
        if second != self._second:
            self._second, self._taken = second, 0
        most = self._per_second // 2 if is_plain(record) else self._per_second
        if self._taken >= most or len(self._pending) >= MAX_PENDING:
            return False
        self._taken += 1
        return True

    def _flush(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write_all())

    async def _write_all(self) -> None:
        """Write until everything is written: what comes meanwhile waits for the next round."""
        try:
            await self._write(*self._take())
        finally:
            self._writing = None
            if self._pending:
                self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    def _take(self) -> tuple[list[bytes], int]:
        pending, self._pending = self._pending, []
        chunks = [pending[start : start + CHUNK] for start in range(0, len(pending), CHUNK)]
        return [self._packed(chunk) for chunk in chunks], len(pending)

    def _packed(self, chunk: list[tuple[CallRecord, float]]) -> bytes:
        entries: list[str] = []  # text, since cmsgpack knows no other strings
        for record, ended_s in chunk:
            known = record
            if len(record.path) > _MAX_PATH:
                known = replace(record, path=record.path[:_MAX_PATH])
            entries += (record.request_id, self._encode((ended_s, known)).decode())
        return self._pack(entries)

    async def _write(self, chunks: list[bytes], count: int) -> None:
        try:
            for packed in chunks:
                await self._script.call(self._redis, (self._root,), (self._keep_ms, packed))
        except FAILURES as error:
            self._dropped(count)
            if not self._failing:
                self._failing = True
                _log.warning("explanations of calls are lost, the store fails: %s", error)
        else:
            self._failing = False
