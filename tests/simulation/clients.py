"""Agents: when they call, how long they have patience, and whether they try again."""

import asyncio
import random
from collections.abc import Iterator
from itertools import count
from typing import Protocol

from gateway.domain.admission import Admitted, Charge, TicketRequest, Verdict
from gateway.domain.outcome import Refusal
from gateway.domain.topology import Agent

from .provider import OPENAI, Request
from .replica import Job, Replica
from .scenario import Habits

_TRIES = 3
_NO_GATEWAY_S = 0.5


class Ground(Protocol):
    """Where agents live."""

    calling: bool
    """Whether they still begin calls."""

    def a_replica(self, rng: random.Random) -> Replica | None:
        """One that takes calls, as a load balancer would choose."""

    def dialect_of(self, lane: str) -> str:
        """The dialect of a lane's provider."""

    def agent(self, name: str) -> Agent:
        """As the topology in force knows it."""


class Client:
    """One agent."""

    def __init__(self, habits: Habits, ground: Ground, seed: int) -> None:
        self._habits = habits
        self._ground = ground
        self._rng = random.Random(f"{seed}:{habits.agent}")
        self._numbers: Iterator[int] = count(1)
        self.open: dict[asyncio.Task[None], None] = {}

    @property
    def sleeps(self) -> bool:
        """Its life has nothing to wait for but the next call; the calls are in `open`."""
        return self._habits.workers == 0

    async def live(self) -> None:
        """Call, until nobody calls any more."""
        habits, rng = self._habits, self._rng
        if habits.workers:
            async with asyncio.TaskGroup() as group:
                for _ in range(habits.workers):
                    group.create_task(self._work())
            return
        while self._ground.calling:
            await asyncio.sleep(rng.expovariate(habits.per_minute / habits.burst / 60.0))
            for _ in range(rng.randint(1, 2 * habits.burst - 1)):
                self._begin()

    async def _work(self) -> None:
        while self._ground.calling:
            await self._call()

    def _begin(self) -> None:
        if self._ground.calling:
            task = asyncio.get_running_loop().create_task(self._call())
            self.open[task] = None
            task.add_done_callback(lambda done: self.open.pop(done, None))

    async def _call(self) -> None:
        """One call, tried again as an SDK does."""
        number, rng = next(self._numbers), self._rng
        truth, charge = self._size(f"{self._habits.agent}/{number}")
        for attempt in range(_TRIES):
            replica = self._ground.a_replica(rng)
            if replica is None:
                await asyncio.sleep(_NO_GATEWAY_S)
                continue
            verdict = await self._try(replica, self._job(truth, charge, attempt))
            if isinstance(verdict, Admitted) or not self._ground.calling:
                return
            pause_s = 0.1
            if isinstance(verdict, Refusal):
                pause_s = min(verdict.retry_after_s or 2.0, 8.0)
            await asyncio.sleep(pause_s * rng.uniform(0.75, 1.25))

    async def _try(self, replica: Replica, job: Job) -> Verdict | None:
        """`None`: the connection broke, or the client left."""
        habits, rng = self._habits, self._rng
        patience_s = habits.max_wait_s + 3600.0
        if rng.random() < habits.gives_up:
            patience_s = rng.uniform(0.01, 15.0)
        task = replica.run(job)
        await asyncio.wait([task], timeout=patience_s)
        task.cancel()
        try:
            return await task
        except asyncio.CancelledError:
            return None

    def _size(self, name: str) -> tuple[Request, Charge]:
        habits, rng = self._habits, self._rng
        guess_in, guess_out = rng.randint(*habits.input_tokens), rng.randint(*habits.output_tokens)
        real_in = int(guess_in * rng.uniform(1 - habits.error, 1 + habits.error))
        real_out = int(guess_out * rng.uniform(0.3, habits.growth))
        on_arrival = 0
        if self._ground.dialect_of(habits.lane) == OPENAI:
            on_arrival = max(2 * guess_out, guess_in)
        charge = Charge(
            requests=1,
            lane_input_tokens=guess_in,
            lane_output_tokens=guess_out,
            lane_tokens=on_arrival or guess_in + guess_out,
            input_tokens=guess_in,
            output_tokens=guess_out,
            cost_microusd=3 * guess_in + 15 * guess_out,
        )
        return Request(name, real_in, real_out, on_arrival), charge

    def _job(self, truth: Request, charge: Charge, attempt: int) -> Job:
        habits, rng = self._habits, self._rng
        agent = self._ground.agent(habits.agent)
        hangs_up_at = 0
        if rng.random() < habits.hangs_up and truth.output_tokens > 1:
            hangs_up_at = rng.randrange(1, truth.output_tokens)
        ticket = f"{truth.ticket}.{attempt}"
        request = TicketRequest(
            ticket=ticket,
            lane=habits.lane,
            agent=agent.name,
            team=agent.team,
            priority=habits.priority,
            weight=agent.weight,
            charge=charge,
            max_wait_s=habits.max_wait_s,
            retry_of=truth.ticket,
            is_retry=attempt > 0,
        )
        return Job(
            request,
            Request(ticket, truth.input_tokens, truth.output_tokens, truth.on_arrival),
            hangs_up_at,
        )
