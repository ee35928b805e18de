"""What a replica looks at while the store answers, and how soon again."""

from typing import Any, cast

from gateway.core.admission import messages
from gateway.domain.admission import Charge, TicketRequest
from gateway.domain.call import Priority
from gateway.domain.limits import Budget
from gateway.domain.topology import Agent, Lane, QueueSettings, Topology
from gateway.store.admission import RedisAdmission
from gateway.store.connection import Client
from gateway.store.sight import Looking, Sight
from gateway.wiring.clock import SystemClock

MANY = 200


class Queue:
    """The configuration of many agents, and an answer to every look."""

    def __init__(self) -> None:
        agents = {f"a{n}": Agent(f"a{n}", budget=Budget(tpm=1)) for n in range(MANY)}
        agents["free"] = Agent("free")
        lanes = {"sonnet": Lane("sonnet", "claude", ("*",))}
        topology = Topology({}, lanes, {}, agents, QueueSettings(), 60.0)
        self.configured = {str(op[1]): op for op in messages.configure_all(topology)}
        self.looks: list[list[str]] = []

    async def look(self, scopes: list[str]) -> list[Any]:
        self.looks.append(scopes)
        return [{"of": scope} for scope in scopes]


class Redis:
    """A store with two replicas, whose data have a name."""

    name = b"first"
    kept_s = 0
    replicas = 2

    async def zcard(self, _: str) -> int:
        return self.replicas

    async def set(self, *_: object, **__: object) -> None:
        """It has a name already."""

    async def get(self, _: str) -> bytes:
        return self.name

    async def getex(self, *_: object, **__: object) -> bytes:
        return self.name


def sight(queue: Queue, redis: Redis) -> Sight:
    looking = Looking(scopes=20)
    clock = SystemClock()
    return Sight(cast("RedisAdmission", queue), cast("Client", redis), "gw", "r1", clock, looking)


async def test_everything_with_a_limit_has_its_turn_and_what_is_used_each_time() -> None:
    queue = Queue()
    seeing = sight(queue, Redis())
    busy = TicketRequest("t", "sonnet", "a7", None, Priority.NORMAL, 1.0, Charge(), 1.0)
    for _ in range(12):
        seeing.use.note(busy, Charge(), SystemClock().monotonic())
        await seeing.look()
        assert {"lane:sonnet", "agent:a7"} <= set(queue.looks[-1])
        assert len(queue.looks[-1]) <= 20
    assert set(seeing.seen) == {scope for scope in queue.configured if scope != "agent:free"}
    assert seeing.replicas == 2


async def test_many_replicas_look_less_often_but_for_the_return() -> None:
    redis = Redis()
    seeing = sight(Queue(), redis)
    await seeing.look()
    assert seeing.pause_s == 0.5
    redis.replicas = 32
    await seeing.look()
    assert seeing.pause_s == 2.0
    seeing.wants_back = True
    assert seeing.pause_s == 0.5


async def test_other_data_under_the_same_address_are_noticed() -> None:
    redis = Redis()
    seeing = sight(Queue(), redis)
    await seeing.look()
    await seeing.look()
    assert not seeing.emptied
    redis.name = b"second"
    await seeing.look()
    assert seeing.emptied


async def test_the_name_of_the_data_is_kept_for_as_long_as_somebody_looks(store: Client) -> None:
    """A name that ran out would make a store that lost nothing look like an empty one."""
    looking = Looking(scopes=20)
    seeing = Sight(cast("RedisAdmission", Queue()), store, "gw", "r1", SystemClock(), looking)
    await seeing.look()
    await store.expire("gw:era", 10)
    await seeing.look()
    assert await store.ttl("gw:era") > 30 * 86_400


async def test_data_that_are_lost_during_a_look_are_others_until_the_queue_has_said_hello() -> None:
    """Else the queue would not tell them what was used before it lets anybody through."""
    redis, queue = Redis(), Queue()
    seeing = sight(queue, redis)
    await seeing.look()
    look = queue.look

    async def lose(scopes: list[str]) -> list[Any]:
        found = await look(scopes)
        redis.name = b"second"
        return found

    queue.look = lose  # type: ignore[method-assign] # the data go right after the queue's answer
    found = []
    for _ in range(2):
        await seeing.look()
        found.append((seeing.emptied, await seeing.is_another()))
    assert found == [(False, True), (True, False)]
