"""What a cell of the fleet benchmark means: from the simulator's log and the fleet's own calls.

Times are real seconds on the machine's monotonic clock, which the simulator's log uses as well;
what is reported is in provider seconds. A call that only the end of the run cut is neither failed
nor wasted, and what it took is useful.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.bench.fleet_agents import Agent, Call
from tests.bench.fleet_world import LIMITS, TTFT_S

Record = dict[str, Any]
_DIMENSIONS = {"rpm": "requests", "itpm": "input_tokens", "otpm": "output_tokens"}
_OUTPUT_STEPS = 8


@dataclass(frozen=True)
class Span:
    """When a cell ran.

    Attributes:
        warm_s: From here on limits and shares are measured.
        scale: Real seconds in a provider second.
    """

    begin_s: float
    warm_s: float
    end_s: float
    scale: float

    @property
    def minutes(self) -> float:
        """Provider minutes measured."""
        return (self.end_s - self.warm_s) / self.scale / 60


def figures(
    agents: Sequence[Agent],
    calls: Sequence[Call],
    log: Iterable[Record],
    neighbour: dict[str, int],
    span: Span,
) -> dict[str, Any]:
    """Everything about one cell."""
    records = [one for one in log if one["started_s"] < span.end_s]
    cut = {call.id for call in calls if call.end == "cut"}
    useful = [
        one for one in records if one["whole"] or (one["client"] in cut and one["status"] != 429)
    ]
    lost = [one for one in records if not one["whole"] and one["client"] not in cut]
    refused = [one for one in records if one["status"] == 429]
    seen = [one for one in refused if one["started_s"] >= span.begin_s + span.scale]
    late = [one for one in refused if one["started_s"] >= span.begin_s + 60 * span.scale]
    shares = {name: _share(useful, name, neighbour, span) for name in _DIMENSIONS}
    met = {one["client"] for one in seen}
    return {
        "calls": len(calls),
        "answered": sum(call.end == "answered" for call in calls),
        "failed": sum(call.end == "failed" for call in calls),
        "failed_statuses": _count(call.status for call in calls if call.end == "failed"),
        "agents_saw_429s": sum(call.limited for call in calls),
        "provider_429s": len(refused),
        "provider_429s_after_1s": len(seen),
        "provider_429s_after_1min": len(late),
        "provider_429s_by_limit": _count(one["limited_by"] for one in refused),
        "calls_that_met_429": round(len(met) / max(1, len({one["client"] for one in records})), 5),
        "wasted_requests": len(lost),
        "requests": len(records),
        "limit_shares": {name: round(used, 4) for name, used in shares.items()},
        "binding": max(shares, key=lambda name: shares[name]),
        "wait_s": _waits(agents, calls, useful, span),
        **_fairness(agents, useful, span),
        "budget_peak": _budget_peak(agents, useful, span),
    }


def _count(values: Iterable[Any]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for value in values:
        found[str(value)] += 1
    return dict(found)


def _share(useful: Iterable[Record], name: str, neighbour: dict[str, int], span: Span) -> float:
    """What was used of a limit while it was measured, of what the neighbour left."""
    dimension = _DIMENSIONS[name]
    used = 0.0
    for one in useful:
        begin = one["started_s"]
        end = one["ended_s"] if name == "otpm" else begin
        used += one["charged"].get(dimension, 0) * _inside(span, begin, end)
    whole_minutes = (span.end_s - span.begin_s) / span.scale / 60
    taken = neighbour.get(dimension, 0) / whole_minutes
    return used / ((LIMITS[name] - taken) * span.minutes)


def _inside(span: Span, begin: float, end: float) -> float:
    if end <= begin:
        return 1.0 if span.warm_s <= begin < span.end_s else 0.0
    return max(0.0, min(span.end_s, end) - max(span.warm_s, begin)) / (end - begin)


def _waits(
    agents: Iterable[Agent], calls: Iterable[Call], useful: Iterable[Record], span: Span
) -> dict[str, Any]:
    """From the agent's call to the arrival of the attempt that was answered, by band.

    Calls that still wait at the end count with what they have waited.
    """
    band = {agent.name: agent.band for agent in agents}
    arrived = {one["client"]: one["started_s"] for one in useful}
    waits: dict[str, list[float]] = defaultdict(list)
    for call in calls:
        if call.end != "failed" and call.began_s < span.end_s:
            until = arrived.get(call.id, span.end_s)
            waits[band[call.agent]].append(max(0.0, until - call.began_s) / span.scale)
    return {name: _quantiles(sorted(some)) for name, some in waits.items()}


def _quantiles(ascending: Sequence[float]) -> dict[str, float]:
    def at(q: float) -> float:
        return round(ascending[max(0, math.ceil(q * len(ascending)) - 1)], 3)

    return {"calls": len(ascending), "p50": at(0.5), "p95": at(0.95), "p99": at(0.99)}


def _fairness(agents: Sequence[Agent], useful: Iterable[Record], span: Span) -> dict[str, Any]:
    """Jain's index over normal agents of equal weight, and how well weights are kept.

    `weight_error` compares what the agents of weight 2 got together with what they should have;
    `weight_error_worst` is that of the worst single agent.
    """
    got: dict[str, float] = defaultdict(float)
    for one in useful:
        if span.warm_s <= one["started_s"] < span.end_s:
            charged = one["charged"]
            tokens = charged.get("input_tokens", 0) + charged.get("output_tokens", 0)
            got[one["client"].partition("/")[0]] += tokens
    equal = [got[agent.name] for agent in agents if agent.equal]
    flows = [agent for agent in agents if agent.band == "normal" and agent.budget_tpm is None]
    total, weights = sum(got[one.name] for one in flows), sum(one.weight for one in flows)
    heavy = [one for one in flows if one.weight == 2]
    errors = [abs(got[one.name] / total * weights / one.weight - 1) for one in flows if total]
    error = None
    if heavy and total:
        due = sum(one.weight for one in heavy) / weights
        error = round(abs(sum(got[one.name] for one in heavy) / total / due - 1), 4)
    return {
        "jain": round(_jain(equal), 4) if len(equal) > 1 else None,
        "equal_agents": len(equal),
        "calls_per_equal_agent": round(sum(equal) / max(1, len(equal)) / 8_550, 1),
        "weight_error": error,
        "weight_error_worst": round(max(errors, default=0.0), 4),
        "tokens_by_agent": {agent.name: round(got[agent.name]) for agent in agents},
    }


def _jain(values: Sequence[float]) -> float:
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 0.0


def _budget_peak(agents: Iterable[Agent], useful: Iterable[Record], span: Span) -> float | None:
    """The fullest sliding minute of any hard budget, as a share of it.

    Input counts on arrival, output as it is produced.
    """
    limits = {agent.name: agent.budget_tpm for agent in agents if agent.budget_tpm}
    events: dict[str, list[tuple[float, float]]] = {name: [] for name in limits}
    for one in useful:
        name = one["client"].partition("/")[0]
        if name in events:
            events[name].extend(_uses(one, span.scale))
    peaks = [
        _fullest(sorted(some), 60 * span.scale) / limit
        for name, limit in limits.items()
        if limit and (some := events[name])
    ]
    return round(max(peaks), 4) if peaks else None


def _uses(one: Record, scale: float) -> Iterable[tuple[float, float]]:
    yield one["started_s"], one["input_tokens"]
    begin = min(one["started_s"] + TTFT_S * scale, one["ended_s"])
    for step in range(1, _OUTPUT_STEPS + 1):
        at = begin + (one["ended_s"] - begin) * step / _OUTPUT_STEPS
        yield at, one["output_tokens"] / _OUTPUT_STEPS


def _fullest(events: Sequence[tuple[float, float]], minute_s: float) -> float:
    most = inside = 0.0
    first = 0
    for at, tokens in events:
        inside += tokens
        while events[first][0] <= at - minute_s:
            inside -= events[first][1]
            first += 1
        most = max(most, inside)
    return most
