"""What replicas tell each other of prompts on their way into a provider's cache.

Messages of a channel, `ROOT:caches`: nothing is kept, since a lead is old news within seconds, and
nothing waits for it.

Failure policy: without the store, calls wait for those of their own replica only; what could not
be told is dropped. A message that another version wrote and this one cannot read is skipped.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Protocol, Self, TypeVar

import msgspec
from redis.exceptions import ConnectionError

from gateway.domain.caches import CacheNews, HeadSeen

from .background import pause, running
from .connection import FAILURES, Client

_log = logging.getLogger(__name__)

MAX_UNTOLD = 1_000
_SILENCE_S = 5.0
_PAUSE_S = 0.5
_LOOK_S = 1.0


T = TypeVar("T")


class _Told(msgspec.Struct, array_like=True):
    replica: str
    news: CacheNews | None = None
    seen: HeadSeen | None = None


class Sharing(Protocol[T]):
    """Who tells something and is told it."""

    def listen(self, tell: Callable[[T], None]) -> None:
        """From now on, tell the others by this."""

    def hear(self, news: T, /) -> None:
        """Another replica tells."""


class SharedCaches:
    """Carries news between replicas; use as an async context manager.

    Args:
        client: An open client; stays the caller's.
        root: Root of all key names, with a hash tag.
        replica: Names this process.
        convoy: Tells and hears who leads.
        marker: Tells and hears of new heads.
        wanted: Whether anybody has any; looked at about once a second.
    """

    def __init__(
        self,
        client: Client,
        root: str,
        replica: str,
        convoy: Sharing[CacheNews],
        marker: Sharing[HeadSeen],
        wanted: Callable[[], bool],
    ) -> None:
        self._client = client
        self._channel = f"{root}:caches"
        self._replica = replica
        self._convoy = convoy
        self._marker = marker
        self._wanted = wanted
        self._untold: deque[_Told] = deque(maxlen=MAX_UNTOLD)
        self._news = asyncio.Event()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Told).decode
        self._stack = AsyncExitStack()
        convoy.listen(lambda news: self._tell(_Told(replica, news=news)))
        marker.listen(lambda seen: self._tell(_Told(replica, seen=seen)))

    async def __aenter__(self) -> Self:
        """Begin to tell and to hear."""
        work = running("caches", self._tell_for_ever(), self._listen_for_ever())
        await self._stack.enter_async_context(work)
        return self

    async def __aexit__(self, *exit_: object) -> None:
        """Stop."""
        await self._stack.aclose()

    def _tell(self, told: _Told) -> None:
        self._untold.append(told)
        self._news.set()

    async def _tell_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                while self._untold:
                    told = self._untold.popleft()
                    await self._client.publish(self._channel, self._encode(told))
            except FAILURES as error:
                _log.debug("prompts on their way into a cache are not told: %s", error)
                self._untold.clear()
                await pause(_PAUSE_S)

    async def _listen_for_ever(self) -> None:
        while True:
            if not self._wanted():
                await pause(_LOOK_S)
                continue
            try:
                await self._listen()
            except FAILURES as error:
                _log.debug("prompts of other replicas: %s", error)
                await pause(_PAUSE_S)

    async def _listen(self) -> None:
        """Hear what is told, until the connection is lost or nobody wants it any more."""
        async with self._client.pubsub() as channel:
            await channel.subscribe(self._channel)
            pinged = False
            while self._wanted():
                message = await channel.get_message(timeout=_SILENCE_S)
                if message is not None:
                    pinged = False
                    if message["type"] == "message":
                        self._hear(message["data"])
                elif pinged:
                    raise ConnectionError("the channel of caches does not answer")
                else:
                    pinged = True
                    await channel.ping()

    def _hear(self, packed: bytes) -> None:
        try:
            told = self._decode(packed)
        except (msgspec.MsgspecError, ValueError) as error:
            _log.debug("news of caches cannot be read: %s", error)
            return
        if told.replica == self._replica:
            return
        if told.news is not None:
            self._convoy.hear(told.news)
        if told.seen is not None:
            self._marker.hear(told.seen)
