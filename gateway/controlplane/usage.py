"""`/admin/v1/usage`: what was used and what it cost, by agent, team, model, lane, provider, tag."""

import csv
import io
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from gateway.domain.spending import AMOUNTS, HOUR_S, Attribution, UsageQuery, UsageRow

from .paging import Limit, Offset, page
from .parts import AdminParts, parts_of
from .problems import FieldFault, Unfit
from .roles import Viewer

router = APIRouter(tags=["usage"])
CSV = "text/csv"
_DAY_S = 86_400
_UNITS_S = {"h": HOUR_S, "d": _DAY_S, "w": 7 * _DAY_S}
_MOST_BUCKETS = 10_000


class Format(StrEnum):
    """How the answer is written."""

    JSON = "json"
    CSV = "csv"


class Usage(BaseModel):
    """Sums over the calls of one group and time bucket."""

    start: datetime | None = Field(None, description="Of the time bucket; null without `bucket`.")
    agent: str | None = Field(None, description="Null unless grouped by it, like the next five.")
    team: str | None = Field(None, description="Empty: the agent has none.")
    model: str | None = Field(None, description="The model called; `other`: too many to tell.")
    lane: str | None = None
    provider: str | None = None
    tag: str | None = Field(None, description="`KEY=VALUE` of `x-gateway-tag`.")
    calls: int = Field(description="Calls that reached a provider.")
    refused: int = Field(description="Calls that the gateway itself refused.")
    input_tokens: int = Field(description="Fresh input: neither read from a cache nor written.")
    cache_read_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int = Field(description="Written for the long time; part of the above.")
    output_tokens: int = Field(description="Reasoning included.")
    reasoning_tokens: int
    cost_microusd: int = Field(description="Millionths of a dollar.")
    unpriced: int = Field(description="Calls of whose model nobody knows the price.")
    estimated: int = Field(description="Calls of which the provider told no usage.")
    web_searches: int
    wait_ms: int = Field(description="Time in the queue, all calls together.")
    upstream_ms: int = Field(description="Time at the provider, all calls together.")


class UsagePage(BaseModel):
    """A part of the accounts."""

    since: datetime = Field(description="Begin of the first hour counted.")
    until: datetime
    items: list[Usage]
    total: int = Field(description="How many items there are on all pages together.")
    next_offset: int | None = Field(description="`offset` of the next page; null on the last.")


def _query(
    parts: Annotated[AdminParts, Depends(parts_of)],
    group_by: Annotated[
        str, Query(description="Any of agent, team, model, lane, provider, tag; commas between.")
    ] = "",
    since: Annotated[
        str, Query(description="A time (ISO 8601; UTC if it does not say), or how long ago: `24h`.")
    ] = "24h",
    until: Annotated[str, Query(description="Like `since`; empty: now.")] = "",
    bucket: Annotated[
        str, Query(description="Length of time buckets: `1h`, `6h`, `1d`; empty: all in one.")
    ] = "",
) -> UsageQuery:
    now_s = parts.clock.wall()
    query = UsageQuery(
        since_s=_time("since", since or "24h", now_s),
        until_s=_time("until", until, now_s) if until else now_s,
        by=_groups(group_by),
        bucket_s=_length("bucket", bucket) if bucket else None,
    )
    if query.until_s < query.since_s:
        raise _unfit("until", "is before since")
    if query.bucket_s and (query.until_s - query.since_s) / query.bucket_s > _MOST_BUCKETS:
        raise _unfit("bucket", f"would give more than {_MOST_BUCKETS} buckets")
    return query


@router.get(
    "/usage",
    summary="What was used and what it cost",
    response_model=UsagePage,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}},
)
async def get_usage(
    by: Viewer,
    parts: Annotated[AdminParts, Depends(parts_of)],
    query: Annotated[UsageQuery, Depends(_query)],
    format: Annotated[Format, Query(description="`csv` gives all rows at once.")] = Format.JSON,
    limit: Limit = 100,
    offset: Offset = 0,
) -> Response:
    """Sums by group and time bucket, kept by the hour; the last second may be missing.

    By tag, a call counts with each of its tags, and one without any does not.
    """
    rows = await parts.accounts.rows(query)
    if format is Format.CSV:
        return Response(_csv(query, rows), media_type=CSV)
    some = page(rows, limit, offset)
    found = UsagePage(
        since=datetime.fromtimestamp(query.since_s // HOUR_S * HOUR_S, UTC),
        until=datetime.fromtimestamp(query.until_s, UTC),
        items=[_shown(query, row) for row in some.items],
        total=some.total,
        next_offset=some.next_offset,
    )
    return JSONResponse(found.model_dump(mode="json"))


def _shown(query: UsageQuery, row: UsageRow) -> Usage:
    keys = {one.value: key for one, key in zip(query.by, row.keys, strict=True)}
    amounts = {name: getattr(row.spent, name) for name in AMOUNTS}
    return Usage.model_validate({"start": _start(row), **keys, **amounts})


def _start(row: UsageRow) -> datetime | None:
    return None if row.start_s is None else datetime.fromtimestamp(row.start_s, UTC)


def _csv(query: UsageQuery, rows: Sequence[UsageRow]) -> str:
    text = io.StringIO()
    writer = csv.writer(text)
    time = [] if query.bucket_s is None else ["start"]
    writer.writerow([*time, *(one.value for one in query.by), *AMOUNTS])
    for row in rows:
        start = _start(row)
        stamp = [] if start is None else [start.isoformat().replace("+00:00", "Z")]
        writer.writerow([*stamp, *(_cell(key) for key in row.keys), *row.spent.amounts()])
    return text.getvalue()


def _cell(name: str) -> str:
    """A name that no spreadsheet takes for a formula: callers make model names up."""
    return f"'{name}" if name[:1] in {"=", "+", "-", "@", "\t", "\r"} else name


def _groups(text: str) -> tuple[Attribution, ...]:
    found: dict[Attribution, None] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        try:
            found[Attribution(word)] = None
        except ValueError:
            known = ", ".join(Attribution)
            raise _unfit("group_by", f"{word[:40]!r} is not one of {known}") from None
    return tuple(found)


def _time(name: str, text: str, now_s: float) -> float:
    if re.fullmatch(r"\d{1,5}[hdw]", text):
        return now_s - _length(name, text)
    try:
        found = datetime.fromisoformat(text)
        at_s = (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        raise _unfit(name, "is neither a time like 2026-11-25T10:00Z nor a span like 24h") from None
    if not 0 <= at_s <= now_s + timedelta(days=3650).total_seconds():
        raise _unfit(name, "is out of the world")
    return at_s


def _length(name: str, text: str) -> int:
    match = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if match is None or not int(match[1]):
        raise _unfit(name, "is not whole hours, days or weeks, like 1h, 6h, 1d or 2w")
    return int(match[1]) * _UNITS_S[match[2]]


def _unfit(field: str, message: str) -> Unfit:
    return Unfit([FieldFault(field=field, message=message)])
