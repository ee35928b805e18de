"""Lanes: token buckets on the provider's terms, and their correction by what the provider says.

A bucket holds `limit * (1 - margin)` and refills by as much in a minute, continuously. Admission
takes the reservation out of it, settlement gives back what was not used, so that what is in the
bucket is what the provider certainly still grants. Its level may go below zero by corrections.

Correction. The provider's `remaining` must lie between our level and our level plus what is held
by calls in flight, since the provider may not have counted these yet; it may have counted when
the call arrived or when it answered, so both moments are compared. Below: somebody else uses the
account, and the level follows at once. Above, beyond what is held: the level follows too, except
while a block or a ramp is in force. A figure that comes long after the arrival cannot be that of the arrival
alone: what refilled since then, but for the last ten seconds, is expected in it.

Strangers. Who else uses the account takes what we believe to be there between two answers that
would tell of it. The largest correction downwards is remembered, fades over minutes, and is left
in the bucket by all but urgent calls, like a floor. A 429 says that it was not enough. What a settlement explains as an estimate of
our own that was too low is no stranger's.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from . import ramp
from .state import DIMENSION_NAMES, EPSILON, FOREVER, LaneState, Ticket

WHOLE_LANE = 5
"""Stands for no dimension but the lane, in blocks."""
STRANGERS_FADE = 5
"""In so many minutes, what is kept for strangers is halved if nothing more is heard of them."""
STRANGERS_STEP = 0.05
"""Of a bucket is kept in addition after each 429: what was kept was not enough."""
STRANGERS_MOST = 0.25
"""Of a bucket may be kept for strangers at most."""
FILLED_AGAIN = 0.1
"""Of a bucket, after the store has lost what it knew: the provider's is hardly full then. Its next
answer corrects that."""
ARRIVAL_KEPT = 6
"""For this part of a minute, a provider's figure may be the one of a call's arrival."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What keeps a charge back.

    Attributes:
        wait_us: Until it fits by time alone; below zero: until something is given back.
        blocked: Whether the provider or an operator has stopped the lane.
        kept: It would fit, but for what its band must leave to the bands above.
    """

    dimension: str
    wait_us: int
    blocked: bool = False
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Outgrown:
    """A limit that can never be met."""

    dimension: str
    need: int
    allowed: int


def shape(lane: LaneState) -> None:
    """Derive limit in force, bucket size and refill per microsecond."""
    for d in range(4):
        configured, learned = lane.limits[d], lane.learned[d]
        limit = configured
        if configured < 0 or 0 <= learned < configured:
            limit = learned
        lane.limit[d] = limit
        lane.capacity[d] = -1 if limit < 0 else limit * (1 - lane.margin)
        lane.rate[d] = lane.capacity[d] / lane.minute_us


def refill(lane: LaneState, now_us: int) -> None:
    """Bring the buckets up to now; a clock that went back refills nothing."""
    passed = now_us - lane.at_us
    ramp.advance(lane, now_us)
    if passed > 0:
        for d in range(4):
            top = lane.capacity[d] * lane.pace
            if lane.capacity[d] >= 0 and lane.level[d] != top:
                level = lane.level[d] + passed * lane.rate[d] * lane.pace
                lane.level[d] = min(top, level)
            faded = lane.strangers[d] / (1 + passed / (STRANGERS_FADE * lane.minute_us))
            lane.strangers[d] = faded if faded >= 1 else 0
    lane.at_us = now_us


def reshape(lane: LaneState, change: Callable[[], None], filled: float = 1) -> None:
    """Change limits; what is used stays used. A new limit starts with so much of a full bucket."""
    before = list(lane.capacity)
    change()
    shape(lane)
    for d in range(4):
        capacity, old = lane.capacity[d], before[d]
        if capacity != old and capacity >= 0:
            level = lane.level[d] + capacity - old if old >= 0 else capacity * filled - lane.held[d]
            lane.level[d] = min(capacity, level)
    if lane.capacity != before:
        lane.epoch += 1


def headroom_of(lane: LaneState, d: int, band: int) -> float:
    """What a band must leave in a bucket: its floor, and what strangers may have taken unseen."""
    return lane.floors[band - 1] * lane.capacity[d] + (lane.strangers[d] if band > 1 else 0)


def need_of(lane: LaneState, d: int, charge: float, band: int) -> float:
    """The level that lets a charge through; never more than a full bucket."""
    return min(charge + headroom_of(lane, d, band), lane.capacity[d])


def saturated(lane: LaneState, band: int) -> str:
    """The first dimension of which a band may use nothing more for now; empty if there is none."""
    for d in range(4):
        if lane.capacity[d] > 0 and lane.level[d] <= headroom_of(lane, d, band):
            return DIMENSION_NAMES[d]
    return ""


def binds(lane: LaneState, charge: Sequence[int], band: int, now_us: int) -> Binding | None:
    """What keeps a charge back now, if it leaves what calls of this band must leave."""
    if lane.paused:
        return Binding("rpm", -1, blocked=True)
    dimension, wait, blocked, kept = "", -1, False, False
    if lane.blocked_us[4] > now_us:
        dimension, wait, blocked = "rpm", lane.blocked_us[4] - now_us, True
    for d in range(4):
        if charge[d] <= 0:
            continue
        blocked = blocked or lane.blocked_us[d] > now_us
        time = max(lane.blocked_us[d] - now_us, _time_to_fit(lane, d, charge[d], band))
        if time > max(wait, 0):
            dimension, wait, kept = DIMENSION_NAMES[d], time, charge[d] <= lane.level[d]
    if dimension:
        return Binding(dimension, wait, blocked, kept and not blocked)
    if 0 <= lane.concurrency <= lane.in_flight:
        return Binding("concurrency", -1)
    return None


def _time_to_fit(lane: LaneState, d: int, charge: int, band: int) -> int:
    """Microseconds until the bucket has enough; 0 if it has."""
    if lane.capacity[d] < 0:
        return 0
    missing = need_of(lane, d, charge, band) - lane.level[d]
    if missing <= EPSILON:
        return 0
    return math.ceil(missing / (lane.rate[d] * lane.pace)) + 1 if lane.capacity[d] > 0 else FOREVER


def outgrown(lane: LaneState, charge: Sequence[int]) -> Outgrown | None:
    """The first limit that the charge alone is larger than."""
    for d in range(4):
        if 0 <= lane.limit[d] < charge[d]:
            return Outgrown(DIMENSION_NAMES[d], charge[d], lane.limit[d])
    return Outgrown("concurrency", 1, 0) if lane.concurrency == 0 else None


def take(lane: LaneState, charge: Sequence[int]) -> None:
    """Reserve a charge."""
    for d in range(4):
        _reserve(lane, d, charge[d])
    lane.in_flight += 1
    lane.used_us = lane.at_us


def grow(lane: LaneState, charge: list[int], more: Sequence[int]) -> None:
    """A reservation grows to at least `more`; `charge` is changed in place."""
    for d in range(4):
        if more[d] > charge[d]:
            _reserve(lane, d, more[d] - charge[d])
            charge[d] = more[d]


def _reserve(lane: LaneState, d: int, amount: int) -> None:
    if lane.capacity[d] >= 0:
        lane.level[d] -= amount
    lane.held[d] += amount
    lane.ledger.reserved[d] += amount


def mean(old: float, value: float) -> float:
    """A running mean that starts with its first value."""
    return value if old == 0 else old + (value - old) / 8


def settle(
    lane: LaneState, charge: Sequence[int], actual: Sequence[int], holding_us: float
) -> None:
    """Replace a reservation by the actual use.

    What a correction has already taken on behalf of calls in flight is not taken a second time.
    """
    for d in range(4):
        lane.ledger.move(d, charge[d], actual[d])
        lane.held[d] -= charge[d]
        if lane.capacity[d] >= 0:
            back: float = charge[d] - actual[d]
            if back < 0:
                known = min(lane.pending[d], -back)
                lane.pending[d] -= known
                lane.strangers[d] = max(0, lane.strangers[d] - known)
                back += known
            lane.level[d] = min(lane.capacity[d], lane.level[d] + back)
        lane.pending[d] = min(lane.pending[d], lane.held[d])
    lane.in_flight -= 1
    lane.used_us = lane.at_us
    lane.holding_us = mean(lane.holding_us, holding_us)


def expire(lane: LaneState, charge: Sequence[int]) -> None:
    """A dead replica's call: the provider did get it, so it stays charged."""
    for d in range(4):
        lane.ledger.expired[d] += charge[d]
        lane.held[d] -= charge[d]
        lane.pending[d] = min(lane.pending[d], lane.held[d])
    lane.in_flight -= 1
    lane.used_us = lane.at_us


