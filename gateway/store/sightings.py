"""What replicas have seen of agents that may run away, told to each other through the store.

Failure policy: the store does not answer: what was seen is forgotten, and each replica goes on by what
it sees itself. What cannot be read (another version told it) is left out and logged. Nothing is kept.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from uuid import uuid4

import msgspec

from gateway.core.runaway import Sighting

from .background import pause, running
from .connection import FAILURES, Client
from .following import follow

_log = logging.getLogger(__name__)

MOST = 1000
"""More than so many at once are not told."""
_GATHER_S = 0.1
"""What is seen within so long is told together."""


class Sightings:
    """Tells and hears what was seen.

    Args:
        client: An open client; stays the caller's.
        root: Root of all key names, with a hash tag.
        hear: Takes what others have seen.
    """

    def __init__(self, client: Client, root: str, hear: Callable[[Sighting], None]) -> None:
        self._client = client
        self._channel = f"{root}:runaways:seen"
        self._hear = hear
        self._name = uuid4().hex.encode()
        self._seen: deque[Sighting] = deque(maxlen=MOST)
        self._news = asyncio.Event()

    def tell(self, seen: Sighting) -> None:
        """Tell the others, soon."""
        self._seen.append(seen)
        self._news.set()

    @asynccontextmanager
    async def shared(self) -> AsyncIterator["Sightings"]:
        """Tell and hear until the context ends."""
        hearing = follow(self._client, self._channel, self._heed, _ignore)
        async with running("sightings", self._tell_for_ever(), hearing):
            yield self

    async def _tell_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            seen, self._seen = list(self._seen), deque(maxlen=MOST)
            try:
                packed = msgspec.json.encode(seen)
                await self._client.publish(self._channel, self._name + b"\n" + packed)
            except FAILURES as error:
                _log.debug("sightings of agents are lost, the store fails: %s", error)
            await pause(_GATHER_S)

    async def _heed(self, told: bytes | None) -> None:
        if told is None:
            return
        name, _, packed = told.partition(b"\n")
        if name == self._name:
            return
        try:
            seen = msgspec.json.decode(packed, type=list[Sighting])
        except msgspec.MsgspecError as error:
            _log.warning("what another replica has seen cannot be read: %s", error)
            return
        for one in seen:
            self._hear(one)


def _ignore(error: Exception) -> None:
    """Others say in the log that the store is lost."""
