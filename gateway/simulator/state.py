"""What one simulator process holds: settings, buckets, caches, faults, counters."""

import asyncio
import itertools
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from gateway.simulator.caching import PromptCache
from gateway.simulator.faults import FaultBook
from gateway.simulator.ledger import Clock, Ledger
from gateway.simulator.limits import Lane
from gateway.simulator.models import Catalogue, Model
from gateway.simulator.settings import ANTHROPIC, GEMINI, OPENAI, Limits, SimulatorSettings

_STORED_LIMIT = 2_000


def loop_time() -> float:
    """Monotonic seconds of the running event loop."""
    return asyncio.get_running_loop().time()


def wall_time() -> float:
    """Seconds since the epoch."""
    return datetime.now(UTC).timestamp()


@dataclass(frozen=True, slots=True)
class CapturedRequest:
    """A request exactly as it arrived, for tests of byte identity."""

    method: str
    target: bytes
    query: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


class SimulatorState:
    """The state behind all endpoints. Used from one event loop only."""

    def __init__(
        self,
        settings: SimulatorSettings,
        clock: Clock = loop_time,
        wall: Callable[[], float] = wall_time,
    ) -> None:
        """Begin empty.

        Args:
            settings: How to behave.
            clock: Monotonic seconds, for buckets, caches and records.
            wall: Seconds since the epoch, for stamps in answers.
        """
        self.settings = settings
        self.clock = clock
        self.wall = wall
        self.ledger = Ledger(clock, settings.log_limit)
        self.faults = FaultBook()
        self._ids = itertools.count(1)
        self._begin()

    def _begin(self) -> None:
        settings = self.settings
        self.catalogue = Catalogue(
            (dialect, name) for dialect, names in settings.extra_models.items() for name in names
        )
        self._lanes: dict[tuple[str, str], Lane] = {}
        self._lane_of: dict[tuple[str, str, bool], Lane] = {}
        self.caches = {d: PromptCache(settings.scale) for d in (ANTHROPIC, OPENAI, GEMINI)}
        self.stored: OrderedDict[str, Any] = OrderedDict()
        self.captured: deque[CapturedRequest] = deque(maxlen=settings.capture or None)

    def reset(self) -> None:
        """Full buckets, empty caches, no faults, counters at zero; settings stay."""
        self.ledger.reset()
        self.faults.clear()
        self._begin()

    def configure(self, settings: SimulatorSettings) -> None:
        """Behave differently from now on; counters go on.

        Buckets start full again if limits or the minute change; else they keep their level.
        """
        old = self.settings
        self.settings = settings
        if (old.limits, old.minute_s, old.extra_models) != (
            settings.limits,
            settings.minute_s,
            settings.extra_models,
        ):
            self._begin()
        if settings.capture != self.captured.maxlen:
            self.captured = deque(self.captured, maxlen=settings.capture or None)

    def new_id(self, prefix: str) -> str:
        """An id that no other object of this process has."""
        return f"{prefix}{next(self._ids):024d}"

    def keep(self, key: str, value: Any) -> None:
        """Store an object (a file, a batch, a response) under its id; old ones are dropped."""
        self.stored[key] = value
        if len(self.stored) > _STORED_LIMIT:
            self.stored.popitem(last=False)

    def lane(self, model: Model, *, counting: bool = False) -> Lane:
        """The buckets that a model draws on; `counting` for the token counting endpoint's own."""
        key = (model.dialect, model.id, counting)
        lane = self._lane_of.get(key)
        if lane is None:
            lane = self._lane_of[key] = self._find_lane(model, counting)
        return lane

    def _find_lane(self, model: Model, counting: bool) -> Lane:
        limits, name = Limits(), model.model_class
        for rule in self.settings.limits.get(model.dialect, ()):
            if fnmatchcase(model.id, rule.models) or fnmatchcase(model.model_class, rule.models):
                limits = rule.limits
                name = f"rule {rule.models}" if rule.shared else name
                break
        if counting:
            limits, name = Limits(rpm=limits.count_rpm, burst=limits.burst), "counting"
        key = (model.dialect, name)
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = Lane(
                limits,
                self.settings.minute_s,
                self.clock(),
                refused_cost_a_request=model.dialect == OPENAI,
            )
        return lane
