"""Many callers on several replicas, who come, wait, go away and end as they like: nothing is left."""

import asyncio
import contextlib
import random

from gateway.domain.admission import Admitted, Settlement
from gateway.domain.limits import Budget
from gateway.store.admission import RedisAdmission
from gateway.store.connection import connect
from tests.store.admitting import LANE, admitted, charge, replica, request, topology

_CALLS = 120
_AT_ONCE = 5


async def test_nothing_is_left_after_a_storm(store_url: str) -> None:
    dice = random.Random(7)
    client = await connect(store_url)
    of = topology(Budget(concurrency=4), concurrency=_AT_ONCE)
    running = most = 0

    async def caller(admission: RedisAdmission, ticket: str, agent: str) -> object:
        nonlocal running, most
        verdict = await admission.admit(request(ticket, agent=agent, wait_s=20))
        if not isinstance(verdict, Admitted):
            return verdict
        running += 1
        most = max(most, running)
        try:
            await asyncio.sleep(dice.random() * 0.01)  # the call itself
        finally:
            running -= 1
            admission.settle(Settlement(ticket, LANE, charge(dice.randrange(200))))
        return verdict

    async with (
        replica(client, "r1", of=of) as one,
        replica(client, "r2", of=of) as two,
        replica(client, "r3", of=of) as three,
    ):
        calls = [
            asyncio.ensure_future(caller(each, f"{number}-{index}", dice.choice(["ann", "bob"])))
            for number in range(_CALLS // 3)
            for index, each in enumerate((one, two, three))
        ]
        for call in dice.sample(calls, _CALLS // 4):
            await asyncio.sleep(0)
            call.cancel()
        ended = []
        for call in calls:
            with contextlib.suppress(asyncio.CancelledError):
                ended.append(await call)
        assert most <= _AT_ONCE
        assert admitted(ended) == len(ended)  # type: ignore[arg-type] # verdicts
        for each in (one, two, three):
            await each.inspect_lane(LANE)  # its last settlement went ahead of this
        lane = await one.inspect_lane(LANE, queue=True)
        assert (lane.in_flight, lane.held, lane.waiting, lane.queue) == (0, [0] * 4, [0] * 3, [])
        assert lane.ledger[0] == [sum(row) for row in zip(*lane.ledger[1:], lane.held, strict=True)]
        for agent in ("ann", "bob"):
            budget = await one.inspect_agent(agent)
            assert (budget.in_flight, budget.held_input, budget.parked_groups) == (0, 0, 0)
    keys = {bytes(key).decode() for key in await client.keys("*")}  # type: ignore[arg-type] # bytes
    left = {key.rsplit("}:", 1)[1].split(":", 1)[0] for key in keys}
    of_tickets = {"ticket", "queue", "active", "parked", "soft", "wake", "groups", "out"}
    assert not left & (of_tickets | {"replica", "replicas"})
    await client.aclose()
