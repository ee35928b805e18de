"""From finished calls to rows of the accounts, and from these to sums by group."""

from collections.abc import Iterable, Sequence
from itertools import chain, repeat
from operator import add
from typing import TypeAlias

from gateway.domain.facts import CallRecord
from gateway.domain.spending import AMOUNTS, KEYS, OTHER, Attribution, Spent, UsageQuery, UsageRow
from gateway.domain.usage import Usage

Keys: TypeAlias = tuple[str, ...]
"""A row: agent, team, provider, lane, model, and in the accounts by tag the tag."""
_MS = 1000
NOTHING = Usage()
_LANE, _MODEL = KEYS.index(Attribution.LANE), KEYS.index(Attribution.MODEL)
_TAG = len(KEYS)
_NONE = repeat(0)


def entries(record: CallRecord) -> list[tuple[Keys, list[int]]]:
    """What one call adds to the accounts, in the order of `AMOUNTS`.

    Another model's part of a call is a row of its own. Calls of which nobody knows who made them
    add nothing, nor do those that the gateway answers itself.
    """
    if not record.agent:
        return []
    keys = (record.agent, record.team or "", record.provider, record.lane, record.model)
    wait_ms = round(record.wait_s * _MS)
    if not record.attempts:
        if record.reason is None:
            return []
        return [(keys, _amounts(NOTHING, 0, refused=1, wait_ms=wait_ms))]
    usage, microusd = record.usage, record.cost_microusd
    own = _amounts(
        usage,
        microusd - sum(record.others_microusd) if record.others_microusd else microusd,
        1,
        unpriced=0 if record.priced else 1,
        wait_ms=wait_ms,
        upstream_ms=round(record.upstream_s * _MS),
    )
    if not usage.others:
        return [(keys, own)]
    others = [
        ((*keys[:_MODEL], other.model), _amounts(other.usage, microusd))
        for other, microusd in zip(usage.others, record.others_microusd, strict=False)
    ]
    return [(keys, own), *others]


def _amounts(
    usage: Usage,
    microusd: int,
    calls: int = 0,
    *,
    refused: int = 0,
    unpriced: int = 0,
    wait_ms: int = 0,
    upstream_ms: int = 0,
) -> list[int]:
    """In the order of `AMOUNTS`; this runs for each call, so nothing is looked up by name."""
    return [
        calls,
        refused,
        usage.input_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_1h_tokens,
        usage.output_tokens,
        usage.reasoning_tokens,
        microusd,
        unpriced,
        0 if usage.exact else 1,
        usage.web_searches,
        wait_ms,
        upstream_ms,
    ]


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

    def group(self, keys: Sequence[str]) -> Keys:
        """The group that a row belongs to."""
        return tuple([keys[at] for at in self._by])

    def add(self, hour_s: int, rows: Iterable[tuple[Keys, Sequence[int]]]) -> None:
        """The rows of one hour: group and amounts, of which older versions may have kept fewer."""
        bucket_s = self._query.bucket_s
        start_s = None if bucket_s is None else hour_s - hour_s % bucket_s
        for group, amounts in rows:
            place = (start_s, group)
            sums = self._sums.get(place)
            if sums is None:
                sums = self._sums[place] = [0] * len(AMOUNTS)
            sums[:] = map(add, sums, chain(amounts, _NONE))

    def rows(self) -> list[UsageRow]:
        """The groups, by time and then by name."""
        ordered = sorted(self._sums.items(), key=lambda item: (item[0][0] or 0, item[0][1]))
        return [UsageRow(start, keys, Spent(*sums)) for (start, keys), sums in ordered]