def hear(lane: LaneState, ticket: Ticket | None, seen: Sequence[Sequence[int]]) -> None:
    """What a provider's answer said: dimension, limit, remaining, granularity, and so on."""
    for number, limit, _, _ in seen:
        if limit >= 0 and limit != lane.learned[number - 1]:
            reshape(lane, partial(lane.learned.__setitem__, number - 1, limit))
    for number, _, remaining, granularity in seen:
        if remaining >= 0:
            correct(lane, ticket, number - 1, remaining, granularity)


def correct(
    lane: LaneState, ticket: Ticket | None, d: int, remaining: int, granularity: int
) -> None:
    """The provider says what is left of one dimension, in the answer to a ticket's call."""
    capacity = lane.capacity[d]
    if capacity < 0:
        return
    spare = lane.limit[d] - capacity
    lower, upper = _plausible(lane, ticket, d)
    theirs = remaining - spare
    off = 0.0
    if theirs + granularity / 2 < lower:
        off = theirs - lower
        lane.level[d] += off
        lane.corrected[d] += off
        lane.pending[d] = min(lane.pending[d] - off, lane.held[d])
        if -off > lane.strangers[d]:
            lane.strangers[d] = min(-off, capacity * STRANGERS_MOST)
    elif theirs - granularity / 2 > upper and _may_rise(lane, d):
        off = theirs - upper
        level = min(capacity, lane.level[d] + off)
        lane.corrected[d] = lane.corrected[d] + level - lane.level[d]
        lane.level[d] = level
    lane.drift[d] = -off


