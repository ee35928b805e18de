"""Between the nouns of `gateway.domain` and the operations and events of the admission script.

Operations and events are plain lists, since they travel as msgpack; what they hold is written
down at the head of `gateway/store/lua/admission/operations.lua`.
"""

from collections.abc import Iterator, Sequence
from typing import TypeAlias, cast

from gateway.domain.admission import (
    Admitted,
    Bound,
    Charge,
    Expectation,
    Settlement,
    TicketRequest,
)
from gateway.domain.call import Priority
from gateway.domain.limits import Budget, BudgetMode, Dimension, Headroom, ScopeKind
from gateway.domain.outcome import Reason, Refusal
from gateway.domain.topology import Lane, QueueSettings, Topology

Operation: TypeAlias = list[object]
Event: TypeAlias = list[object]

MICRO = 1_000_000
LONGEST_S = 10 * 365 * 86_400
"""What callers and providers ask for beyond that is as good as for ever."""
NO_LIMIT = -1
BANDS = {Priority.URGENT: 1, Priority.NORMAL: 2, Priority.BACKGROUND: 3}
DIMENSIONS = {Dimension.RPM: 1, Dimension.ITPM: 2, Dimension.OTPM: 3, Dimension.TPM: 4}
ALL_DIMENSIONS = 5
_NUMBERS: dict[str, int] = {dimension.value: number for dimension, number in DIMENSIONS.items()}


def micros(seconds: float) -> int:
    """Whole microseconds of a duration, as many as the store can add to a time without loss."""
    return int(min(seconds, LONGEST_S) * MICRO)


def lane_scope(name: str) -> str:
    """How operations name a lane."""
    return f"lane:{name}"


def agent_scope(name: str) -> str:
    """How operations name an agent's budget."""
    return f"agent:{name}"


def team_scope(name: str) -> str:
    """How operations name a team's budget."""
    return f"team:{name}"


def charge_list(charge: Charge) -> list[int]:
    """A charge as operations carry it."""
    return [
        charge.requests,
        charge.lane_input_tokens,
        charge.lane_output_tokens,
        charge.lane_tokens,
        charge.input_tokens,
        charge.output_tokens,
        charge.cost_microusd,
    ]


def batch(number: int) -> Operation:
    """First of a batch: which it is of those of this replica. Of an older one, nothing is done."""
    return ["batch", number]


def hello(*, again: bool, blind_s: float = 0.0) -> Operation:
    """First of a replica that the store does not know; `again`: it did know it once.

    Should the store have lost its data, budgets let nobody through for `blind_s`.
    """
    return ["hello", int(again), micros(blind_s)]


def arrive(request: TicketRequest) -> Operation:
    """A ticket asks to be admitted."""
    return ["arrive", *_ticket_fields(request)]


def requeue(request: TicketRequest) -> Operation:
    """An admitted ticket gives its reservation back and waits again."""
    return ["requeue", *_ticket_fields(request)]


def _ticket_fields(request: TicketRequest) -> Operation:
    return [
        request.ticket,
        request.lane,
        request.agent,
        request.team or "",
        BANDS[request.priority],
        request.weight,
        charge_list(request.charge),
        micros(request.max_wait_s),
        request.retry_of,
        int(request.is_retry),
    ]


def cancel(ticket: str, *, timed_out: bool = False) -> Operation:
    """A ticket stops waiting; `timed_out` asks for a refusal with the present prediction."""
    return ["cancel", ticket, int(timed_out)]


def head(ticket: str, lane: str, seen: Sequence[Headroom]) -> Operation:
    """What a provider's answer said of a lane. Dimensions without a bucket are left out."""
    told = [
        [
            DIMENSIONS[headroom.dimension],
            NO_LIMIT if headroom.limit is None else headroom.limit,
            NO_LIMIT if headroom.remaining is None else headroom.remaining,
            headroom.granularity,
        ]
        for headroom in seen
        if headroom.dimension in DIMENSIONS
    ]
    return ["head", ticket, lane, told]


def amend(ticket: str, lane: str, charge: Charge) -> Operation:
    """A waiting ticket will take this much instead."""
    return ["amend", ticket, lane, charge_list(charge)]


def extend(ticket: str, lane: str, output_tokens: int) -> Operation:
    """A reservation grows to this much output."""
    return ["extend", ticket, lane, output_tokens]


def settle(settlement: Settlement) -> Operation:
    """A ticket ends with its actual use."""
    return ["settle", settlement.ticket, settlement.lane, charge_list(settlement.actual)]


def block(lane: str, dimensions: Sequence[str], for_s: float) -> Operation:
    """A provider's 429. A dimension that has no bucket here stands for the whole lane."""
    numbers = {_NUMBERS.get(name, ALL_DIMENSIONS) for name in dimensions}
    return ["block", lane, sorted(numbers) or [ALL_DIMENSIONS], micros(for_s)]


