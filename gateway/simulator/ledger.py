"""What happened at the provider, exactly: one record per call, and totals that are their sum.

Definitions:

* A call is answered *whole* when its status was 2xx and the last byte was handed to a connection
  that was still open. Everything else is *wasted*: refusals, errors, answers cut short by a fault
  or by a client that left.
* *Useful* tokens are the tokens of whole calls. *Produced* output counts what was generated, also
  for nobody.
* *Charged* is what a call took from each rate-limit bucket.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from gateway.simulator.limits import Dimension

Clock = Callable[[], float]
_Key = TypeVar("_Key")


class CallRecord(msgspec.Struct):
    """One call. Complete once `ended_s` is set; only complete calls are in the log.

    Attributes:
        seq: Position in the log, from 1, in order of ending; 0 while the call runs.
        time: Arrival, seconds since the epoch.
        started_s: Arrival on the simulator's clock.
        ended_s: End on the simulator's clock.
        dialect: `anthropic`, `openai` or `gemini`.
        path: Request path.
        model: Requested model, once read.
        key: The credential presented.
        client: Value of the client header (`SimulatorSettings.client_header`).
        retry: `x-stainless-retry-count`, if sent.
        status: HTTP status; 0 when no head was sent.
        stream: Whether a stream was asked for.
        error: The dialect's error type, or the kind of a fault.
        limited_by: Dimension of a rate-limit refusal, or `fault`.
        input_tokens: Uncached input of an admitted call.
        cache_read_tokens: Input from the cache.
        cache_write_tokens: Input written to the cache.
        output_tokens: Output produced, thinking included, also after the client had left.
        charged: Taken from each bucket, by dimension.
        whole: See the module's definitions.
        finish: `whole`, `refused`, `error`, `cut` (by a fault) or `gone` (the client left).
    """

    seq: int = 0
    time: float = 0.0
    started_s: float = 0.0
    ended_s: float = 0.0
    dialect: str = ""
    path: str = ""
    model: str = ""
    key: str = ""
    client: str = ""
    retry: int = 0
    status: int = 0
    stream: bool = False
    error: str = ""
    limited_by: str = ""
    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    charged: dict[str, int] = {}
    whole: bool = False
    finish: str = ""

    def charge(self, dimension: Dimension, amount: int) -> None:
        """Note what was taken from a bucket."""
        if amount:
            self.charged[dimension] = self.charged.get(dimension, 0) + amount


class Tokens(msgspec.Struct):
    """Token sums of some calls."""

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return (
            self.input_tokens
            + self.cache_read_tokens
            + self.cache_write_tokens
            + self.output_tokens
        )

    def add(self, record: CallRecord) -> None:
        """Add one call's tokens."""
        self.input_tokens += record.input_tokens
        self.cache_read_tokens += record.cache_read_tokens
        self.cache_write_tokens += record.cache_write_tokens
        self.output_tokens += record.output_tokens


class Totals(msgspec.Struct):
    """Sums over ended calls.

    Attributes:
        requests: All calls, whatever became of them.
        whole: Answered whole.
        wasted: Not answered whole; `requests` is `whole` + `wasted`.
        rate_limited: Status 429.
        limited_by: The same by dimension (`fault` for injected ones).
        unauthorized: Refused for their credential.
        cut: Cut short by a fault.
        gone: Left by the client.
        statuses: Calls by status.
        used: Tokens of all calls.
        useful: Tokens of whole calls.
        charged: Taken from buckets by dimension.
        useful_charged: The same by whole calls.
    """

    requests: int = 0
    whole: int = 0
    wasted: int = 0
    rate_limited: int = 0
    limited_by: dict[str, int] = {}
    unauthorized: int = 0
    cut: int = 0
    gone: int = 0
    statuses: dict[int, int] = {}
    used: Tokens = msgspec.field(default_factory=Tokens)
    useful: Tokens = msgspec.field(default_factory=Tokens)
    charged: dict[str, int] = {}
    useful_charged: dict[str, int] = {}

    def add(self, record: CallRecord) -> None:
        """Add an ended call."""
        self.requests += 1
        _count(self.statuses, record.status)
        if record.status == 429:
            self.rate_limited += 1
            _count(self.limited_by, record.limited_by or "fault")
        self.unauthorized += record.finish == "unauthorized"
        self.cut += record.finish == "cut"
        self.gone += record.finish == "gone"
        self.used.add(record)
        for dimension, amount in record.charged.items():
            _count(self.charged, dimension, amount)
        if record.whole:
            self.whole += 1
            self.useful.add(record)
            for dimension, amount in record.charged.items():
                _count(self.useful_charged, dimension, amount)
        else:
            self.wasted += 1


def _count(counts: dict[_Key, int], key: _Key, amount: int = 1) -> None:
    counts[key] = counts.get(key, 0) + amount


class Stats(msgspec.Struct):
    """The answer of `GET /_sim/stats`.

    Attributes:
        totals: Over all calls.
        models: By `dialect/model` (calls whose model was read).
        in_flight: Calls now being answered.
        peak_concurrency: Most calls at once.
        neighbour: Taken by `POST /_sim/consume`, by dimension.
        since_s: When counting began, on the simulator's clock.
        now_s: Now, on the same clock.
    """

    totals: Totals
    models: dict[str, Totals]
    in_flight: int
    peak_concurrency: int
    neighbour: dict[str, int]
    since_s: float
    now_s: float


class Ledger:
    """Keeps records and totals."""

    def __init__(self, clock: Clock, log_limit: int) -> None:
        """Count from now on."""
        self._clock = clock
        self._log_limit = log_limit
        self._seq = 0
        self.in_flight = 0
        self.reset()

    def reset(self) -> None:
        """Forget what ended; calls in flight go on and will be counted when they end."""
        self.log: deque[CallRecord] = deque(maxlen=self._log_limit)
        self.totals = Totals()
        self.models: dict[str, Totals] = {}
        self.neighbour: dict[str, int] = {}
        self.peak_concurrency = self.in_flight
        self.since_s: float | None = None

    def open(self, record: CallRecord) -> CallRecord:
        """A call has arrived."""
        now = self._clock()
        if self.since_s is None:
            self.since_s = now
        record.started_s = now
        self.in_flight += 1
        self.peak_concurrency = max(self.peak_concurrency, self.in_flight)
        return record

    def close(self, record: CallRecord) -> None:
        """A call has ended; its record must say how."""
        self._seq += 1
        record.seq = self._seq
        record.ended_s = self._clock()
        self.in_flight -= 1
        self.log.append(record)
        self.totals.add(record)
        if record.model:
            key = f"{record.dialect}/{record.model}"
            totals = self.models.get(key)
            if totals is None:
                totals = self.models[key] = Totals()
            totals.add(record)

    def consumed(self, dimension: Dimension, amount: int) -> None:
        """A neighbour took tokens."""
        _count(self.neighbour, str(dimension), amount)

    def since(self, seq: int) -> Iterator[CallRecord]:
        """Records after `seq`, oldest first."""
        return (r for r in self.log if r.seq > seq)

    def stats(self) -> Stats:
        """Everything counted so far."""
        now = self._clock()
        since = now if self.since_s is None else self.since_s
        return Stats(
            self.totals,
            self.models,
            self.in_flight,
            self.peak_concurrency,
            self.neighbour,
            since,
            now,
        )