def _may_rise(lane: LaneState, d: int) -> bool:
    if lane.learned[d] > lane.limit[d]:  # what is left of a larger limit is not ours to spend
        return False
    return lane.pace == 1 and lane.at_us >= max(lane.blocked_us[d], lane.blocked_us[4])


def _plausible(lane: LaneState, ticket: Ticket | None, d: int) -> tuple[float, float]:
    """The least and the most that the provider may say without contradicting our books."""
    lower = lane.level[d]
    upper = lane.level[d] + lane.held[d]
    if ticket is not None and ticket.admitted and ticket.epoch == lane.epoch:
        since = lane.corrected[d] - ticket.corrected[d]
        then = ticket.levels[d] + since
        late_us = lane.at_us - ticket.admitted_us - lane.minute_us / ARRIVAL_KEPT
        lower = min(lower, then + (late_us * lane.rate[d] if late_us > 0 else 0))
        upper = max(upper, then + ticket.held[d])
    return lower, upper


def block(lane: LaneState, number: int, until_us: int, now_us: int) -> None:
    """Nothing before `until_us`, and then from an empty bucket, so that the restart is slow.

    `number` is 1 to 4 for a dimension, 5 for the whole lane.
    """
    lane.blocked_us[number - 1] = max(lane.blocked_us[number - 1], until_us)
    if number == WHOLE_LANE:  # no limit is named: perhaps traffic rose too fast
        ramp.begin(lane, lane.blocked_us[number - 1])
    for d in range(4):
        if number in {d + 1, WHOLE_LANE} and lane.capacity[d] >= 0:
            level = -(lane.rate[d] * lane.pace * (lane.blocked_us[number - 1] - now_us))
            lane.level[d] = min(lane.level[d], level)


def readmit_one(lane: LaneState, charge: Sequence[int], now_us: int) -> None:
    """Behind a block the bucket is empty, but for the one call that was refused."""
    for d in range(1, 4):
        if lane.capacity[d] >= 0 and lane.blocked_us[d] > now_us:
            level = charge[d] - lane.rate[d] * lane.pace * (lane.blocked_us[d] - now_us)
            lane.level[d] = min(lane.level[d], level)


def suspect(lane: LaneState, dimensions: Sequence[int]) -> None:
    """A call that a 429 of these refused goes again: what was left for strangers was not enough."""
    for d in dimensions:
        more = lane.strangers[d] + lane.capacity[d] * STRANGERS_STEP
        lane.strangers[d] = min(more, lane.capacity[d] * STRANGERS_MOST)


def refusing(lane: LaneState, now_us: int) -> list[int]:
    """The dimensions that are blocked now and have a limit."""
    return [d for d in range(4) if lane.blocked_us[d] > now_us and lane.capacity[d] >= 0]


def unblock(lane: LaneState, now_us: int) -> None:
    """End all blocks; the buckets start as they would have at the end of the block."""
    for d in range(4):
        left = max(lane.blocked_us[d], lane.blocked_us[4]) - now_us
        if left > 0 and lane.capacity[d] >= 0:
            level = lane.level[d] + lane.rate[d] * lane.pace * left
            lane.level[d] = min(lane.capacity[d], level)
    lane.blocked_us = [0] * 5
    lane.ramp_us = min(lane.ramp_us, now_us)
