"""Usage as the Messages API reports it (provider-facts A2), and unary answers."""

from dataclasses import replace

import msgspec

from gateway.dialects.tap import Seen
from gateway.domain.usage import ModelUsage, Usage


class CacheCreation(msgspec.Struct):
    """How the tokens written to the cache divide by lifetime."""

    ephemeral_1h_input_tokens: int | None = None


class OutputDetails(msgspec.Struct):
    """What the output consists of."""

    thinking_tokens: int | None = None


class ServerTools(msgspec.Struct):
    """What tools that the provider runs were used for."""

    web_search_requests: int | None = None


class Iteration(msgspec.Struct):
    """One of several model runs inside a call."""

    type: str = ""
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None


class Reported(msgspec.Struct):
    """A `usage` object; what is absent was not told."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation: CacheCreation | None = None
    output_tokens_details: OutputDetails | None = None
    server_tool_use: ServerTools | None = None
    inference_geo: str | None = None
    service_tier: str | None = None
    speed: str | None = None
    iterations: list[Iteration] | None = None


class Answer(msgspec.Struct):
    """A whole message, or the beginning of one in `message_start`."""

    model: str = ""
    usage: Reported | None = None


_ANSWER = msgspec.json.Decoder(Answer)
_ANY = msgspec.json.Decoder(msgspec.Raw)


class Account:
    """Adds up what one call reports of its usage, in one piece or in several.

    Later counts are cumulative and replace earlier ones; what they leave out stays (facts A2).
    Compaction runs are billed but are not part of the totals, so they are added. An advisor's runs
    are another model's and are not part of the totals either. Where models declined before a
    fallback answered, the totals hold the runs of all of them, if the runs add up to the totals;
    then each model gets its own.
    """

    __slots__ = ("_long_cache", "_told", "served_by")

    def __init__(self, *, long_cache: bool = False) -> None:
        """`long_cache` says that the call marked its prompt for the one-hour cache.

        It decides for tokens of which the provider does not tell the lifetime.
        """
        self._long_cache = long_cache
        self._told = Reported()
        self.served_by = ""
        """The fallback model that answered in place of the one asked for; empty if none did."""

    def add(self, usage: Reported) -> Usage:
        """Take the next report; return the usage as known now."""
        told = self._told
        for field in _FIELDS:
            value = getattr(usage, field)
            if value is not None:
                setattr(told, field, value)
        for run in told.iterations or ():
            if run.type == "fallback_message" and run.model:
                self.served_by = run.model
        total = self._total()
        return total if told.iterations is None else self._divided(total, told.iterations)

    def _total(self) -> Usage:
        told = self._told
        compactions = [run for run in told.iterations or () if run.type == "compaction"]
        written = _count(told.cache_creation_input_tokens)
        details, tools = told.output_tokens_details, told.server_tool_use
        return Usage(
            input_tokens=_count(told.input_tokens) + sum(run.input_tokens for run in compactions),
            cache_read_tokens=_count(told.cache_read_input_tokens)
            + sum(_count(run.cache_read_input_tokens) for run in compactions),
            cache_write_tokens=written
            + sum(_count(run.cache_creation_input_tokens) for run in compactions),
            cache_write_1h_tokens=self._long(written, told.cache_creation)
            + sum(
                self._long(_count(run.cache_creation_input_tokens), run.cache_creation)
                for run in compactions
            ),
            output_tokens=_count(told.output_tokens)
            + sum(run.output_tokens for run in compactions),
            reasoning_tokens=0 if details is None else _count(details.thinking_tokens),
            service_tier=_tier(told),
            us_only=told.inference_geo == "us",
            web_searches=0 if tools is None else _count(tools.web_search_requests),
        )

    def _divided(self, total: Usage, iterations: list[Iteration]) -> Usage:
        """The same, with what other models used told apart."""
        others: dict[str, Usage] = {}
        for run in iterations:
            if run.type == "advisor_message" and run.model:
                _add(others, run.model, self._run(run, total))
        runs = [run for run in iterations if run.type in _ANSWERING]
        declined = [run for run in runs if run.model and run.model != self.served_by]
        if self.served_by and declined and self._adds_up(runs):
            for run in declined:
                used = self._run(run, total)
                total = _less(total, used)
                _add(others, run.model or "", used)
        if not others:
            return total
        return replace(total, others=tuple(ModelUsage(*one) for one in others.items()))

    def _adds_up(self, runs: list[Iteration]) -> bool:
        told = self._told
        return sum(run.input_tokens for run in runs) == _count(told.input_tokens) and sum(
            run.output_tokens for run in runs
        ) == _count(told.output_tokens)

    def _run(self, run: Iteration, total: Usage) -> Usage:
        written = _count(run.cache_creation_input_tokens)
        return Usage(
            input_tokens=_count(run.input_tokens),
            cache_read_tokens=_count(run.cache_read_input_tokens),
            cache_write_tokens=written,
            cache_write_1h_tokens=self._long(written, run.cache_creation),
            output_tokens=_count(run.output_tokens),
            service_tier=total.service_tier,
            us_only=total.us_only,
        )

    def _long(self, written: int, split: CacheCreation | None) -> int:
        """The long-lived part of so many tokens; the split may be older than the total."""
        if split is None or split.ephemeral_1h_input_tokens is None:
            return written if self._long_cache else 0
        return min(split.ephemeral_1h_input_tokens, written)


_FIELDS = Reported.__struct_fields__
_ANSWERING = frozenset({"message", "fallback_message"})


def _add(others: dict[str, Usage], model: str, used: Usage) -> None:
    known = others.get(model)
    others[model] = used if known is None else _plus(known, used, 1)


def _less(total: Usage, used: Usage) -> Usage:
    return _plus(total, used, -1)


def _plus(one: Usage, other: Usage, sign: int) -> Usage:
    return replace(
        one,
        input_tokens=max(0, one.input_tokens + sign * other.input_tokens),
        cache_read_tokens=max(0, one.cache_read_tokens + sign * other.cache_read_tokens),
        cache_write_tokens=max(0, one.cache_write_tokens + sign * other.cache_write_tokens),
        cache_write_1h_tokens=max(
            0, one.cache_write_1h_tokens + sign * other.cache_write_1h_tokens
        ),
        output_tokens=max(0, one.output_tokens + sign * other.output_tokens),
    )


def _count(tokens: int | None) -> int:
    return max(0, tokens or 0)


def _tier(told: Reported) -> str:
    """Fast mode has prices and limits of its own, like a tier (facts A4, A6)."""
    return "fast" if told.speed == "fast" else told.service_tier or ""


def read_message(seen: Seen, body: bytes, *, long_cache: bool = False) -> None:
    """Read a unary answer of `/v1/messages`."""
    try:
        answer = _ANSWER.decode(body)
    except (ValueError, RecursionError):
        seen.complete = is_whole(body)
        return
    seen.complete = True
    seen.model = answer.model
    if answer.usage is not None:
        account = Account(long_cache=long_cache)
        seen.usage = account.add(answer.usage)
        seen.model = account.served_by or seen.model


def read_count(seen: Seen, body: bytes) -> None:
    """Read an answer of `count_tokens`, which uses no tokens (facts A7)."""
    seen.complete = is_whole(body)
    seen.usage = Usage()


def is_whole(body: bytes) -> bool:
    """Whether a body is one whole JSON value."""
    try:
        _ANY.decode(body)
    except (ValueError, RecursionError):
        return False
    return True
