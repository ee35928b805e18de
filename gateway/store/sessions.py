"""What sessions show: how long they run, and how their context changes from turn to turn.

A session's calls may reach any worker of any replica, so the numbers of its last turn are kept in
the store; whoever brings the next turn is told how it compares, and one worker is told of each
session that is over, so that everything is counted once. A session is over when it had no call for
`IDLE_S`. Its sub-agents and housekeeping calls have contexts of their own, told apart by thread and
model. Neither names nor content are kept: a session is a digest, a turn is two numbers.

Failure policy: this is for metrics only and never costs a call anything. While the store is slow or
lost, turns are dropped: a session then has fewer calls, and a step between two turns spans the gap.
The number of sessions and of contexts is bounded; beyond, the oldest session counts as over.
"""

import asyncio
import contextlib
import logging
from hashlib import blake2b
from importlib.resources import files
from typing import cast

import msgspec

from gateway.domain.facts import CallRecord, Session, SessionOver, TurnFollowed
from gateway.ports import Clock, SessionObserver

from .connection import FAILURES, Client
from .scripts import Script

_log = logging.getLogger(__name__)

FLUSH_S = 0.5
SWEEP_S = 30.0
"""How often somebody looks for sessions that are over, when no turn comes."""
CHUNK = 100
MAX_PENDING = 2_000
IDLE_S = 1800.0
MAX_SESSIONS = 20_000
"""A session takes about half a kilobyte of the store's memory."""
MAX_CONTEXTS = 50
_GOODBYE_S = 1.0


class StoredSessions:
    """An `Observer` that tells another one.

    Args:
        redis: An open client; stays the caller's.
        root: Root of all key names, with a hash tag.
        clock: For durations.
        observer: Told of turns, of sessions that are over, and of how many are open.
        idle_s: See `IDLE_S`.
    """

    def __init__(
        self,
        redis: Client,
        root: str,
        clock: Clock,
        observer: SessionObserver,
        *,
        idle_s: float = IDLE_S,
    ) -> None:
        self._redis = redis
        self._root = root
        self._clock = clock
        self._observer = observer
        self._idle_ms = int(idle_s * 1000)
        self._script = Script((files(__package__) / "lua" / "sessions.lua").read_text())
        self._pending: list[tuple[CallRecord, Session, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.Task[None] | None = None
        self._open = 0
        self._failing = False

    def call_finished(self, record: CallRecord) -> None:
        """Note one turn."""
        if record.session is None or not record.attempts:
            return
        if len(self._pending) >= MAX_PENDING:
            return
        self._pending.append((record, record.session, self._clock.monotonic()))
        if len(self._pending) == 1 and self._writing is None:
            self._wake(FLUSH_S)

    async def stop(self) -> None:
        """Write what is left, if the store takes it soon."""
        self._rest()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GOODBYE_S):
                if self._writing is not None:
                    await self._writing
                await self.write()
        self._rest()

    async def write(self) -> None:
        """Send what is pending, and hear what became of it."""
        pending, self._pending = self._pending, []
        now_s = self._clock.monotonic()
        chunks = [pending[start : start + CHUNK] for start in range(0, len(pending), CHUNK)]
        try:
            for chunk in chunks or [[]]:
                arguments = (self._idle_ms, MAX_SESSIONS, MAX_CONTEXTS, _packed(chunk, now_s))
                reply = await self._script.call(self._redis, (self._root,), arguments)
                self._tell(*cast("tuple[list[int], list[int], int]", reply))
        except FAILURES as error:
            if not self._failing:
                self._failing = True
                _log.warning("turns of sessions are not compared, the store fails: %s", error)
        else:
            self._failing = False

    def _wake(self, after_s: float) -> None:
        self._rest()
        self._timer = asyncio.get_running_loop().call_later(after_s, self._flush)

    def _rest(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _flush(self) -> None:
        self._timer = None
        self._writing = asyncio.get_running_loop().create_task(self._write_and_wait())

    async def _write_and_wait(self) -> None:
        try:
            await self.write()
        finally:
            self._writing = None
            if self._pending:
                self._wake(FLUSH_S)
            elif self._open:
                self._wake(SWEEP_S)

    def _tell(self, turns: list[int], over: list[int], count: int) -> None:
        self._open = count
        self._observer.sessions_open(count)
        for at in range(0, len(turns), 3):
            self._observer.turn_followed(TurnFollowed(*turns[at : at + 3]))
        for at in range(0, len(over), 2):
            self._observer.session_over(SessionOver(over[at] / 1000, over[at + 1]))


def _packed(turns: list[tuple[CallRecord, Session, float]], now_s: float) -> bytes:
    parts: list[object] = []  # text, since cmsgpack knows no other strings
    for record, session, ended_s in turns:
        ended_ms = int((now_s - ended_s) * 1000)
        usage = record.usage
        parts += (
            _digest(record.agent, session.id),
            ended_ms + int(record.total_s * 1000),
            ended_ms,
            _digest(session.thread, record.model),
            usage.prompt_tokens if usage.exact else 0,
            usage.output_tokens,
        )
    return msgspec.msgpack.encode(parts)


def _digest(*names: str) -> str:
    return blake2b("\0".join(names).encode(), digest_size=12).hexdigest()
