"""What must hold whatever was done: nothing leaks, budgets hold, calls end, accounts agree."""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.core.admission.snapshot import LaneSnapshot
from gateway.store.admission import RedisAdmission
from gateway.store.connection import ROOT, Client, connect
from gateway.wiring.clock import SystemClock
from tests.chaos.faults import Trouble
from tests.chaos.fleet import AT_ONCE, LONGEST, SHORTEST, Call, End
from tests.chaos.world import AGENTS, BUDGET_TPM, MINUTE_S, REPLICAS, World

ERROR = AT_ONCE * (LONGEST - SHORTEST)
"""By how much the estimates of an agent's calls in flight can be too low together."""
_QUIET_LIMIT_S = 15.0
_LATE_S = 0.7
"""A call may reach the provider so much later than it was admitted, or its end be known."""
_UNWRITTEN_S = 1.5
"""What a killed gateway has served so shortly before may be missing in its log."""


@dataclass
class Findings:
    """The figures of one run.

    Attributes:
        lost: Calls that ended without an answer or a typed error, and nobody had killed their
            gateway.
        leaked: Tickets, reservations and waiting calls that are left in the store.
        overshoot: The most by which a budget was exceeded in any sliding minute, in tokens, while
            every gateway could know what the others used.
        overshoot_apart: The same in minutes in which one was cut off, or knowledge was lost twice.
        differing: Finished calls of which client, provider and gateway do not say the same.
        unwritten: Finished calls whose gateway was killed before it wrote its log.
    """

    faults: Counter[str]
    ends: Counter[str]
    errors: Counter[str]
    lost: list[Call]
    leaked: list[str]
    overshoot: int
    overshoot_apart: int
    differing: list[str]
    unwritten: int

    @property
    def good(self) -> bool:
        """Whether every promise was kept."""
        share = BUDGET_TPM // REPLICAS
        held = self.overshoot <= ERROR and self.overshoot_apart <= share + ERROR
        return held and not (self.lost or self.leaked or self.differing)

    def __str__(self) -> str:
        """One line."""
        return (
            f"{sum(self.faults.values()):3} faults, {sum(self.ends.values()):5} calls "
            f"({self.ends['whole']} whole, {self.ends['typed']} refused or failed, "
            f"{self.ends['left']} left, {self.ends['cut']} cut), {len(self.lost)} lost, "
            f"{len(self.leaked)} leaked, overshoot {max(0, self.overshoot)} tokens "
            f"({max(0, self.overshoot_apart)} apart), {len(self.differing)} differing, "
            f"{self.unwritten} unwritten"
        )


async def examine(world: World, trouble: Trouble, calls: list[Call]) -> Findings:
    """Look at everything, once the fleet has ended."""
    leaked = await _leaks(world)
    await world.read_log()
    for gateway in world.gateways:  # they write the rest of their logs
        await gateway.stop()
    inner, outer = overshoot(world.log, trouble, _unseen(calls))
    differing, unwritten = differences(world.access_lines(), world.log, trouble, calls)
    return Findings(
        faults=Counter(name for name, _, _ in trouble.done),
        ends=Counter(call.end.value for call in calls),
        errors=Counter(call.error for call in calls if call.error),
        lost=lost(calls, trouble),
        leaked=leaked,
        overshoot=inner,
        overshoot_apart=outer,
        differing=differing,
        unwritten=unwritten,
    )


# --- nothing leaks ------------------------------------------------------------------------------


async def _leaks(world: World) -> list[str]:
    redis = await connect(f"redis://127.0.0.1:{world.store.port}")
    books = RedisAdmission(redis, ROOT, "examiner", SystemClock())
    await books.start()
    try:
        deadline_s = asyncio.get_running_loop().time() + _QUIET_LIMIT_S
        while found := [one async for one in left(redis, books)]:
            if asyncio.get_running_loop().time() > deadline_s:
                return found
            await asyncio.sleep(0.1)
        return []
    finally:
        await books.stop()
        await redis.aclose()


