"""Rate limits of the simulated providers: pure arithmetic on an explicit `now`.

All three providers are modelled by token buckets that refill continuously. They differ in what a
request costs and when:

* Anthropic (provider-facts A4): one request, and its uncached input, on arrival; output as it is
  produced, so the output bucket may go below zero while streams run. A request is refused when
  less than one request is left, when the input bucket is below the request's uncached input, or
  when the output bucket is not above zero. A refused request costs nothing.
* OpenAI (provider-facts B5): one request and `max(requested maximum, estimate from characters)` on
  arrival. A refused request still costs a request.
* Gemini (provider-facts B12): one request and its input (cached included) on arrival.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.simulator.settings import Limits

_EPSILON = 1e-6
"""Absorbs rounding when a caller comes back exactly when it was told to."""


class Dimension(StrEnum):
    """What a limit counts, and the name under which refusals are counted."""

    REQUESTS = "requests"
    INPUT = "input_tokens"
    OUTPUT = "output_tokens"
    TOKENS = "tokens"
    CONCURRENCY = "concurrency"


@dataclass(slots=True)
class Bucket:
    """A continuously refilled bucket.

    Attributes:
        limit: Allowance per minute.
        capacity: Most it can hold.
        rate_per_s: Refill.
        level: What it held at `at`; may be below zero.
        at: When `level` was true, in seconds.
    """

    limit: int
    capacity: float
    rate_per_s: float
    level: float
    at: float

    @classmethod
    def full(cls, limit: int, minute_s: float, burst: float, now: float) -> "Bucket":
        """A full bucket; it always holds at least one unit, so that a limit of 1 lets 1 through."""
        capacity = max(1.0, limit * burst)
        return cls(limit, capacity, limit / minute_s, capacity, now)

    def refill(self, now: float) -> float:
        """Bring the level up to `now` and return it."""
        if now > self.at:
            self.level = min(self.capacity, self.level + (now - self.at) * self.rate_per_s)
            self.at = now
        return self.level

    def take(self, amount: float, now: float) -> None:
        """Take `amount`, below zero if need be."""
        self.level = self.refill(now) - amount

    def has(self, amount: float, now: float) -> bool:
        """Whether `amount` is there."""
        return self.refill(now) >= amount - _EPSILON

    def wait_s(self, amount: float, now: float) -> float:
        """Seconds until `amount` (or a full bucket, if that is less) is there."""
        missing = min(amount, self.capacity) - self.refill(now)
        if missing <= _EPSILON:
            return 0.0
        return missing / self.rate_per_s if self.rate_per_s > 0 else float("inf")

    def full_s(self, now: float) -> float:
        """Seconds until it is full."""
        return self.wait_s(self.capacity, now)


@dataclass(frozen=True, slots=True)
class Demand:
    """What a request needs on arrival.

    Attributes:
        input_tokens: Against the input limit.
        tokens: Against the combined limit.
        needs_output: The output bucket must be above zero.
    """

    input_tokens: int = 0
    tokens: int = 0
    needs_output: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request was refused.

    Attributes:
        dimension: The limit at fault.
        limit: Its allowance per minute (or calls at once).
        used: What of it is used now.
        requested: What the request needs of it.
        wait_s: Real seconds until the request would fit.
    """

    dimension: Dimension
    limit: int
    used: int
    requested: int
    wait_s: float

    @property
    def too_large(self) -> bool:
        """Whether waiting can never help."""
        return self.dimension is not Dimension.CONCURRENCY and self.requested > self.limit


