"""Replicas of the admission queue for tests: short leases, short words."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from gateway.domain.admission import Admitted, Charge, Settlement, TicketRequest, Verdict
from gateway.domain.call import Priority
from gateway.domain.limits import Budget, LaneLimits
from gateway.domain.topology import Agent, Lane, QueueSettings, Team, Topology
from gateway.store.admission import AdmissionSettings, RedisAdmission
from gateway.store.background import pause
from gateway.store.connection import ROOT, Client
from gateway.wiring.clock import SystemClock

LANE = "sonnet"
QUICK = AdmissionSettings(lease_s=0.6, beat_s=0.1, patience_s=0.3, backup_s=0.05, goodbye_s=0.5)


def charge(tokens: int = 100) -> Charge:
    """A call of so many input tokens."""
    return Charge(1, tokens, 0, tokens, tokens, 0, 10)


def request(
    ticket: str,
    *,
    agent: str = "ann",
    lane: str = LANE,
    tokens: int = 100,
    wait_s: float = 10.0,
    retry_of: str = "",
    is_retry: bool = False,
) -> TicketRequest:
    """A ticket of one of the agents."""
    return TicketRequest(
        ticket,
        lane,
        agent,
        "red",
        Priority.NORMAL,
        1.0,
        charge(tokens),
        wait_s,
        retry_of,
        is_retry,
    )


def topology(budget: Budget = Budget(), minute_s: float = 60.0, **limits: int) -> Topology:
    """One lane with these limits and no margin; every agent has this budget."""
    lane = Lane(LANE, "claude", ("*",), LaneLimits(**limits), margin=0.0, floors={})
    agents = {name: Agent(name, "red", budget=budget) for name in ("ann", "bob")}
    return Topology({}, {LANE: lane}, {"red": Team("red")}, agents, QueueSettings(), minute_s)


def ended(ticket: str, tokens: int = 100) -> Settlement:
    """The end of a call that used so many tokens."""
    return Settlement(ticket, LANE, charge(tokens))


@asynccontextmanager
async def replica(
    client: Client,
    name: str,
    settings: AdmissionSettings = QUICK,
    of: Topology | None = None,
) -> AsyncIterator[RedisAdmission]:
    """A running replica, configured if a topology is given."""
    admission = RedisAdmission(client, ROOT, name, SystemClock(), settings)
    await admission.start()
    try:
        if of is not None:
            await admission.configure(of)
        yield admission
    finally:
        await admission.stop()


def admitted(verdicts: list[Verdict]) -> int:
    """How many were admitted."""
    return sum(isinstance(verdict, Admitted) for verdict in verdicts)


async def until(
    done: Callable[[], Awaitable[bool]], what: str, limit_s: float = 5.0, every_s: float = 0.005
) -> None:
    """Poll until `done` holds; fail with `what` after the limit."""
    deadline_s = time.monotonic() + limit_s
    while not await done():
        assert time.monotonic() < deadline_s, f"waited in vain for {what}"
        await pause(every_s)


async def waiting(admission: RedisAdmission, count: int) -> None:
    """Wait until so many tickets are in the queue."""

    async def right() -> bool:
        return sum((await admission.inspect_lane(LANE)).waiting) == count

    await until(right, f"{count} tickets to wait")


async def store_is(admission: RedisAdmission, *, up: bool) -> None:
    """Wait until the replica has noticed how the store is."""

    async def right() -> bool:
        return admission.store_up == up

    await until(right, f"store_up to be {up}")