async def left(redis: Client, books: RedisAdmission) -> AsyncIterator[str]:
    """What is in the store though no call runs or waits."""
    async for key in redis.scan_iter(f"{ROOT}:ticket:*"):
        yield f"ticket {key.decode()}"
    lane: LaneSnapshot = await books.inspect_lane("sonnet")
    if lane.in_flight or any(lane.held) or any(lane.waiting):
        yield f"lane: {lane.in_flight} in flight, held {lane.held}, waiting {lane.waiting}"
    if lane.ledger[0] != [sum(row) for row in zip(*lane.ledger[1:], strict=True)]:
        yield f"the ledger of the lane: {lane.ledger}"
    for agent in AGENTS:
        budget = await books.inspect_agent(agent)
        if budget.in_flight or budget.held_input or budget.held_output or budget.parked_groups:
            yield f"budget of {agent}: {budget.in_flight} in flight, {budget.held_output} held"


# --- budgets hold -------------------------------------------------------------------------------


def _unseen(calls: list[Call]) -> set[str]:
    """Calls whose end no gateway saw: what they had put out by then nobody could count."""
    return {call.name for call in calls if call.end is End.CUT}


def overshoot(log: list[dict[str, Any]], trouble: Trouble, unseen: set[str]) -> tuple[int, int]:
    """The most by which a budget was exceeded: otherwise, and in what is told apart."""
    excused = list(_excused(trouble))
    inner = outer = -BUDGET_TPM
    for agent in AGENTS:
        seen: list[tuple[float, int]] = []
        for one in log:
            name = one["client"]
            if name.split("/")[0] == agent:
                seen.append((one["started_s"], one["input_tokens"]))
                if name not in unseen:
                    seen.append((one["ended_s"], one["output_tokens"]))
        for from_s, to_s, total in _windows(sorted(seen)):
            over = total - BUDGET_TPM
            if any(from_s < end_s and to_s > begin_s for begin_s, end_s in excused):
                outer = max(outer, over)
            else:
                inner = max(inner, over)
    return inner, outer


def _windows(seen: list[tuple[float, int]]) -> Iterator[tuple[float, float, int]]:
    window: deque[tuple[float, int]] = deque()
    total = 0
    for at_s, amount in seen:
        window.append((at_s, amount))
        total += amount
        while window[0][0] <= at_s - MINUTE_S + _LATE_S:
            total -= window.popleft()[1]
        yield window[0][0], at_s, total


def _excused(trouble: Trouble) -> Iterator[tuple[float, float]]:
    """When one gateway could not know what another used."""
    for began_s, ended_s in trouble.apart:
        yield began_s, ended_s + 3.0
    for _, killed_s, back_s in trouble.killed:
        for lost_s in trouble.emptied:
            if killed_s - MINUTE_S < lost_s < back_s + MINUTE_S:
                yield min(killed_s, lost_s), max(back_s, lost_s) + 3.0


# --- calls end, and accounts agree --------------------------------------------------------------


def _was_killed(call: Call, trouble: Trouble) -> bool:
    return any(
        number == call.replica and call.began_s < back_s and call.ended_s > killed_s
        for number, killed_s, back_s in trouble.killed
    )


def lost(calls: list[Call], trouble: Trouble) -> list[Call]:
    """Calls without an end that had no reason to be."""
    return [call for call in calls if call.end is End.CUT and not _was_killed(call, trouble)]


def differences(
    lines: Mapping[str, dict[str, Any]],
    log: list[dict[str, Any]],
    trouble: Trouble,
    calls: list[Call],
) -> tuple[list[str], int]:
    """Finished calls that are not the same to client, gateway and provider; and lines that died."""
    whole = {one["client"]: one for one in log if one["whole"]}
    found, unwritten = [], 0
    for call in calls:
        if call.end is not End.WHOLE:
            continue
        line, one = lines.get(call.request_id), whole.get(call.name)
        if line is None and _died_with_its_line(call, trouble):
            unwritten += 1
            continue
        told = None if line is None else (line["input_tokens"], line["output_tokens"])
        seen = None if one is None else (one["input_tokens"], one["output_tokens"])
        if told != call.usage or (seen is not None and seen != call.usage):
            kills = [
                round(call.ended_s - at_s, 2) for n, at_s, _ in trouble.killed if n == call.replica
            ]
            found.append(
                f"{call.name}: client {call.usage}, gateway {told}, provider {seen}; its gateway "
                f"was killed {kills} s before"
            )
    return found, unwritten


def _died_with_its_line(call: Call, trouble: Trouble) -> bool:
    return any(
        number == call.replica and call.ended_s < killed_s + _UNWRITTEN_S
        for number, killed_s, _ in trouble.killed
        if killed_s - call.ended_s < _UNWRITTEN_S
    )
