"""What is done to a running world, and what of the promises it excuses."""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import TypeAlias

from tests.chaos.world import REPLICAS, World

Fault: TypeAlias = Callable[["Trouble"], Awaitable[None]]


@dataclass
class Trouble:
    """Does harm by the dice.

    Attributes:
        done: Names of faults in their order, with the times of their beginning and end.
        killed: When each gateway was killed, and when it served again.
        apart: When one gateway was cut off from the store while the other was not.
        emptied: When the store lost its data.
    """

    world: World
    dice: Random
    done: list[tuple[str, float, float]] = field(default_factory=list)
    killed: list[tuple[int, float, float]] = field(default_factory=list)
    apart: list[tuple[float, float]] = field(default_factory=list)
    emptied: list[float] = field(default_factory=list)

    async def make(self, for_s: float) -> None:
        """Fault after fault, each over before the next begins."""
        end_s = time.monotonic() + for_s
        names = list(FAULTS)
        self.dice.shuffle(names)
        turn = 0
        while time.monotonic() < end_s:
            await asyncio.sleep(self.dice.uniform(0.3, 1.5))
            name = names[turn % len(names)]
            turn += 1
            began_s = time.monotonic()
            await FAULTS[name](self)
            self.done.append((name, began_s, time.monotonic()))

    def span(self, low_s: float, high_s: float) -> float:
        """Some seconds."""
        return self.dice.uniform(low_s, high_s)


async def kill_gateway(trouble: Trouble) -> None:
    """A gateway dies and is started again."""
    number = trouble.dice.randrange(REPLICAS)
    gateway, began_s = trouble.world.gateways[number], time.monotonic()
    await gateway.kill()
    await asyncio.sleep(trouble.span(0.1, 2))
    await gateway.start()
    trouble.killed.append((number, began_s, time.monotonic()))


async def restart_store(trouble: Trouble) -> None:
    """The store dies and comes back with its data."""
    store = trouble.world.store
    await store.kill()
    await asyncio.sleep(trouble.span(0.1, 5))
    await store.start()


async def restart_store_empty(trouble: Trouble) -> None:
    """The store dies and comes back without its data."""
    store = trouble.world.store
    await store.kill()
    store.empty()
    trouble.emptied.append(time.monotonic())
    await asyncio.sleep(trouble.span(0.1, 3))
    await store.start()


async def flush_store(trouble: Trouble) -> None:
    """All data and all scripts go while the store serves."""
    trouble.emptied.append(time.monotonic())
    await trouble.world.store.say("FLUSHALL")
    await trouble.world.store.say("SCRIPT", "FLUSH")


async def freeze_store(trouble: Trouble) -> None:
    """The store holds its connections and does not answer."""
    trouble.world.store.tell(signal.SIGSTOP)
    await asyncio.sleep(trouble.span(0.2, 5))
    trouble.world.store.tell(signal.SIGCONT)


async def fill_store(trouble: Trouble) -> None:
    """The store has no memory left."""
    await trouble.world.store.say("CONFIG", "SET", "maxmemory", "1")
    await asyncio.sleep(trouble.span(0.5, 3))
    await trouble.world.store.say("CONFIG", "SET", "maxmemory", "0")


async def demote_store(trouble: Trouble) -> None:
    """The store takes no writes: it is a replica of a primary that is away."""
    await trouble.world.store.say("REPLICAOF", "127.0.0.1", "1")
    await asyncio.sleep(trouble.span(0.5, 3))
    await trouble.world.store.say("REPLICAOF", "NO", "ONE")


async def cut_from_store(trouble: Trouble) -> None:
    """One gateway cannot reach the store, the other can."""
    way, began_s = trouble.dice.choice(trouble.world.ways), time.monotonic()
    way.shut = True
    way.cut()
    await asyncio.sleep(trouble.span(0.5, 4))
    way.shut = False
    trouble.apart.append((began_s, time.monotonic()))


async def stall_store(trouble: Trouble) -> None:
    """Packets to and from the store vanish."""
    for way in trouble.world.ways:
        way.stall()
    await asyncio.sleep(trouble.span(0.3, 3))
    for way in trouble.world.ways:
        way.flow()


async def slow_store(trouble: Trouble) -> None:
    """Each answer of the store takes hundreds of milliseconds, for one gateway more than for all."""
    began_s = time.monotonic()
    for way in trouble.world.ways:
        way.delay_s = trouble.span(0.02, 0.2)
    await asyncio.sleep(trouble.span(1, 3))
    for way in trouble.world.ways:
        way.delay_s = 0.0
    trouble.apart.append((began_s, time.monotonic()))


async def kill_provider(trouble: Trouble) -> None:
    """The provider dies with all calls that it answers, and comes back."""
    await trouble.world.kill_simulator()
    await asyncio.sleep(trouble.span(0.1, 1))
    await trouble.world.simulator.start()


async def cut_from_provider(trouble: Trouble) -> None:
    """Every connection to the provider breaks."""
    trouble.world.provider_way.cut()


async def slow_provider(trouble: Trouble) -> None:
    """What goes to and from the provider is late."""
    trouble.world.provider_way.delay_s = trouble.span(0.02, 0.1)
    await asyncio.sleep(trouble.span(0.5, 2))
    trouble.world.provider_way.delay_s = 0.0


FAULTS: dict[str, Fault] = {
    one.__name__: one
    for one in (
        kill_gateway,
        restart_store,
        restart_store_empty,
        flush_store,
        freeze_store,
        fill_store,
        demote_store,
        cut_from_store,
        stall_store,
        slow_store,
        kill_provider,
        cut_from_provider,
        slow_provider,
    )
}
