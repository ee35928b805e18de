"""What the lanes carry, from the accounts and the limits in force."""

import httpx2
import pytest

from gateway.core.observed import GROUPS
from gateway.domain.spending import Spent, UsageQuery, UsageRow

from .conftest import NOW_S, Desk
from .test_routes import lane

HOUR_S = 3600
SPENT = Spent(
    calls=60, input_tokens=60_000, cache_read_tokens=540_000, output_tokens=30_000,
    cost_microusd=1_000_000, upstream_ms=600_000,
)  # fmt: skip


def row(agent: str, hour: int, spent: Spent = SPENT, model: str = "m") -> UsageRow:
    return UsageRow(int(NOW_S) - hour * HOUR_S, ("sonnet", "claude", model, agent), spent)


@pytest.fixture
def worked(desk: Desk) -> Desk:
    """Two agents that called once a minute, one of them in two hours, in a lane of 30 a minute."""
    desk.call(lane("sonnet", limits=[30, 90_000, -1, -1], concurrency=6))
    desk.used = [row("ann", 0), row("ann", 1), row("bob", 0), row("zoe", 0, Spent(refused=9))]
    return desk


async def test_a_lane_carries_what_its_limits_allow(
    client: httpx2.AsyncClient, worked: Desk
) -> None:
    told = (await client.get("/admin/v1/capacity?hours=2")).json()["items"]
    assert worked.asked == [UsageQuery(NOW_S - HOUR_S, NOW_S, GROUPS, HOUR_S)]
    (found,) = told
    assert (found["lane"], found["agents"], found["calls"]) == ("sonnet", 2, 180)
    assert found["per_minute"] == 1.0  # 180 calls in three hours of one agent each
    assert found["call"] == {
        "input_tokens": 1000.0, "cache_read_tokens": 9000.0, "cache_write_tokens": 0.0,
        "output_tokens": 500.0, "duration_s": 10.0,
    }  # fmt: skip
    assert found["cache_hit_ratio"] == 0.9
    # Configured margin of 1 %: 29.7 a minute; 6 places of 10 s carry 36; 89,100 / 1,000 is 89.1.
    assert (found["binding"], found["sustainable_agents"]) == ("rpm", 29)
    assert [one["dimension"] for one in found["limits"]] == ["rpm", "concurrency", "itpm"]
    assert found["limits"][1]["agents"] == pytest.approx(36)
    assert found["limits"][0]["load"] == pytest.approx(2 / 29.7)
    # $3 in one hour and a new one; without the cache 1,620,000 tokens cost no less for being read.
    assert found["month_microusd"] == 3_000_000 * 730
    assert found["month_uncached_microusd"] == found["month_microusd"]


async def test_one_agent_too_many_waits_without_end(
    client: httpx2.AsyncClient, worked: Desk
) -> None:
    del worked
    (found,) = (await client.get("/admin/v1/capacity?agents=29")).json()["items"]
    first = found["limits"][0]
    assert first["wait_s"] > 0
    assert first["wait_with_one_more_s"] is None


async def test_nothing_is_known_of_lanes_that_nobody_called(
    client: httpx2.AsyncClient, desk: Desk
) -> None:
    desk.used = [row("zoe", 0, Spent(refused=9))]
    assert (await client.get("/admin/v1/capacity")).json()["items"] == []


async def test_a_month_is_told_with_routing_and_batches(
    client: httpx2.AsyncClient, worked: Desk
) -> None:
    del worked
    query = "hours=2&route_to=cheap&route_share=0.5&batch_share=0.4"
    (found,) = (await client.get(f"/admin/v1/capacity?{query}")).json()["items"]
    month = found["month_microusd"]
    # At $1 and $1 a call of 10,000 + 500 tokens costs 10,500 micro-dollars; 180 calls an hour.
    cheap = 180 * 730 * 10_500
    assert found["month_routed_microusd"] == (month + cheap) / 2
    assert found["month_batched_microusd"] == pytest.approx(month * 0.8)
    assert found["month_all_microusd"] == pytest.approx((month + cheap) / 2 * 0.8)


async def test_a_model_without_a_price_is_nowhere_to_go(
    client: httpx2.AsyncClient, worked: Desk
) -> None:
    del worked
    answer = await client.get("/admin/v1/capacity?route_to=unheard-of")
    assert answer.status_code == 422
    assert "route_to" in answer.text
