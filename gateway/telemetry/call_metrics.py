"""What one finished call adds to the metrics.

The cells of a spender and of a lane are found once and kept, so a call costs a few look-ups and
some thirty additions.
"""

from prometheus_client import CollectorRegistry

from gateway.domain.call import Dialect
from gateway.domain.explanation import Attempt
from gateway.domain.facts import CallRecord, Routed
from gateway.domain.outcome import ProviderVerdict
from gateway.domain.usage import Usage

from . import declared
from .labels import Names
from .metric import Metric
from .tallies import Bins, Cell, Spread, Tally

_MICRO = 1e-6
PROVIDER_NAMES = {
    None: "",
    Dialect.ANTHROPIC: "anthropic",
    Dialect.OPENAI: "openai",
    Dialect.GEMINI: "gcp.gemini",
}
"""OpenTelemetry's well-known values of `gen_ai.provider.name`."""
LEFT = 499
OK = "ok"
_WATCHED = (
    ProviderVerdict.RATE_LIMITED.value,
    ProviderVerdict.OVERLOADED.value,
    ProviderVerdict.PROVIDER_ERROR.value,
)
"""Shown for each lane from its first call on: alerts wait for the first of them."""


class _Families:
    """The metrics of calls."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._all: list[Tally | Spread] = []
        self.calls = self._tally(declared.CALLS)
        self.tokens = self._tally(declared.TOKENS)
        self.cost = self._tally(declared.COST, _MICRO)
        self.tag_cost = self._tally(declared.TAG_COST, _MICRO)
        self.tag_tokens = self._tally(declared.TAG_TOKENS)
        self.unpriced = self._tally(declared.UNPRICED)
        self.unpriced_cost = self._tally(declared.UNPRICED_COST, _MICRO)
        self.tickets = self._tally(declared.TICKETS)
        self.cache_held = self._tally(declared.CACHE_HELD)
        self.refusals = self._tally(declared.REFUSALS)
        self.attempts = self._tally(declared.ATTEMPTS)
        self.retries = self._tally(declared.RETRIES)
        self.failovers = self._tally(declared.FAILOVERS)
        self.cut = self._tally(declared.CUT)
        self.routes = self._tally(declared.ROUTES)
        self.savings = self._tally(declared.ROUTE_SAVINGS, _MICRO)
        self.losses = self._tally(declared.ROUTE_LOSSES, _MICRO)
        self.wait = self._spread(declared.WAIT)
        self.agent_wait = self._spread(declared.AGENT_WAIT)
        self.input_estimate = self._spread(declared.ESTIMATE_ERROR)
        self.output_estimate = self._spread(declared.OUTPUT_ESTIMATE)
        self.duration = self._spread(declared.DURATION)
        self.first_byte = self._spread(declared.FIRST_BYTE)
        self.to_first_token = self._spread(declared.TTFT)
        self.per_token = self._spread(declared.PER_TOKEN)
        self.overhead = self._spread(declared.OVERHEAD)

    def hand_over(self) -> None:
        for one in self._all:
            one.hand_over()

    def _tally(self, metric: Metric, unit: float = 1) -> Tally:
        made = Tally(metric, self._registry, unit)
        self._all.append(made)
        return made

    def _spread(self, metric: Metric) -> Spread:
        made = Spread(metric, self._registry)
        self._all.append(made)
        return made


class _Spender:
    """The cells of one agent, team, lane and model."""

    __slots__ = ("cache_read", "cache_write", "calls", "cost", "input", "output", "reasoning")

    def __init__(self, families: _Families, labels: tuple[str, ...]) -> None:
        self.input = families.tokens.cell(*labels, "input")
        self.output = families.tokens.cell(*labels, "output")
        self.cache_read = families.tokens.cell(*labels, "cache_read")
        self.cache_write = families.tokens.cell(*labels, "cache_write")
        self.reasoning = families.tokens.cell(*labels, "reasoning")
        self.cost = families.cost.cell(*labels)
        self.calls: dict[tuple[str, int, str], Cell] = {}

    def spend(self, usage: Usage, microusd: int) -> None:
        self.input.amount += usage.input_tokens
        self.output.amount += usage.output_tokens
        self.cache_read.amount += usage.cache_read_tokens
        self.cache_write.amount += usage.cache_write_tokens
        self.reasoning.amount += usage.reasoning_tokens
        self.cost.amount += microusd


class _Lane:
    """The cells of one lane."""

    __slots__ = (
        "cut",
        "duration",
        "first_byte",
        "input_estimate",
        "name",
        "ok",
        "output_estimate",
        "per_token",
        "settled",
        "to_first_token",
        "wait",
    )

    def __init__(self, families: _Families, name: str) -> None:
        self.name = name
        self.ok = families.attempts.cell(name, OK)
        for verdict in _WATCHED:
            families.attempts.show(name, verdict)
        self.cut = families.cut.cell(name)
        self.duration = families.duration.bins(name)
        self.first_byte = families.first_byte.bins(name)
        self.input_estimate = families.input_estimate.bins(name)
        self.output_estimate = families.output_estimate.bins(name)
        self.per_token = families.per_token.bins(name)
        self.wait: dict[str, Bins] = {}
        self.settled: dict[str, Cell] = {}
        self.to_first_token: dict[str, Bins] = {}


class CallMetrics:
    """Everything that is counted of calls."""

    def __init__(self, registry: CollectorRegistry, names: Names) -> None:
        self._names = names
        self._to = _Families(registry)
        self._overhead = self._to.overhead.bins()
        self._spenders: dict[tuple[str, ...], _Spender] = {}
        self._lanes: dict[str, _Lane] = {}

    def hand_over(self) -> None:
        """Give the library what is new."""
        self._to.hand_over()

    def count(self, record: CallRecord) -> None:
        """Count one call."""
        names = self._names
        agent, lane = names.agent(record.agent), names.lane(record.lane)
        labels = names.spender(
            agent,
            names.team(record.team or ""),
            lane,
            PROVIDER_NAMES[record.provider_dialect],
            names.model(record.model),
        )
        spender = self._spenders.get(labels)
        if spender is None:
            spender = self._spenders[labels] = _Spender(self._to, labels)
        self._count_call(spender, labels, record)
        if not record.lane:
            return
        place = self._lanes.get(lane)
        if place is None:
            place = self._lanes[lane] = _Lane(self._to, lane)
        self._count_admission(place, agent, record)
        if record.attempts:
            self._count_attempts(place, record)
            self._count_use(spender, labels, record)
            self._count_times(place, record)
        if record.routed is not None:
            self._count_route(record.routed)

    def _count_call(self, spender: _Spender, labels: tuple[str, ...], record: CallRecord) -> None:
        how = (record.endpoint.value, record.status, error_type(record))
        cell = spender.calls.get(how)
        if cell is None:
            cell = self._to.calls.cell(*labels, how[0], str(how[1]), how[2])
            spender.calls[how] = cell
        cell.amount += 1
        self._overhead.observe(record.overhead_s)
        if record.reason is not None:
            self._to.refusals.cell(record.reason.value).amount += 1

    def _count_admission(self, lane: _Lane, agent: str, record: CallRecord) -> None:
        priority = record.priority.value
        wait = lane.wait.get(priority)
        if wait is None:
            wait = lane.wait[priority] = self._to.wait.bins(lane.name, priority)
        wait.observe(record.wait_s)
        self._to.agent_wait.bins(agent).observe(record.wait_s)
        if record.held_s:
            self._to.cache_held.cell(agent).amount += record.held_s
        if record.attempts:
            settled = lane.settled.get(priority)
            if settled is None:
                settled = self._to.tickets.cell(lane.name, priority, "settled", "")
                lane.settled[priority] = settled
            settled.amount += 1
            return
        outcome = "cancelled" if record.status == LEFT or record.reason is None else "refused"
        reason = "" if record.reason is None else record.reason.value
        self._to.tickets.cell(lane.name, priority, outcome, reason).amount += 1

    def _count_attempts(self, lane: _Lane, record: CallRecord) -> None:
        following: Attempt | None = record.last
        if following is not None:
            verdict = verdict_of(following)
            cell = lane.ok if verdict is OK else self._to.attempts.cell(lane.name, verdict)
            cell.amount += 1
        for attempt in reversed(record.earlier):
            name, verdict = self._names.lane(attempt.lane or record.lane), verdict_of(attempt)
            self._to.attempts.cell(name, verdict).amount += 1
            if following is not None and following.lane not in {attempt.lane, ""}:
                pair = self._names.lanes(attempt.lane, following.lane)
                self._to.failovers.cell(*pair, verdict).amount += 1
            elif following is not None:
                self._to.retries.cell(name, verdict).amount += 1
            following = attempt

    def _count_use(self, spender: _Spender, labels: tuple[str, ...], record: CallRecord) -> None:
        usage, cost = record.usage, record.cost_microusd
        if not usage.total_tokens and not cost:
            return
        spender.spend(usage, cost - sum(record.others_microusd))
        for other, microusd in zip(usage.others, record.others_microusd, strict=False):
            names = self._names.spender(*labels[:-1], self._names.model(other.model))
            _Spender(self._to, names).spend(other.usage, microusd)
        for tag in record.tags:
            name = self._names.tag(tag)
            self._to.tag_cost.cell(name).amount += cost
            self._to.tag_tokens.cell(name).amount += usage.total_tokens
        if not record.priced:
            model = self._names.model(record.model)
            self._to.unpriced.cell(model).amount += 1
            self._to.unpriced_cost.cell(model).amount += cost

    def _count_times(self, lane: _Lane, record: CallRecord) -> None:
        usage = record.usage
        lane.duration.observe(record.upstream_s)
        if record.first_byte_s is not None:
            lane.first_byte.observe(record.first_byte_s)
            if record.stream and record.last is not None:
                self._count_stream(lane, record, record.last, record.first_byte_s)
        if record.cut:
            lane.cut.amount += 1
        if usage.exact and usage.prompt_tokens and record.estimated_input_tokens:
            lane.input_estimate.observe(record.estimated_input_tokens / usage.prompt_tokens)
            if usage.output_tokens:
                lane.output_estimate.observe(record.estimated_output_tokens / usage.output_tokens)

    def _count_stream(
        self, lane: _Lane, record: CallRecord, last: Attempt, first_byte_s: float
    ) -> None:
        priority = record.priority.value
        bins = lane.to_first_token.get(priority)
        if bins is None:
            bins = self._to.to_first_token.bins(lane.name, priority)
            lane.to_first_token[priority] = bins
        bins.observe(record.total_s - last.duration_s + first_byte_s)
        tokens = record.usage.output_tokens
        if tokens > 1 and not record.cut:
            lane.per_token.observe(max(0.0, last.duration_s - first_byte_s) / (tokens - 1))

    def _count_route(self, routed: Routed) -> None:
        mode = routed.mode.value
        pair = self._names.models(self._names.model(routed.asked), self._names.model(routed.chosen))
        self._to.routes.cell(mode, routed.decision, routed.reason, *pair).amount += 1
        saved = routed.saved_microusd
        if saved:
            side = self._to.savings if saved > 0 else self._to.losses
            side.cell(mode, pair[0]).amount += abs(saved)


def verdict_of(attempt: Attempt) -> str:
    """What became of a try, in one closed word."""
    if attempt.verdict:
        return attempt.verdict
    return OK if attempt.status else "abandoned"


def error_type(record: CallRecord) -> str:
    """A closed word for what went wrong, prefixed by whose fault it was; empty for a success."""
    if record.fault is None:
        return ""
    what = record.reason.value if record.reason is not None else f"http_{record.status}"
    return f"{record.fault.value}_{what}"
