"""The queue of a worker, and what stands in for it while the store is lost."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.config import Settings
from gateway.config.settings import OnStoreLoss
from gateway.core.admission.stamps import Stamps
from gateway.domain.topology import Topology
from gateway.ports import Admission, Clock
from gateway.store.admission import AdmissionSettings, RedisAdmission
from gateway.store.connection import ROOT, Client
from gateway.store.fallback import FallbackAdmission
from gateway.telemetry.metrics import Metrics

from .pages import Readiness

_REFUSING_AFTER_S = 1.0
"""How long a new call waits for a lost store before it is refused, where nothing stands in."""


@dataclass(frozen=True, slots=True)
class Admitting:
    """What admits the calls of a worker.

    Attributes:
        port: For the data plane.
        queue: The store's.
        fallback: Stands in for it; `None`: calls are refused while the store is lost.
    """

    port: Admission
    queue: RedisAdmission
    fallback: FallbackAdmission | None = None

    async def configure(self, topology: Topology, stamps: Stamps) -> None:
        """Put the limits of a topology in force, for everything that waits as well."""
        if self.fallback is not None:
            await self.fallback.configure(topology, stamps)
        else:
            await self.queue.configure(topology, stamps)

    @property
    def alone(self) -> bool:
        """Whether this worker admits by its own share of the limits."""
        return self.fallback is not None and self.fallback.degraded is not None

    async def readiness(self) -> Readiness:
        """Whether calls can be admitted."""
        if self.fallback is not None:
            return Readiness(admits=True, note=self.fallback.degraded or "")
        if self.queue.store_up:
            return Readiness(admits=True)
        return Readiness(admits=False, note="the store does not answer")


@asynccontextmanager
async def admitting(
    settings: Settings,
    redis: Client,
    replica: str,
    clock: Clock,
    metrics: Metrics,
    chance: Callable[[], float],
) -> AsyncIterator[Admitting]:
    """Admission with the limits of a configuration, for as long as the context is open."""
    refusing = settings.state.on_store_loss is OnStoreLoss.REFUSE
    times = AdmissionSettings(patience_s=_REFUSING_AFTER_S) if refusing else AdmissionSettings()
    queue = RedisAdmission(redis, ROOT, replica, clock, times, took=metrics.store_took)
    await queue.start()
    try:
        if refusing:
            await queue.configure(settings.topology)
            yield Admitting(queue, queue)
            return
        fallback = FallbackAdmission(queue, redis, ROOT, replica, clock, chance=chance)
        await fallback.configure(settings.topology)
        async with fallback:
            yield Admitting(fallback, queue, fallback)
    finally:
        await queue.stop()
