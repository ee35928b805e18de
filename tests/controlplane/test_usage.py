"""The accounts as the admin API tells them."""

import csv
import io

import httpx2
import pytest

from gateway.domain.spending import Attribution, Spent, UsageQuery, UsageRow

from .conftest import NOW_S, Desk

DAY_S = 86_400
ROWS = [
    UsageRow(int(NOW_S), ("ann", "m"), Spent(calls=2, input_tokens=30, cost_microusd=1_500_000)),
    UsageRow(int(NOW_S), ("bob", '=cmd("x"),1'), Spent(calls=1, refused=4)),
]


async def test_rows_are_told_with_their_groups(client: httpx2.AsyncClient, desk: Desk) -> None:
    desk.used = ROWS
    answer = await client.get(
        "/admin/v1/usage?group_by=agent,model&since=&until=&bucket=1h&limit=1"
    )
    told = answer.json()
    assert (told["total"], told["next_offset"]) == (2, 1)
    item = told["items"][0]
    assert (item["start"], item["agent"], item["model"], item["team"]) == (
        "2026-11-25T00:00:00Z", "ann", "m", None,
    )  # fmt: skip
    assert (item["calls"], item["input_tokens"], item["cost_microusd"]) == (2, 30, 1_500_000)
    by = (Attribution.AGENT, Attribution.MODEL)
    assert desk.asked == [UsageQuery(NOW_S - DAY_S, NOW_S, by, 3600)]


async def test_csv_has_all_rows_and_no_formulas(client: httpx2.AsyncClient, desk: Desk) -> None:
    desk.used = ROWS
    answer = await client.get("/admin/v1/usage?group_by=agent,model&bucket=1h&format=csv&limit=1")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [(row["start"], row["agent"], row["model"], row["calls"]) for row in rows] == [
        ("2026-11-25T00:00:00Z", "ann", "m", "2"),
        ("2026-11-25T00:00:00Z", "bob", '\'=cmd("x"),1', "1"),
    ]


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", UsageQuery(NOW_S - DAY_S, NOW_S)),
        ("since=7d", UsageQuery(NOW_S - 7 * DAY_S, NOW_S)),
        (
            "since=2026-11-24&until=2026-11-24T12:00:00%2B02:00",
            UsageQuery(NOW_S - DAY_S, NOW_S - 14 * 3600),
        ),
        ("group_by=tag,%20team,tag&bucket=1d",
         UsageQuery(NOW_S - DAY_S, NOW_S, (Attribution.TAG, Attribution.TEAM), DAY_S)),
    ],
)  # fmt: skip
async def test_times_and_groups_are_understood(
    client: httpx2.AsyncClient, desk: Desk, query: str, asked: UsageQuery
) -> None:
    assert (await client.get(f"/admin/v1/usage?{query}")).status_code == 200
    assert desk.asked == [asked]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("group_by=agents", "group_by"),
        ("since=yesterday", "since"),
        ("until=1900-01-01", "until"),
        ("since=1h&until=2h", "until"),
        ("bucket=5m", "bucket"),
        ("bucket=0h", "bucket"),
        ("since=2000-01-01&bucket=1h", "bucket"),
        ("format=xml", "format"),
    ],
)
async def test_what_makes_no_sense_is_said_with_its_field(
    client: httpx2.AsyncClient, query: str, field: str
) -> None:
    answer = await client.get(f"/admin/v1/usage?{query}")
    assert answer.status_code == 422
    assert field in answer.text
