"""Budgets of agents and teams: sliding minutes, calls in flight, spend by calendar.

Sliding minute. A minute is 60 slots. What is counted in the current slot and the 60 before it
covers any minute that ends now, so a sum within the limit at every admission keeps every sliding
minute within it. Input counts in the slot of admission; output is held while the call runs and
counts in the slot in which it is settled.

Blind. When the store has lost its data, each replica tells it what its own calls used. Until all
can have done so, a limit of a minute keeps everybody back.

Spend is counted by calendar days and months, UTC; a call that would exceed it is refused at once,
whatever the mode: money does not come back with idle capacity.
"""

import math
from collections.abc import Sequence

from .lane import Binding, Outgrown, mean
from .state import DAY, BudgetState

_SLOTS = 60


def month_of(day: int) -> int:
    """Days since 1970 to months since year 0 (proleptic Gregorian calendar)."""
    z = day + 719468
    era = z // 146097
    doe = z - era * 146097
    yoe = (doe - doe // 1460 + doe // 36524 - doe // 146096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    return (yoe + era * 400) * 12 + (5 * doy + 2) // 153 + 2


def month_start(month: int) -> int:
    """The first day of a month (counted as by `month_of`), as days since 1970."""
    shifted = month - 2
    year = shifted // 12
    era = year // 400
    yoe = year - era * 400
    doy = (153 * (shifted - year * 12) + 2) // 5
    return era * 146097 + yoe * 365 + yoe // 4 - yoe // 100 + doy - 719468


def slot_width_us(budget: BudgetState) -> int:
    """Length of a slot."""
    return budget.minute_us // _SLOTS


def _slot(budget: BudgetState, at_us: int) -> int:
    return math.floor(at_us / slot_width_us(budget))


def advance(budget: BudgetState, now_us: int) -> None:
    """Forget what no sliding minute, day or month that contains now or later can contain."""
    oldest = _slot(budget, now_us) - _SLOTS
    for number, tokens, requests in budget.slots:
        if number < oldest:
            budget.tokens -= tokens
            budget.requests -= requests
    budget.slots = [slot for slot in budget.slots if slot[0] >= oldest]
    day = math.floor(now_us / DAY)
    if day != budget.day:
        month = month_of(day)
        budget.day, budget.spent_day = day, 0
        if month != budget.month:
            budget.month, budget.spent_month = month, 0


def _count(budget: BudgetState, tokens: int, requests: int, now_us: int) -> None:
    slot = _slot(budget, now_us)
    if budget.slots and budget.slots[-1][0] >= slot:  # also when the clock went back
        number, old_tokens, old_requests = budget.slots[-1]
        budget.slots[-1] = (number, old_tokens + tokens, old_requests + requests)
    else:
        budget.slots.append((slot, tokens, requests))
    budget.tokens += tokens
    budget.requests += requests


def _amend(budget: BudgetState, slot: int, tokens: int, requests: int) -> None:
    """Correct what was counted in a slot, if any sliding minute still contains it."""
    for i, (number, old_tokens, old_requests) in enumerate(budget.slots):
        if number == slot:
            budget.slots[i] = (number, old_tokens + tokens, old_requests + requests)
            budget.tokens += tokens
            budget.requests += requests
            return


def _time_to_leave(budget: BudgetState, excess: int, field: int, now_us: int) -> int:
    """When `excess` will have left the window; a whole minute if what is held is in the way."""
    freed = 0
    for slot in budget.slots:
        freed += slot[field]
        if freed >= excess:
            return (slot[0] + _SLOTS + 1) * slot_width_us(budget) - now_us
    return budget.minute_us


def binds(budget: BudgetState, requests: int, tokens: int, now_us: int) -> Binding | None:
    """What keeps so many requests and tokens back now."""
    dimension, wait = "", -1
    rpm, tpm, concurrency = budget.limits[:3]
    excess = budget.requests + requests - rpm
    if rpm >= 0 and requests > 0 and excess > 0:
        dimension, wait = "rpm", _time_to_leave(budget, excess, 2, now_us)
    excess = budget.tokens + budget.held_output + tokens - tpm
    if tpm >= 0 and tokens > 0 and excess > 0:
        time = _time_to_leave(budget, excess, 1, now_us)
        if time > wait:
            dimension, wait = "tpm", time
    blind_us = budget.blind_until_us - now_us
    if blind_us > 0 and blind_us > wait:
        if tpm >= 0 and tokens > 0:
            dimension, wait = "tpm", blind_us
        elif rpm >= 0 and requests > 0:
            dimension, wait = "rpm", blind_us
    if dimension:
        return Binding(dimension, wait)
    return Binding("concurrency", -1) if 0 <= concurrency <= budget.in_flight else None


def outgrown(budget: BudgetState, charge: Sequence[int]) -> Outgrown | None:
    """The first hard limit that the charge alone is larger than."""
    if budget.soft:
        return None
    rpm, tpm, concurrency = budget.limits[:3]
    tokens = charge[4] + charge[5]
    if 0 <= rpm < charge[0]:
        return Outgrown("rpm", charge[0], rpm)
    if 0 <= tpm < tokens:
        return Outgrown("tpm", tokens, tpm)
    return Outgrown("concurrency", 1, 0) if concurrency == 0 else None


def overspent(budget: BudgetState, cost: int, now_us: int) -> tuple[Outgrown, int] | None:
    """The spend limit that a cost would exceed, and the time until its period ends."""
    per_day, per_month = budget.limits[3:]
    need = budget.spent_day + budget.held_cost + cost
    if 0 <= per_day < need:
        return Outgrown("usd_per_day", need, per_day), (budget.day + 1) * DAY - now_us
    need = budget.spent_month + budget.held_cost + cost
    if 0 <= per_month < need:
        end_us = month_start(budget.month + 1) * DAY
        return Outgrown("usd_per_month", need, per_month), end_us - now_us
    return None


def take(budget: BudgetState, charge: Sequence[int], now_us: int) -> None:
    """Reserve a charge."""
    _count(budget, charge[4], charge[0], now_us)
    budget.held_requests += charge[0]
    budget.held_input += charge[4]
    budget.held_output += charge[5]
    budget.held_cost += charge[6]
    budget.in_flight += 1
    _note_reserved(budget, charge[0], charge[4] + charge[5], charge[6])


def grow(budget: BudgetState, output_tokens: int) -> None:
    """Hold more output."""
    budget.held_output += output_tokens
    _note_reserved(budget, 0, output_tokens, 0)


def _note_reserved(budget: BudgetState, *amounts: int) -> None:
    for d, amount in enumerate(amounts):
        budget.ledger.reserved[d] += amount


def _release(budget: BudgetState, charge: Sequence[int]) -> None:
    budget.held_requests -= charge[0]
    budget.held_input -= charge[4]
    budget.held_output -= charge[5]
    budget.held_cost -= charge[6]
    budget.in_flight -= 1


def settle(
    budget: BudgetState,
    charge: Sequence[int],
    actual: Sequence[int],
    admitted_us: int,
    now_us: int,
    holding_us: float,
) -> None:
    """Replace a reservation by the actual use."""
    _release(budget, charge)
    slot = _slot(budget, admitted_us)
    _amend(budget, slot, actual[4] - charge[4], actual[0] - charge[0])
    if actual[5] > 0:
        _count(budget, actual[5], 0, now_us)
    budget.spent_day += actual[6]
    budget.spent_month += actual[6]
    budget.holding_us = mean(budget.holding_us, holding_us)
    budget.ledger.move(0, charge[0], actual[0])
    budget.ledger.move(1, charge[4] + charge[5], actual[4] + actual[5])
    budget.ledger.move(2, charge[6], actual[6])


def expire(budget: BudgetState, charge: Sequence[int]) -> None:
    """A dead replica's call: input and cost stay counted, output that nobody saw does not."""
    _release(budget, charge)
    budget.spent_day += charge[6]
    budget.spent_month += charge[6]
    for d, amount in enumerate((charge[0], charge[4] + charge[5], charge[6])):
        budget.ledger.expired[d] += amount


def configure(
    budget: BudgetState, limits: list[int], minute_us: int, now_us: int, *, soft: bool
) -> None:
    """Change limits. With another minute the slots change: what was used counts as used now."""
    if budget.minute_us != minute_us:
        tokens, requests = budget.tokens, budget.requests
        budget.minute_us, budget.slots = minute_us, []
        budget.tokens = budget.requests = 0
        if tokens > 0 or requests > 0:
            _count(budget, tokens, requests, now_us)
    budget.limits, budget.soft = limits, soft
