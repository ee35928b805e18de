"""States of breakers, told from replica to replica through the store.

Each replica decides for itself (see `gateway.core.breaker`); the store only carries facts, newest
first, and keeps them for replicas that start later. Nothing waits for it.

Failure policy: the store does not answer: breakers work on, each replica by what it sees itself;
what it has to tell is kept, the latest of each breaker, and told when the store is back, and what
the others did meanwhile is heard then. A state that cannot be read (another version wrote it) is
left out and logged.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from importlib.resources import files
from types import TracebackType
from typing import Any, Self

import msgspec

from gateway.core.breaker import order
from gateway.domain.breaking import BreakerFact, BreakerKey
from gateway.domain.facts import BreakerScope

from .background import pause, running
from .connection import FAILURES, Client
from .following import follow
from .scripts import Script

_log = logging.getLogger(__name__)

KEEP_MS = 30 * 24 * 3600 * 1000
"""States are kept so long after the last change of any; those that somebody holds open, too."""
_PAUSE_S = 0.2


class SharedBreakers:
    """Tells and hears facts; use as an async context manager.

    Args:
        client: An open client; stays the caller's.
        root: Root of all key names, with a hash tag.
        hear: Takes what others tell, and what the store remembers at the start.
    """

    def __init__(
        self, client: Client, root: str, hear: Callable[[BreakerKey, BreakerFact], None]
    ) -> None:
        self._client = client
        self._root = root
        self._hear = hear
        self._script = Script((files(__package__) / "lua" / "breakers.lua").read_text())
        self._untold: dict[BreakerKey, BreakerFact] = {}
        self._news = asyncio.Event()
        self._lost = False
        self._stack = AsyncExitStack()

    def tell(self, key: BreakerKey, fact: BreakerFact) -> None:
        """Tell the others, soon; the latest of each breaker is enough."""
        self._untold[key] = fact
        self._news.set()

    async def __aenter__(self) -> Self:
        """Begin to tell and to hear; what the store remembers is heard soon."""
        async with AsyncExitStack() as stack:
            hearing = follow(
                self._client, f"{self._root}:breakers:moved", self._heed, self._report_lost
            )
            await stack.enter_async_context(running("breakers", self._tell_for_ever(), hearing))
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        await self._stack.aclose()

    async def _tell_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self._tell_all()
            except FAILURES as error:
                self._report_lost(error)
                self._news.set()
                await pause(_PAUSE_S)

    async def _tell_all(self) -> None:
        for key, fact in list(self._untold.items()):
            numbers = " ".join(f"{number:.6f}" for number in order(fact))
            packed = msgspec.json.encode(fact)
            await self._script.call(
                self._client, (self._root,), (str(key), numbers, packed, KEEP_MS)
            )
            if self._untold.get(key) is fact:
                del self._untold[key]

    async def _heed(self, told: bytes | None) -> None:
        if told is None:
            found: Mapping[Any, Any] = await self._client.hgetall(f"{self._root}:breakers")
            for name, packed in found.items():
                self._take(name, packed)
            self._report_back()
        else:
            name, _, packed = told.partition(b"\n")
            self._take(name, packed)

    def _take(self, name: bytes, packed: bytes) -> None:
        try:
            scope, _, rest = name.decode().partition("/")
            key = BreakerKey(BreakerScope(scope), rest)
            fact = msgspec.json.decode(packed, type=BreakerFact)
        except ValueError as error:  # msgspec's and UTF-8's errors are ValueErrors
            _log.warning("the state of breaker %r cannot be read: %s", name, error)
            return
        self._hear(key, fact)

    def _report_lost(self, error: Exception) -> None:
        if not self._lost:
            self._lost = True
            _log.warning("breakers go on without the other replicas, the store fails: %s", error)

    def _report_back(self) -> None:
        if self._lost:
            self._lost = False
            _log.warning("the store is back; states of breakers are told and heard again")
