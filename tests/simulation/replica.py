"""A gateway process: the production admission path, and around it only what a call needs.

A process that is killed does nothing more, not even clean up: its tasks are ended while nothing
that they still do can reach anybody.
"""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.dataplane.reservation import Reservation
from gateway.domain.admission import Admitted, Charge, TicketRequest, Verdict
from gateway.domain.topology import Topology
from gateway.store.admission import RedisAdmission
from gateway.store.connection import ROOT

from .loop import SimulatedClock
from .provider import Provider, Request
from .store import StoreClient

_DRAIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Job:
    """One call as its client makes it.

    Attributes:
        request: What admission is asked for.
        truth: What the call really is.
        hangs_up_at: Output tokens after which the client leaves; 0: it stays.
    """

    request: TicketRequest
    truth: Request
    hangs_up_at: int = 0


class Calls(Protocol):
    """Who keeps the record of calls."""

    def asked(self, job: Job, replica: str) -> None:
        """A call asks for its first turn."""

    def answered(self, job: Job, verdict: Verdict, after_s: float) -> None:
        """Admission has spoken, so long after it was asked."""

    def arrived(self, job: Job) -> None:
        """The provider has accepted the call."""

    def ended(self, job: Job, output_tokens: int) -> None:
        """The call is over."""


class Replica:
    """One process."""

    def __init__(
        self, name: str, client: StoreClient, providers: dict[str, Provider], calls: Calls
    ) -> None:
        self.name = name
        self.alive = False
        self.open = False
        self._loop = asyncio.get_running_loop()
        self._providers = providers
        self._calls = calls
        self._tasks: dict[asyncio.Task[Verdict], None] = {}  # in order, unlike a set
        clock = SimulatedClock(self._loop, offset_s=1000.0 * len(name))
        self.admission = RedisAdmission(client, ROOT, name, clock)  # type: ignore[arg-type] # has what admission uses of it

    async def start(self, topology: Topology) -> None:
        """Come up."""
        await self.admission.start()
        self.alive = True
        await self.admission.configure(topology)
        self.open = self.alive

    def kill(self) -> None:
        """`kill -9`."""
        self.alive = self.open = False
        admission = self.admission
        admission._stopping = True  # no timer is set again
        admission._timers.stop()
        if admission._beat is not None:
            admission._beat.cancel()
        for task in (*admission._tasks, *self._tasks):
            task.cancel()

    async def stop(self) -> None:
        """End in good order: no new calls, time for those that run, goodbye."""
        self.open = False
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=_DRAIN_S)
        if self.alive:
            await self.admission.stop()
            self.kill()

    def run(self, job: Job) -> asyncio.Task[Verdict]:
        """Serve a call in a task that the client may cancel by leaving."""
        task = self._loop.create_task(self._serve(job))
        self._tasks[task] = None
        task.add_done_callback(lambda done: self._tasks.pop(done, None))
        return task

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something happen in this process."""
        self._loop.create_task(work)

    async def _serve(self, job: Job) -> Verdict:
        provider = self._providers[job.request.lane]
        self._calls.asked(job, self.name)
        with Reservation(self.admission, job.request) as reservation:
            while True:
                began_s = self._loop.time()
                verdict = await reservation.take()
                self._calls.answered(job, verdict, self._loop.time() - began_s)
                if not isinstance(verdict, Admitted):
                    return verdict
                if await self._attempt(job, provider, reservation):
                    return verdict

    async def _attempt(self, job: Job, provider: Provider, reservation: Reservation) -> bool:
        """As `gateway.dataplane.exchange` does it."""
        ticket, lane = job.request.ticket, job.request.lane
        reservation.sent()
        answer = await provider.send(job.truth)
        self.admission.head(ticket, lane, answer.headroom)
        if answer.refused is not None:
            self.admission.block(lane, (answer.refused.value,), answer.retry_after_s)
            return False
        self._calls.arrived(job)
        await self._relay(job, provider, reservation)
        return True

    async def _relay(self, job: Job, provider: Provider, reservation: Reservation) -> None:
        seen, held = 0, job.request.charge.output_tokens
        stream = provider.stream(job.truth)
        try:
            async for seen in stream:
                if seen > held:
                    held = seen * 5 // 4
                    self.admission.extend(job.request.ticket, job.request.lane, held)
                if 0 < job.hangs_up_at <= seen:
                    break
        finally:
            reservation.used(actual(job, seen))
            if self.alive:
                self._calls.ended(job, seen)
            await stream.aclose()


def actual(job: Job, output_tokens: int) -> Charge:
    """What a call took, in the provider's terms."""
    truth, reserved = job.truth, job.request.charge
    return Charge(
        requests=1,
        lane_input_tokens=truth.input_tokens,
        lane_output_tokens=output_tokens,
        lane_tokens=truth.on_arrival or truth.input_tokens + output_tokens,
        input_tokens=truth.input_tokens,
        output_tokens=output_tokens,
        cost_microusd=reserved.cost_microusd,
    )