class Lane:
    """The buckets of one model class of one account."""

    def __init__(
        self, limits: Limits, minute_s: float, now: float, *, refused_cost_a_request: bool = False
    ) -> None:
        """Start with all buckets full at `now`.

        Args:
            limits: What it allows.
            minute_s: Real seconds in a provider minute.
            now: Clock in seconds.
            refused_cost_a_request: OpenAI's rule (provider-facts B5).
        """
        self.limits = limits
        self.minute_s = minute_s
        self.in_flight = 0
        self._refused_cost = refused_cost_a_request

        def bucket(limit: int | None) -> Bucket | None:
            return None if limit is None else Bucket.full(limit, minute_s, limits.burst, now)

        self.requests = bucket(limits.rpm)
        self.input = bucket(limits.itpm)
        self.output = bucket(limits.otpm)
        self.tokens = bucket(limits.tpm)

    def admit(self, demand: Demand, now: float) -> Refusal | None:
        """Charge a request, or say why not; all limits or none.

        An admitted request counts as in flight until `release`.
        """
        refusal = self._refuse(demand, now)
        if refusal is not None:
            if self._refused_cost:
                self.charge_failed(now)
            return refusal
        self.charge(now, requests=1, input_tokens=demand.input_tokens, tokens=demand.tokens)
        self.in_flight += 1
        return None

    def release(self) -> None:
        """An admitted call has ended."""
        self.in_flight -= 1

    def produce(self, tokens: int, now: float) -> None:
        """Charge output that was just produced."""
        if self.output is not None:
            self.output.take(tokens, now)

    def charge_failed(self, now: float) -> None:
        """Charge a request that got no answer; it takes no more than is there."""
        if self.requests is not None:
            self.requests.take(min(1.0, max(0.0, self.requests.refill(now))), now)

    def charge(
        self,
        now: float,
        *,
        requests: int = 0,
        input_tokens: int = 0,
        output_tokens: int = 0,
        tokens: int = 0,
    ) -> None:
        """Take amounts without asking whether they are there."""
        for bucket, amount in (
            (self.requests, requests),
            (self.input, input_tokens),
            (self.output, output_tokens),
            (self.tokens, tokens),
        ):
            if bucket is not None and amount:
                bucket.take(amount, now)

    def take_available(self, dimension: Dimension, amount: int, now: float) -> int:
        """Take up to `amount` of what is there, as a neighbour on the account would."""
        bucket = self.bucket(dimension)
        if bucket is None:
            return amount
        taken = max(0, min(amount, int(bucket.refill(now) + _EPSILON)))
        bucket.take(taken, now)
        return taken

    def bucket(self, dimension: Dimension) -> Bucket | None:
        """The bucket of a dimension, if that is limited."""
        return {
            Dimension.REQUESTS: self.requests,
            Dimension.INPUT: self.input,
            Dimension.OUTPUT: self.output,
            Dimension.TOKENS: self.tokens,
            Dimension.CONCURRENCY: None,
        }[dimension]

    def _refuse(self, demand: Demand, now: float) -> Refusal | None:
        at_once = self.limits.concurrency
        if at_once is not None and self.in_flight >= at_once:
            return Refusal(Dimension.CONCURRENCY, at_once, self.in_flight, 1, self.minute_s / 60)
        return (
            _short(self.requests, Dimension.REQUESTS, 1, now)
            or _short(self.input, Dimension.INPUT, demand.input_tokens, now)
            or _short(self.tokens, Dimension.TOKENS, demand.tokens, now)
            or (self._output_used_up(now) if demand.needs_output else None)
        )

    def _output_used_up(self, now: float) -> Refusal | None:
        bucket = self.output
        if bucket is None or bucket.refill(now) > 0:
            return None
        # One token above zero is enough: output is charged as it is produced.
        return Refusal(
            Dimension.OUTPUT,
            bucket.limit,
            int(bucket.capacity - bucket.level),
            1,
            bucket.wait_s(1, now),
        )


def _short(bucket: Bucket | None, dimension: Dimension, amount: int, now: float) -> Refusal | None:
    if bucket is None or bucket.has(amount, now):
        return None
    used = int(bucket.capacity - bucket.level)
    return Refusal(dimension, bucket.limit, used, amount, bucket.wait_s(amount, now))
