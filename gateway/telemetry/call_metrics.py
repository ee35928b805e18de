"""What one finished call adds to the metrics."""

from prometheus_client import CollectorRegistry

from gateway.domain.call import Dialect
from gateway.domain.explanation import Attempt
from gateway.domain.facts import CallRecord, Routed

from . import declared
from .declared import Metric
from .labels import Names
from .session_metrics import SessionMetrics
from .tallies import Spread, Tally

_MICRO = 1e-6
PROVIDER_NAMES = {
    None: "",
    Dialect.ANTHROPIC: "anthropic",
    Dialect.OPENAI: "openai",
    Dialect.GEMINI: "gcp.gemini",
}
"""OpenTelemetry's well-known values of `gen_ai.provider.name`."""
LEFT = 499


class CallMetrics:
    """Everything that is counted of calls."""

    def __init__(self, registry: CollectorRegistry, names: Names) -> None:
        self._names = names
        self._all: list[Tally | Spread] = []

        def tally(metric: Metric, unit: float = 1) -> Tally:
            made = Tally(metric, registry, unit)
            self._all.append(made)
            return made

        def spread(metric: Metric) -> Spread:
            made = Spread(metric, registry)
            self._all.append(made)
            return made

        self._calls = tally(declared.CALLS)
        self._tokens = tally(declared.TOKENS)
        self._cost = tally(declared.COST, _MICRO)
        self._tag_cost = tally(declared.TAG_COST, _MICRO)
        self._tag_tokens = tally(declared.TAG_TOKENS)
        self._unpriced = tally(declared.UNPRICED)
        self._unpriced_cost = tally(declared.UNPRICED_COST, _MICRO)
        self._tickets = tally(declared.TICKETS)
        self._refusals = tally(declared.REFUSALS)
        self._attempts = tally(declared.ATTEMPTS)
        self._retries = tally(declared.RETRIES)
        self._failovers = tally(declared.FAILOVERS)
        self._cut = tally(declared.CUT)
        self._routes = tally(declared.ROUTES)
        self._savings = tally(declared.ROUTE_SAVINGS, _MICRO)
        self._losses = tally(declared.ROUTE_LOSSES, _MICRO)
        self._wait = spread(declared.WAIT)
        self._agent_wait = spread(declared.AGENT_WAIT)
        self._input_estimate = spread(declared.ESTIMATE_ERROR)
        self._output_estimate = spread(declared.OUTPUT_ESTIMATE)
        self._duration = spread(declared.DURATION)
        self._first_byte = spread(declared.FIRST_BYTE)
        self._to_first_token = spread(declared.TTFT)
        self._per_token = spread(declared.PER_TOKEN)
        self._overhead = spread(declared.OVERHEAD)
        self._sessions = SessionMetrics(registry)

    def hand_over(self, now_s: float) -> None:
        """Give the library what is new."""
        for one in self._all:
            one.hand_over()
        self._sessions.hand_over(now_s)

    def count(self, record: CallRecord, now_s: float) -> None:
        """Count one call."""
        names = self._names
        spender = names.spender(
            names.agent(record.agent),
            names.team(record.team or ""),
            names.lane(record.lane),
            PROVIDER_NAMES[record.dialect],
            names.model(record.model),
        )
        self._calls.add((*spender, record.endpoint.value, str(record.status), error_type(record)))
        self._overhead.observe((), record.overhead_s)
        if record.reason is not None:
            self._refusals.add((record.reason.value,))
        if record.lane:
            self._count_admission(names.lane(record.lane), record)
        if record.attempts:
            self._count_attempts(record)
            self._count_use(spender, record)
            self._count_times(names.lane(record.lane), record)
        if record.routed is not None:
            self._count_route(record.routed)
        if record.session is not None and record.attempts:
            self._sessions.turn(record, record.session, now_s)

    def _count_admission(self, lane: str, record: CallRecord) -> None:
        self._wait.observe((lane, record.priority.value), record.wait_s)
        self._agent_wait.observe((self._names.agent(record.agent),), record.wait_s)
        outcome, reason = "settled", ""
        if not record.attempts:
            outcome = "cancelled" if record.status == LEFT or record.reason is None else "refused"
            reason = "" if record.reason is None else record.reason.value
        self._tickets.add((lane, record.priority.value, outcome, reason))

    def _count_attempts(self, record: CallRecord) -> None:
        following: Attempt | None = record.last
        if following is not None:
            lane = self._names.lane(following.lane or record.lane)
            self._attempts.add((lane, verdict_of(following)))
        for attempt in reversed(record.earlier):
            lane, verdict = self._names.lane(attempt.lane or record.lane), verdict_of(attempt)
            self._attempts.add((lane, verdict))
            if following is not None and following.lane not in {attempt.lane, ""}:
                pair = self._names.lanes(attempt.lane, following.lane)
                self._failovers.add((*pair, verdict))
            elif following is not None:
                self._retries.add((lane, verdict))
            following = attempt

    def _count_use(self, spender: tuple[str, ...], record: CallRecord) -> None:
        usage, cost = record.usage, record.cost_microusd
        if not usage.total_tokens and not cost:
            return
        tokens = self._tokens
        tokens.add((*spender, "input"), usage.input_tokens)
        tokens.add((*spender, "output"), usage.output_tokens)
        if usage.cache_read_tokens:
            tokens.add((*spender, "cache_read"), usage.cache_read_tokens)
        if usage.cache_write_tokens:
            tokens.add((*spender, "cache_write"), usage.cache_write_tokens)
        if usage.reasoning_tokens:
            tokens.add((*spender, "reasoning"), usage.reasoning_tokens)
        self._cost.add(spender, cost)
        for tag in record.tags:
            labels = (self._names.tag(tag),)
            self._tag_cost.add(labels, cost)
            self._tag_tokens.add(labels, usage.total_tokens)
        if not record.priced:
            labels = (self._names.model(record.model),)
            self._unpriced.add(labels)
            self._unpriced_cost.add(labels, cost)

    def _count_times(self, lane: str, record: CallRecord) -> None:
        labels, usage = (lane,), record.usage
        self._duration.observe(labels, record.upstream_s)
        if record.first_byte_s is not None:
            self._first_byte.observe(labels, record.first_byte_s)
            if record.stream and record.last is not None:
                self._count_stream(lane, record, record.last, record.first_byte_s)
        if record.cut:
            self._cut.add(labels)
        if usage.exact and usage.prompt_tokens and record.estimated_input_tokens:
            ratio = record.estimated_input_tokens / usage.prompt_tokens
            self._input_estimate.observe(labels, ratio)
            if usage.output_tokens:
                ratio = record.estimated_output_tokens / usage.output_tokens
                self._output_estimate.observe(labels, ratio)

    def _count_stream(
        self, lane: str, record: CallRecord, last: Attempt, first_byte_s: float
    ) -> None:
        to_first_s = record.total_s - last.duration_s + first_byte_s
        self._to_first_token.observe((lane, record.priority.value), to_first_s)
        tokens = record.usage.output_tokens
        if tokens > 1 and not record.cut:
            per_token_s = (last.duration_s - first_byte_s) / (tokens - 1)
            self._per_token.observe((lane,), max(0.0, per_token_s))

    def _count_route(self, routed: Routed) -> None:
        mode = routed.mode.value
        pair = self._names.models(self._names.model(routed.asked), self._names.model(routed.chosen))
        self._routes.add((mode, routed.decision.value, routed.reason.value, *pair))
        saved = routed.saved_microusd
        if saved:
            (self._savings if saved > 0 else self._losses).add((mode, pair[0]), abs(saved))


def verdict_of(attempt: Attempt) -> str:
    """What became of a try, in one closed word."""
    if attempt.verdict:
        return attempt.verdict
    return "ok" if attempt.status else "abandoned"


def error_type(record: CallRecord) -> str:
    """A closed word for what went wrong, prefixed by whose fault it was; empty for a success."""
    if record.fault is None:
        return ""
    what = record.reason.value if record.reason is not None else f"http_{record.status}"
    return f"{record.fault.value}_{what}"
