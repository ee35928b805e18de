"""What was last seen of the store: limits, use, replicas, and whether it is still the same.

A look goes with the batches of the queue, at most some scopes at a time: those used here since the
last look, then the others in turn. Nothing is decided by it while the store answers.

Failure policy: a look that fails is left out; what was seen before stays.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from math import inf
from typing import Any, cast

from gateway.core.admission.messages import Operation
from gateway.ports import Clock

from .admission import RedisAdmission
from .background import pause
from .connection import FAILURES, Client
from .own_use import OwnUse

_log = logging.getLogger(__name__)

_ERA_S = 40 * 86_400
_COUNTS = 10
_AT_FULL_PACE = 8
"""Replicas; more of them look less often, so that the store has no more to do."""
_BACK_MS = 4000
"""How long an agreed time is remembered."""


@dataclass(frozen=True, slots=True)
class Looking:
    """How often, and how much.

    Attributes:
        every_s: Pause between two looks, up to eight replicas.
        scopes: How many lanes and budgets are looked at together.
        patience_s: A look that takes longer is given up.
        return_in_s: How long after its first look the first replica proposes to return: all must
            have reached the store by then, and told it what they used.
    """

    every_s: float = 0.5
    scopes: int = 48
    patience_s: float = 2.0
    return_in_s: float = 1.5


class Sight:
    """The eyes of one replica.

    Args:
        queue: Whose configuration says what there is, and through which it is looked at.
        redis: For what the queue does not tell.
        root: Root of all key names.
        replica: Our name.
        clock: As that of whoever notes use.
        looking: How often.

    Attributes:
        seen: Snapshots by scope, as they came.
        looks: How many there were.
        wants_back: Whether a time to return is to be agreed on.
        back_at_s: That time, by the wall clock.
        emptied: The store's data are others than at the look before; whoever acts on it resets it.
    """

    def __init__(
        self,
        queue: RedisAdmission,
        redis: Client,
        root: str,
        replica: str,
        clock: Clock,
        looking: Looking = Looking(),
    ) -> None:
        self._queue = queue
        self._redis = redis
        self._root = root
        self._replica = replica
        self._looking = looking
        self._clock = clock
        self._era: bytes | None = None
        self._at = 0
        self._looked_s = 0.0
        self._counts: deque[int] = deque([1], maxlen=_COUNTS)
        self.use = OwnUse(60.0)
        self.seen: dict[str, Any] = {}
        self.looks = 0
        self.emptied = False
        self.wants_back = False
        self.back_at_s = inf

    @property
    def replicas(self) -> int:
        """How many there are: the most of the last looks, since one that is gone may be cut off."""
        return max(1, *self._counts)

    @property
    def pause_s(self) -> float:
        """Until the next look: a look at 48 scopes takes the store a millisecond."""
        spread = 1.0 if self.wants_back else max(1.0, self.replicas / _AT_FULL_PACE)
        return self._looking.every_s * spread

    async def run(self) -> None:
        """Look, for ever."""
        while True:
            await pause(self.pause_s)
            if self._queue.silent_s > self._looking.every_s:
                continue
            try:
                async with asyncio.timeout(self._looking.patience_s):
                    await self.look()
            except FAILURES as error:
                _log.debug("a look at the store failed: %s", error)

    async def look(self) -> None:
        """Look once.

        Raises:
            RedisError: The store does not answer.
        """
        scopes = list(self._next_scopes())
        era = cast("bytes | None", await self._redis.get(f"{self._root}:era"))
        found = await self._queue.look(scopes)
        self.seen.update(zip(scopes, found, strict=True))
        self._counts.append(await self._redis.zcard(f"{self._root}:replicas"))
        self._queue.alone = self.replicas == 1
        present = await self._present_era()
        if self._era is None:
            self._era = present
        elif era is not None and era != self._era:
            # Not the present one: it must be another to the queue until that has said hello to it.
            self.emptied = True
            self._era = era
        if self.wants_back:
            await self._agree()
        self.looks += 1

    async def is_another(self) -> bool:
        """Whether the store's data are others than at the last look.

        Raises:
            RedisError: The store does not answer.
        """
        return self._era is not None and await self._redis.get(f"{self._root}:era") != self._era

    async def is_first(self) -> bool:
        """Name the store's data, unless somebody has.

        Raises:
            RedisError: The store does not answer.
        """
        name = f"{self._replica}+{self.looks}"
        return bool(await self._redis.set(f"{self._root}:era", name, nx=True, ex=_ERA_S))

    async def _agree(self) -> None:
        """All replicas return at the time that the first of them has named."""
        key, at_s = f"{self._root}:back", self._clock.wall() + self._looking.return_in_s
        await self._redis.set(key, f"{at_s:.3f}", nx=True, px=_BACK_MS)
        found = await self._redis.get(key)
        self.back_at_s = at_s if found is None else float(found)

    async def _present_era(self) -> bytes:
        """Who named the store's data first, and when: others than before are other data."""
        key, name = f"{self._root}:era", f"{self._replica}-{self.looks}".encode()
        await self._redis.set(key, name, nx=True, ex=_ERA_S)
        found = await self._redis.getex(key, ex=_ERA_S)  # what ends while it is used names nothing
        return name if found is None else cast("bytes", found)

    def _next_scopes(self) -> Iterator[str]:
        configured = self._queue.configured
        limited = [scope for scope, operation in configured.items() if _has_limits(operation)]
        used = self.use.used_since(self._looked_s)
        self._looked_s = self._clock.monotonic()
        chosen = dict.fromkeys(scope for scope in limited if scope in used)
        turns = min(len(limited), max(0, self._looking.scopes - len(chosen)))
        for _ in range(turns):
            self._at = (self._at + 1) % len(limited)
            chosen[limited[self._at]] = None
        yield from chosen


def _has_limits(operation: Operation) -> bool:
    """Lanes learn theirs; a budget without any needs no look."""
    if str(operation[1]).startswith("lane:"):
        return True
    return any(limit >= 0 for limit in cast("dict[str, list[int]]", operation[2])["limits"])
