"""From finished calls to rows of the accounts, and from these to sums by group."""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

from gateway.domain.facts import CallRecord
from gateway.domain.spending import AMOUNTS, KEYS, OTHER, Attribution, Spent, UsageQuery, UsageRow
from gateway.domain.usage import Usage

Keys: TypeAlias = tuple[str, ...]
"""A row: agent, team, provider, lane, model, and in the accounts by tag the tag."""
_MS = 1000
_LANE, _MODEL = KEYS.index(Attribution.LANE), KEYS.index(Attribution.MODEL)
_TAG = len(KEYS)


def entries(record: CallRecord) -> Iterator[tuple[Keys, Spent]]:
    """What one call adds to the accounts; another model's part of it is a row of its own.

    Calls of which nobody knows who made them add nothing, nor do those the gateway answers itself.
    """
    if not record.agent:
        return
    keys = (record.agent, record.team or "", record.provider, record.lane, record.model)
    if not record.attempts:
        if record.reason is not None:
            yield keys, Spent(refused=1, wait_ms=round(record.wait_s * _MS))
        return
    usage = record.usage
    yield (
        keys,
        _spent(
            usage,
            record.cost_microusd - sum(record.others_microusd),
            calls=1,
            unpriced=not record.priced,
            wait_s=record.wait_s,
            upstream_s=record.upstream_s,
        ),
    )
    for other, microusd in zip(usage.others, record.others_microusd, strict=False):
        yield (*keys[:_MODEL], other.model), _spent(other.usage, microusd)


def _spent(
    usage: Usage,
    microusd: int,
    calls: int = 0,
    *,
    unpriced: bool = False,
    wait_s: float = 0.0,
    upstream_s: float = 0.0,
) -> Spent:
    return Spent(
        calls=calls,
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        cache_write_1h_tokens=usage.cache_write_1h_tokens,
        output_tokens=usage.output_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_microusd=microusd,
        unpriced=int(unpriced),
        estimated=int(not usage.exact),
        web_searches=usage.web_searches,
        wait_ms=round(wait_s * _MS),
        upstream_ms=round(upstream_s * _MS),
    )


def folded(keys: Keys) -> Keys:
    """The row of those that get none of their own: what callers can make up is left out."""
    tag = (OTHER,) if len(keys) > _TAG else ()
    return (*keys[:_LANE], OTHER, OTHER, *tag)


class Sums:
    """Adds rows up by group and time bucket."""

    def __init__(self, query: UsageQuery) -> None:
        self._query = query
        self._by = [_TAG if one is Attribution.TAG else KEYS.index(one) for one in query.by]
        self._sums: dict[tuple[int | None, Keys], list[int]] = {}

    def add(self, hour_s: int, rows: Iterable[tuple[Sequence[str], Sequence[int]]]) -> None:
        """The rows of one hour."""
        bucket_s = self._query.bucket_s
        start_s = None if bucket_s is None else hour_s - hour_s % bucket_s
        for keys, amounts in rows:
            group = (start_s, tuple([keys[at] for at in self._by]))
            sums = self._sums.get(group)
            if sums is None:
                sums = self._sums[group] = [0] * len(AMOUNTS)
            for at, amount in enumerate(amounts):
                sums[at] += amount

    def rows(self) -> list[UsageRow]:
        """The groups, by time and then by name."""
        ordered = sorted(self._sums.items(), key=lambda item: (item[0][0] or 0, item[0][1]))
        return [UsageRow(start, keys, Spent(*sums)) for (start, keys), sums in ordered]