def configure_lane(lane: Lane, queue: QueueSettings, minute_s: float) -> Operation:
    """A lane's limits and the bounds of its queue."""
    limits = lane.limits
    return [
        "configure",
        lane_scope(lane.name),
        {
            "limits": [
                _limit(value) for value in (limits.rpm, limits.itpm, limits.otpm, limits.tpm)
            ],
            "concurrency": _limit(limits.concurrency),
            "margin": lane.margin,
            "floors": [lane.floors.get(priority, 0.0) for priority in BANDS],
            "minute_us": micros(minute_s),
            "max_depth": queue.max_depth,
            "ageing_us": micros(queue.ageing_s),
            "ramp": [
                micros(lane.ramp.after_s),
                lane.ramp.start,
                micros(lane.ramp.over_s),
            ],
        },
    ]


def configure_budget(scope: str, budget: Budget, minute_s: float) -> Operation:
    """The limits of an agent or a team."""
    return [
        "configure",
        scope,
        {
            "limits": [
                _limit(value)
                for value in (
                    budget.rpm,
                    budget.tpm,
                    budget.concurrency,
                    budget.usd_per_day_micro,
                    budget.usd_per_month_micro,
                )
            ],
            "soft": int(budget.mode is BudgetMode.SOFT),
            "minute_us": micros(minute_s),
        },
    ]


def configure_all(topology: Topology) -> Iterator[Operation]:
    """Everything a topology says of limits."""
    for lane in topology.lanes.values():
        yield configure_lane(lane, topology.queue, topology.minute_s)
    for team in topology.teams.values():
        yield configure_budget(team_scope(team.name), team.budget, topology.minute_s)
    for agent in topology.agents.values():
        yield configure_budget(agent_scope(agent.name), agent.budget, topology.minute_s)


def _limit(value: int | None) -> int:
    return NO_LIMIT if value is None else value


def admitted(event: Event) -> Admitted:
    """The verdict of a grant event `g`."""
    _, ticket, waited_us, kind, name, dimension = cast(
        "tuple[str, str, float, str, str, str]", event
    )
    bound = Bound(ScopeKind(kind), name, Dimension(dimension), 0.0) if kind else None
    return Admitted(ticket, waited_us / MICRO, bound)


def expected(event: Event) -> tuple[Expectation, float]:
    """What a waiting event `w` says, and the seconds that the ticket may still wait."""
    _, _, position, wait_us, kind, name, dimension, left_us, ahead = cast(
        "tuple[str, str, int, float, str, str, str, float, str]", event
    )
    wait_s = wait_us / MICRO
    bound = Bound(ScopeKind(kind), name, Dimension(dimension), wait_s)
    if not ahead:  # the place is worked out from shares; who is first is known
        return Expectation(1, wait_s, bound), left_us / MICRO
    return Expectation(position, wait_s, bound, ahead), left_us / MICRO


def refused(event: Event) -> Refusal:
    """The verdict of a refusal event `r`, with its reason in words."""
    _, _, word, kind, name, dimension, need, allowed, retry_us = cast(
        "tuple[str, str, str, str, str, str, float, float, float]", event
    )
    reason = Reason(word)
    limit = f"{dimension} limit of {kind} {name!r}"
    if kind == ScopeKind.BAND:
        limit = f"{dimension} limit of lane {name!r}, less what is left for higher priorities"
    retry_after_s = None if retry_us < 0 else retry_us / MICRO
    return Refusal(reason, _message(reason, limit, need, allowed, retry_after_s), retry_after_s)


def _message(
    reason: Reason, limit: str, need: float, allowed: float, retry_after_s: float | None
) -> str:
    when = "" if retry_after_s is None else f" Expected to fit in {retry_after_s:.1f} s."
    match reason:
        case Reason.LARGER_THAN_LIMIT:
            return f"The call needs {need:.0f} and the {limit} is {allowed:.0f}: it can never fit."
        case Reason.SPEND:
            return (
                f"The call would bring spend to ${need / MICRO:.4f} and the {limit} is "
                f"${allowed / MICRO:.4f}."
            )
        case Reason.QUEUE_FULL:
            return f"{need:.0f} calls are waiting already, and the queue holds {allowed:.0f}.{when}"
        case Reason.CANCELLED:
            return "An operator has cancelled this call while it waited for its turn."
        case Reason.DRAINED:
            return f"An operator has emptied the queue in which this call waited.{when}"
        case Reason.LANE_BLOCKED:
            return f"The provider has asked to wait ({limit}).{when}"
        case Reason.AGENT_BUDGET | Reason.TEAM_BUDGET:
            return f"The {limit} is used up for longer than the call may wait.{when}"
        case _:
            return f"No turn within the time the call may wait; the {limit} binds.{when}"
