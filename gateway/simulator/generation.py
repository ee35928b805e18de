"""Producing an answer at the set speed, with the faults that strike inside it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.simulator.caching import CacheUse
from gateway.simulator.call import Call
from gateway.simulator.errors import AnswerCut, ApiError, Headers
from gateway.simulator.faults import FaultRule
from gateway.simulator.settings import SimulatorSettings

Frame = tuple[bytes, int]
"""Bytes of a stream and the output tokens that were produced for them."""

_UNARY_STEP_S = 0.05
_JUNK = b"\x00\xff{]]not json"


@dataclass(frozen=True, slots=True)
class Usage:
    """What an answer reports; differs from what was used only under a `wrong_usage` fault.

    Attributes:
        use: The input.
        output: All output tokens.
        thinking: Thinking among them.
        factor: Multiplies everything reported.
        dropped: Leave usage out.
    """

    use: CacheUse
    output: int
    thinking: int = 0
    factor: float = 1.0
    dropped: bool = False

    def of(self, tokens: int) -> int:
        """A count as reported."""
        return tokens if self.factor == 1.0 else int(tokens * self.factor)


class Generation(Protocol):
    """A whole answer, ready to be written in its dialect."""

    @property
    def stream(self) -> bool:
        """Whether to write frames or one body."""

    @property
    def content_type(self) -> bytes:
        """Of the stream."""

    @property
    def output_tokens(self) -> int:
        """All output."""

    def headers(self) -> Headers:
        """Response headers, asked for when the answer begins."""

    def frames(self) -> Iterator[Frame]:
        """The stream."""

    def body(self) -> bytes:
        """The unary answer."""

    def error_frame(self, error: ApiError) -> bytes:
        """An error inside the stream."""


def usage_of(call: Call, use: CacheUse, output: int, thinking: int) -> Usage:
    """The usage to report for a call."""
    rule = call.faults.get("wrong_usage")
    if rule is None:
        return Usage(use, output, thinking)
    return Usage(use, output, thinking, rule.factor, rule.drop)


async def generate(
    call: Call, generation: Generation, writes: Sequence[tuple[bytes, float]] = ()
) -> None:
    """Write an answer.

    Args:
        call: An admitted call.
        generation: Its answer.
        writes: Prompt-cache entries that exist once the answer begins (provider-facts A5).

    Raises:
        ClientGone: The client left; what was produced is counted.
        AnswerCut: A fault ended the answer.
    """
    state = call.state
    settings = state.settings
    if settings.ttft_s:
        await call.exchange.pause(settings.ttft_s)
    if writes:
        state.caches[call.dialect.name].store(writes, state.clock())
    pace = _Pace(settings, state.clock())
    if generation.stream:
        await _stream(call, generation, pace)
    else:
        await _unary(call, generation, pace)


class _Pace:
    """When how many tokens are due."""

    def __init__(self, settings: SimulatorSettings, start: float) -> None:
        self._tokens_per_s = settings.tokens_per_s
        self._start = start
        self._produced = 0

    def delay(self, tokens: int, now: float) -> float:
        """Seconds until `tokens` more are produced; 0 without a speed."""
        if not self._tokens_per_s:
            return 0.0
        self._produced += tokens
        return self._start + self._produced / self._tokens_per_s - now

    @property
    def step(self) -> int:
        """Tokens to produce at once when nobody watches; 0: all."""
        return int(self._tokens_per_s * _UNARY_STEP_S) + 1 if self._tokens_per_s else 0


async def _stream(call: Call, generation: Generation, pace: _Pace) -> None:
    exchange = call.exchange
    fault = call.fault_in_answer()
    await exchange.start(
        [*call.dialect.base_headers(call), *generation.headers()], generation.content_type
    )
    chunks = 0
    clock = call.state.clock
    for data, tokens in generation.frames():
        if tokens:
            if fault is not None and chunks >= fault.after_chunks:
                fault = None if await _struck(call, generation) else fault
            delay = pace.delay(tokens, clock())
            if delay > 0:
                await exchange.pause(delay)
            call.produce(tokens)
            chunks += 1
        await exchange.chunk(data)
    if fault is not None:
        await _struck(call, generation)
    await exchange.end()
    call.done()


async def _struck(call: Call, generation: Generation) -> bool:
    """Let the fault strike inside a stream; returns True if the stream goes on after it."""
    rule = call.fault_in_answer()
    if rule is None:
        return True
    call.record.error = rule.kind
    exchange = call.exchange
    if rule.kind == "hang":
        await exchange.pause(rule.delay_s)
        return True
    if rule.kind == "garbage":
        await exchange.chunk(b"data: " + _JUNK + b"\n\n")
    elif rule.kind == "error_event":
        await exchange.chunk(generation.error_frame(call.dialect.fault(rule)))
    elif rule.how != "end":
        exchange.cut(reset=rule.how == "reset")
    await exchange.end()
    raise AnswerCut


async def _unary(call: Call, generation: Generation, pace: _Pace) -> None:
    await _produce_all(call, generation.output_tokens, pace)
    exchange = call.exchange
    rule = call.fault_in_answer()
    headers = [*call.dialect.base_headers(call), *generation.headers()]
    if rule is not None:
        await _spoil(call, generation, rule, headers)
    await exchange.reply(200, generation.body(), headers)
    call.done()


async def _produce_all(call: Call, tokens: int, pace: _Pace) -> None:
    step = pace.step or tokens
    left = tokens
    while left > 0:
        now = min(step, left)
        delay = pace.delay(now, call.state.clock())
        if delay > 0:
            await call.exchange.pause(delay)
        call.produce(now)
        left -= now


async def _spoil(call: Call, generation: Generation, rule: FaultRule, headers: Headers) -> None:
    """A fault strikes a unary answer; returns only after a hang that ended."""
    call.record.error = rule.kind
    exchange = call.exchange
    if rule.kind == "hang":
        await exchange.pause(rule.delay_s)
        return
    if rule.kind == "error_event":
        raise call.dialect.fault(rule)
    if rule.kind == "garbage":
        await exchange.reply(200, _JUNK, headers)
    else:
        body = generation.body()
        await exchange.reply(200, body, headers, cut_at=len(body) // 2)
        exchange.cut(reset=rule.how == "reset")
    raise AnswerCut
