"""What goes wrong, and how it is made good again."""

import asyncio
import random
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from typing import Protocol

from gateway.domain.limits import Budget
from gateway.domain.topology import Topology

from .network import Network, Weather
from .record import Record
from .replica import Replica
from .scenario import Fault
from .store import StoreServer

_LONGEST_AGE_S = 5.0
_US = 1_000_000


class Ground(Protocol):
    """What can be harmed."""

    network: Network
    store: StoreServer
    record: Record
    replicas: list[Replica]
    topology: Topology

    async def start_replica(self) -> None:
        """One more."""

    async def edit(self, agent: str, budget: Budget) -> None:
        """Change an agent's budget everywhere."""


class Faults:
    """Makes them happen at their times."""

    def __init__(self, ground: Ground, rng: random.Random) -> None:
        self._ground = ground
        self._rng = rng
        self._store_busy = False
        self._kinds: dict[str, Callable[[Fault], Coroutine[None, None, None]]] = {
            "kill": self._kill,
            "stop": self._stop,
            "partition": self._partition,
            "store_pause": self._store_pause,
            "store_kept": self._store_restart,
            "store_old": self._store_restart,
            "store_empty": self._store_restart,
            "clock": self._clock,
            "flaky": self._flaky,
            "slow": self._slow,
            "edit": self._edit,
            "halt_lane": self._halt_lane,
        }

    async def happen(self, faults: Sequence[Fault], end_s: float) -> None:
        """All of them; everything is whole again at the end."""
        loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(max(0.0, fault.at_s - loop.time()))
                group.create_task(self._kinds[fault.kind](fault))
        self._ground.network.weather = Weather()
        await asyncio.sleep(max(0.0, end_s - loop.time()))

    def _note(self, fault: Fault) -> None:
        self._ground.record.fault(fault.kind)

    def _victim(self) -> Replica | None:
        alive = [replica for replica in self._ground.replicas if replica.open]
        return self._rng.choice(alive) if alive else None

    async def _kill(self, fault: Fault) -> None:
        victim = self._victim()
        if victim is not None:
            self._note(fault)
            victim.kill()
            self._ground.replicas.remove(victim)
            await asyncio.sleep(fault.for_s)
            await self._ground.start_replica()

    async def _stop(self, fault: Fault) -> None:
        victim = self._victim()
        if victim is not None:
            self._note(fault)
            await victim.stop()
            self._ground.replicas.remove(victim)
            await self._ground.start_replica()

    async def _partition(self, fault: Fault) -> None:
        victim, cut_off = self._victim(), self._ground.network.cut_off
        if victim is not None and victim.name not in cut_off:
            self._note(fault)
            cut_off.add(victim.name)
            await asyncio.sleep(fault.for_s)
            cut_off.discard(victim.name)

    async def _store_pause(self, fault: Fault) -> None:
        if not self._store_busy:
            self._note(fault)
            self._store_busy = True
            self._ground.store.pause()
            await asyncio.sleep(fault.for_s)
            self._ground.store.go_on()
            self._store_busy = False

    async def _store_restart(self, fault: Fault) -> None:
        """Kept, some seconds old, or empty."""
        if self._store_busy:
            return
        store, how = self._ground.store, fault.kind.removeprefix("store_")
        self._store_busy = True
        if how == "old":
            store.save()
            await asyncio.sleep(fault.amount * _LONGEST_AGE_S)
        self._note(fault)
        store.crash()
        await asyncio.sleep(fault.for_s)
        store.come_back(how)
        self._store_busy = False

    async def _clock(self, fault: Fault) -> None:
        """As when another node takes over."""
        self._note(fault)
        by_s = 2.0 * fault.amount - 1.0
        self._ground.store.shift_us += int(by_s * _US)
        self._ground.record.shifts.append((asyncio.get_running_loop().time(), by_s))

    async def _flaky(self, fault: Fault) -> None:
        self._note(fault)
        share = 0.1 * fault.amount
        network = self._ground.network
        network.weather = Weather(0.02, share, share, share, share)
        await asyncio.sleep(2.0 * fault.for_s)
        network.weather = Weather()

    async def _slow(self, fault: Fault) -> None:
        self._note(fault)
        self._ground.network.weather = Weather(delay_s=fault.amount)
        await asyncio.sleep(2.0 * fault.for_s)
        self._ground.network.weather = Weather()

    async def _edit(self, fault: Fault) -> None:
        agents = list(self._ground.topology.agents.values())
        agent = self._rng.choice([agent for agent in agents if agent.budget != Budget()] or agents)
        self._note(fault)
        old, factor = agent.budget, 0.5 + fault.amount
        tpm = None if old.tpm is None else max(7_000, int(old.tpm * factor))
        rpm = None if old.rpm is None else max(1, int(old.rpm * factor))
        await self._ground.edit(agent.name, replace(old, tpm=tpm, rpm=rpm))

    async def _halt_lane(self, fault: Fault) -> None:
        """An operator pauses a lane, and lets it go on."""
        lane = self._rng.choice(list(self._ground.topology.lanes))
        victim = self._victim()
        if victim is None:
            return
        self._note(fault)
        victim.admission.pause(lane)
        await asyncio.sleep(fault.for_s)
        for replica in self._ground.replicas:
            replica.admission.resume(lane)
