"""A provider's account: real token buckets by its own rules, its headers, its 429s.

The buckets are those of `gateway.simulator`, which shares no code with the gateway. A neighbour on
the same account takes from them unannounced.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from gateway.domain.limits import Dimension, Headroom
from gateway.simulator.limits import Demand, Lane
from gateway.simulator.limits import Dimension as Limited
from gateway.simulator.settings import Limits

ANTHROPIC, OPENAI, GEMINI = "anthropic", "openai", "gemini"
DIMENSIONS = {
    Limited.REQUESTS: Dimension.RPM,
    Limited.INPUT: Dimension.ITPM,
    Limited.OUTPUT: Dimension.OTPM,
    Limited.TOKENS: Dimension.TPM,
    Limited.CONCURRENCY: Dimension.CONCURRENCY,
}
_ROUNDED = {Limited.INPUT, Limited.OUTPUT}
"""Anthropic rounds what is left of tokens to 1,000 (provider-facts A4)."""
_BUCKETS = (Limited.REQUESTS, Limited.INPUT, Limited.OUTPUT, Limited.TOKENS)
_GONE_S = 0.01
"""How long the provider goes on before it notices that the gateway has left."""


@dataclass(frozen=True, slots=True)
class Request:
    """What one call really is.

    Attributes:
        on_arrival: What the provider counts as `tpm` on arrival (OpenAI).
    """

    ticket: str
    input_tokens: int
    output_tokens: int
    on_arrival: int = 0


@dataclass(frozen=True, slots=True)
class Answer:
    """The head of an answer.

    Attributes:
        refused: The limit that a 429 names, or `None`.
        retry_after_s: With a 429.
        headroom: What the headers say.
    """

    refused: Dimension | None
    retry_after_s: float
    headroom: tuple[Headroom, ...]


@dataclass(frozen=True, slots=True)
class Overrun:
    """A 429: by how much the call did not fit."""

    at_s: float
    ticket: str
    dimension: Dimension
    missing: float
    limit: int


class Provider:
    """One account with one lane."""

    def __init__(
        self, dialect: str, limits: Limits, rng: random.Random, *, headers_on_arrival: bool
    ) -> None:
        loop = asyncio.get_running_loop()
        self.dialect = dialect
        self.limits = limits
        self._rng = rng
        self._loop = loop
        self._on_arrival = headers_on_arrival
        self._lane = Lane(limits, 60.0, loop.time(), refused_cost_a_request=dialect == OPENAI)
        self.overruns: list[Overrun] = []
        self.accepted = 0
        self.used: Counter[Dimension] = Counter()
        """By us and by the neighbour."""
        self.neighbour: list[tuple[float, Dimension, int]] = []

    async def send(self, request: Request) -> Answer:
        """A call goes out; its answer's head comes back."""
        await asyncio.sleep(self._rng.uniform(0.005, 0.08))
        refusal = self._lane.admit(self._demand(request), self._loop.time())
        if refusal is not None:
            missing = refusal.requested - (refusal.limit - refusal.used)
            dimension = DIMENSIONS[refusal.dimension]
            now_s = self._loop.time()
            self.overruns.append(Overrun(now_s, request.ticket, dimension, missing, refusal.limit))
            await asyncio.sleep(self._rng.uniform(0.005, 0.08))
            return Answer(dimension, refusal.wait_s, self._headroom())
        self.accepted += 1
        self.used[Dimension.RPM] += 1
        self.used[Dimension.ITPM] += request.input_tokens
        self.used[Dimension.TPM] += request.on_arrival
        told = self._headroom()
        try:
            await asyncio.sleep(self._rng.uniform(0.2, 1.5))
            if not self._on_arrival:
                told = self._headroom()
            await asyncio.sleep(self._rng.uniform(0.005, 0.05))
        except BaseException:
            self._gone()
            raise
        return Answer(None, 0.0, told)

    async def stream(self, request: Request) -> AsyncGenerator[int, None]:
        """The output so far, as it grows. Close it to hang up."""
        done = 0
        try:
            while done < request.output_tokens:
                await asyncio.sleep(self._rng.uniform(0.5, 2.0))
                more = min(self._rng.randrange(40, 200), request.output_tokens - done)
                self._lane.produce(more, self._loop.time())
                self.used[Dimension.OTPM] += more
                done += more
                yield done
        finally:
            self._gone()

    def _gone(self) -> None:
        self._loop.call_later(_GONE_S, self._lane.release)

    def take_as_neighbour(self, requests: int, tokens: int) -> None:
        """Somebody else uses the account."""
        now_s = self._loop.time()
        for limited, amount in (
            (Limited.REQUESTS, requests),
            (Limited.INPUT, tokens),
            (Limited.OUTPUT, tokens // 10),
            (Limited.TOKENS, tokens),
        ):
            if self._lane.bucket(limited) is not None:
                taken = self._lane.take_available(limited, amount, now_s)
                self.used[DIMENSIONS[limited]] += taken
                self.neighbour.append((now_s, DIMENSIONS[limited], taken))

    def saturation(self, before: Counter[Dimension], for_s: float) -> float:
        """The used share of the limit that was used most, since `before`."""
        shares = [0.0]
        for limited in _BUCKETS:
            bucket = self._lane.bucket(limited)
            if bucket is not None:
                dimension = DIMENSIONS[limited]
                used = self.used[dimension] - before[dimension]
                shares.append(used / (bucket.limit * for_s / 60.0))
        return max(shares)

    def _demand(self, request: Request) -> Demand:
        return Demand(
            input_tokens=request.input_tokens,
            tokens=request.on_arrival,
            needs_output=self.dialect == ANTHROPIC,
        )

    def _headroom(self) -> tuple[Headroom, ...]:
        if self.dialect == GEMINI:
            return ()
        now_s = self._loop.time()
        told = []
        for limited in _BUCKETS:
            bucket = self._lane.bucket(limited)
            if bucket is None:
                continue
            left = max(0, int(bucket.refill(now_s)))
            granularity = 1000 if self.dialect == ANTHROPIC and limited in _ROUNDED else 1
            left = round(left / granularity) * granularity
            told.append(Headroom(DIMENSIONS[limited], bucket.limit, left, granularity))
        return tuple(told)
