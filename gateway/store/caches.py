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
from typing import Protocol, Self

import msgspec
from redis.exceptions import ConnectionError

from gateway.domain.caches import CacheNews

from .background import pause, running
from .connection import FAILURES, Client

_log = logging.getLogger(__name__)

MAX_UNTOLD = 1_000
_SILENCE_S = 5.0
_PAUSE_S = 0.5
_LOOK_S = 1.0


class _Told(msgspec.Struct, array_like=True):
    replica: str
    news: CacheNews


class Heard(Protocol):
    """Who tells and is told."""

    def listen(self, tell: Callable[[CacheNews], None]) -> None:
        """From now on, tell the others by this."""

    def hear(self, news: CacheNews) -> None:
        """Another replica tells."""


class SharedCaches:
    """Carries news between replicas; use as an async context manager.

    Args:
        client: An open client; stays the caller's.
        root: Root of all key names, with a hash tag.
        replica: Names this process.
        convoy: Whose news they are.
        wanted: Whether anybody has any; looked at about once a second.
    """

    def __init__(
        self, client: Client, root: str, replica: str, convoy: Heard, wanted: Callable[[], bool]
    ) -> None:
        self._client = client
        self._channel = f"{root}:caches"
        self._replica = replica
        self._convoy = convoy
        self._wanted = wanted
        self._untold: deque[CacheNews] = deque(maxlen=MAX_UNTOLD)
        self._news = asyncio.Event()
        self._encode = msgspec.msgpack.Encoder().encode
        self._decode = msgspec.msgpack.Decoder(_Told).decode
        self._stack = AsyncExitStack()
        convoy.listen(self._tell)

    async def __aenter__(self) -> Self:
        """Begin to tell and to hear."""
        work = running("caches", self._tell_for_ever(), self._listen_for_ever())
        await self._stack.enter_async_context(work)
        return self

    async def __aexit__(self, *exit_: object) -> None:
        """Stop."""
        await self._stack.aclose()

    def _tell(self, news: CacheNews) -> None:
        self._untold.append(news)
        self._news.set()

    async def _tell_for_ever(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                while self._untold:
                    told = self._encode(_Told(self._replica, self._untold.popleft()))
                    await self._client.publish(self._channel, told)
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
        if told.replica != self._replica:
            self._convoy.hear(told.news)
