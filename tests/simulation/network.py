"""The network between replicas and their store: slow, lossy, cut, and never in order.

A command that its sender has given up on may still arrive and run, also after commands that were
sent later: that is what happens when a store that was paused reads what lies in its sockets.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from redis import exceptions

COMMAND_TIMEOUT_S = 2.0
"""As `gateway.store.connection.connect` sets it."""

Answer = Callable[[object], None]
"""Called with a reply, or with the error that takes its place."""


@dataclass
class Weather:
    """How the network is just now.

    Attributes:
        delay_s: Longest usual delay of one way.
        stragglers: Share of messages that take up to three seconds.
        lost_requests, lost_replies, broken: Shares of commands; a broken connection is noticed.
    """

    delay_s: float = 0.004
    stragglers: float = 0.0
    lost_requests: float = 0.0
    lost_replies: float = 0.0
    broken: float = 0.0


class Network:
    """Carries commands to a server."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.weather = Weather()
        self.cut_off: set[str] = set()
        """Replicas without a way to the store."""

    def _delay_s(self) -> float:
        if self._rng.random() < self.weather.stragglers:
            return self._rng.uniform(0.0, 3.0)
        return self._rng.uniform(0.0002, self.weather.delay_s)

    def _happens(self, share: float) -> bool:
        return share > 0 and self._rng.random() < share

    async def command(self, sender: str, deliver: Callable[[Answer], None]) -> Any:
        """Have something delivered to the server and wait for its answer.

        Raises:
            TimeoutError: No answer in time.
            ConnectionError: The connection broke.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[object] = loop.create_future()
        lost = sender in self.cut_off or self._happens(self.weather.lost_requests)
        if not lost:
            loop.call_later(self._delay_s(), deliver, lambda said: self._back(sender, done, said))
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                said = await done
        except TimeoutError:
            raise exceptions.TimeoutError("no answer in time") from None
        if isinstance(said, Exception):
            raise said
        return said

    def _back(self, sender: str, done: asyncio.Future[object], said: object) -> None:
        if sender in self.cut_off or self._happens(self.weather.lost_replies):
            return
        if self._happens(self.weather.broken):
            said = exceptions.ConnectionError("the connection broke")
        loop = asyncio.get_running_loop()
        loop.call_later(self._delay_s(), self._arrive, done, said)

    @staticmethod
    def _arrive(done: asyncio.Future[object], said: object) -> None:
        if not done.done():
            done.set_result(said)
