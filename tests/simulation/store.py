"""The store: one server that runs the admission engine's model where Redis would run the script.

It can be paused, restarted, come back empty or as it was some seconds ago, and its clock can
jump. `StoreClient` is what a replica uses of redis-py's client.
"""

import asyncio
import copy
import hashlib
import random
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import msgspec
from redis.exceptions import ConnectionError, NoScriptError

from gateway.core.admission.messages import Operation
from gateway.core.admission.operations import Engine
from gateway.core.admission.state import Books

from .loop import EPOCH_S
from .network import Answer, Network

LEASE_US = 3_000_000
_MICRO = 1_000_000

Command = Callable[[Answer], None]
"""Runs at the server and answers, at once or later."""


class Witness(Protocol):
    """Who sees what the store does."""

    def call_ran(
        self, replica: str, operations: Sequence[Operation], before: Sequence[str], books: Books
    ) -> None:
        """A script call ran; `before` names the tickets of its settlements that were admitted."""

    def store_lost(self, age_s: float) -> None:
        """The store has gone back so many seconds."""


class StoreServer:
    """One server."""

    def __init__(self, rng: random.Random, witness: Witness) -> None:
        self._rng = rng
        self._witness = witness
        self.engine = Engine(LEASE_US)
        self.trace = hashlib.sha256()
        self.calls = 0
        self.shift_us = 0
        self._up = True
        self._paused = False
        self._backlog: list[tuple[Command, Answer]] = []
        self._scripts: set[str] = set()
        self._lists: dict[str, deque[bytes]] = {}
        self._poppers: dict[str, deque[tuple[Answer, asyncio.TimerHandle]]] = {}
        self._image: tuple[float, Books, dict[str, deque[bytes]]] = (0.0, Books(), {})

    # --- what may happen to it ----------------------------------------------------------------

    def pause(self) -> None:
        """Read nothing more for now."""
        self._paused = True

    def go_on(self) -> None:
        """Read what lies in the sockets; connections are read in no particular order."""
        self._paused = False
        backlog, self._backlog = self._backlog, []
        self._rng.shuffle(backlog)
        for command, answer in backlog:
            command(answer)

    def save(self) -> None:
        """What a restart may come back with."""
        now_s = asyncio.get_running_loop().time()
        self._image = now_s, copy.deepcopy(self.engine.books), copy.deepcopy(self._lists)

    def crash(self) -> None:
        """Every connection breaks, every script is forgotten."""
        self._up = False
        gone = ConnectionError("the store has closed the connection")
        for _, answer in self._backlog:
            answer(gone)
        for waiting in self._poppers.values():
            for answer, timer in waiting:
                timer.cancel()
                answer(gone)
        self._backlog, self._poppers, self._scripts = [], {}, set()

    def come_back(self, how: str) -> None:
        """`kept`, `old` (as it was saved) or `empty`."""
        now_s = asyncio.get_running_loop().time()
        if how == "old":
            at_s, self.engine.books, self._lists = self._image
            self._witness.store_lost(now_s - at_s)
        elif how == "empty":
            self.engine.books, self._lists = Books(), {}
            self._witness.store_lost(now_s)
        self._up, self._paused = True, False

    # --- commands -----------------------------------------------------------------------------

    def receive(self, command: Command, answer: Answer) -> None:
        """A command has arrived."""
        if not self._up:
            answer(ConnectionError("connection refused"))
        elif self._paused:
            self._backlog.append((command, answer))
        else:
            command(answer)

    def now_us(self) -> int:
        """What the server's clock shows."""
        now_s = asyncio.get_running_loop().time()
        return EPOCH_S * _MICRO + int(now_s * _MICRO) + self.shift_us

    def keep(self, digest: str) -> None:
        """Keep a script."""
        self._scripts.add(digest)

    def knows(self, digest: str) -> bool:
        """Whether it has a script."""
        return digest in self._scripts

    def run_script(self, replica: str, root: str, packed: bytes) -> bytes:
        """Run the admission script."""
        operations: list[Operation] = msgspec.msgpack.decode(packed)
        books, now_us = self.engine.books, self.now_us()
        before = [
            str(op[1])
            for op in operations
            if op[0] == "settle" and (held := books.tickets.get(str(op[1]))) and held.admitted
        ]
        answer = self.engine.call(replica, operations, now_us)
        if not answer.known:
            return msgspec.msgpack.encode([now_us])
        if answer.late is not None:
            return msgspec.msgpack.encode([now_us, answer.late])
        reply = msgspec.msgpack.encode([now_us, answer.events, answer.lanes, answer.snapshots])
        self.calls += 1
        for part in (str(now_us).encode(), replica.encode(), packed, reply):
            self.trace.update(part)
        self._witness.call_ran(replica, operations, before, books)
        self._send_outboxes(root)
        return reply

    def _send_outboxes(self, root: str) -> None:
        books = self.engine.books
        for replica, events in books.outboxes.items():
            if replica in books.replicas:
                key = f"{root}:out:{replica}"
                self._lists.setdefault(key, deque()).append(msgspec.msgpack.encode(events))
                self._feed(key)
        books.outboxes.clear()
        for key in [key for key in self._lists if key.rpartition(":")[2] not in books.replicas]:
            del self._lists[key]

    def pop(self, key: str, timeout_s: float, answer: Answer) -> None:
        """`BLPOP` of one key."""
        if self._lists.get(key):
            answer((key.encode(), self._lists[key].popleft()))
            return
        waiting = self._poppers.setdefault(key, deque())

        def late() -> None:
            waiting.remove(entry)
            answer(None)

        timer = asyncio.get_running_loop().call_later(timeout_s, late)
        entry = (answer, timer)
        waiting.append(entry)

    def _feed(self, key: str) -> None:
        waiting, there = self._poppers.get(key), self._lists[key]
        while waiting and there:
            answer, timer = waiting.popleft()
            timer.cancel()
            answer((key.encode(), there.popleft()))


class StoreClient:
    """One replica's client: the part of redis-py's that admission uses."""

    def __init__(self, server: StoreServer, network: Network, replica: str) -> None:
        self._server = server
        self._network = network
        self._replica = replica

    async def _send(self, command: Command) -> Any:
        return await self._network.command(
            self._replica, lambda answer: self._server.receive(command, answer)
        )

    async def evalsha(self, digest: str, _: int, root: str, *arguments: Any) -> Any:
        server, (replica, _now, _lease_us, packed) = self._server, arguments

        def command(answer: Answer) -> None:
            if server.knows(digest):
                answer(server.run_script(replica, root, packed))
            else:
                answer(NoScriptError("no such script"))

        return await self._send(command)

    async def eval(self, source: str, _: int, root: str, *arguments: Any) -> Any:
        server, (replica, _now, _lease_us, packed) = self._server, arguments
        digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

        def command(answer: Answer) -> None:
            server.keep(digest)
            answer(server.run_script(replica, root, packed))

        return await self._send(command)

    async def blpop(self, keys: Sequence[str], timeout: float) -> Any:  # noqa: ASYNC109 - redis-py's signature
        server = self._server
        return await self._send(lambda answer: server.pop(keys[0], timeout, answer))
