"""What the store knows, as metrics, over the model of admission."""

import asyncio
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from gateway.domain.topology import Team
from gateway.telemetry.stored import StoredFigures
from tests.controlplane.conftest import NOW_S, Desk
from tests.controlplane.test_routes import CHARGE, arrive, lane

LIMITS = {"limits": [5, 1000, 4, 20_000_000, -1], "soft": 0, "minute_us": 60_000_000}


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.topology = replace(desk.topology, teams={"red": Team("red")})
    return desk


def reader(desk: Desk, *, up: bool = True) -> StoredFigures:
    return StoredFigures(desk, lambda: desk.topology, desk, lambda: up)


async def figures(desk: Desk) -> dict[str, float]:
    collector = await reader(desk).read()
    assert collector is not None
    registry = CollectorRegistry()
    registry.register(collector)
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


async def test_lanes_show_limits_levels_queues_and_a_ledger_that_sums(desk: Desk) -> None:
    desk.call(lane("sonnet", concurrency=1), arrive("req_0", "zoe"), arrive("req_1", "ann", 1))
    seen = await figures(desk)
    rpm = '{dimension="rpm",lane="sonnet"}'
    assert seen["gateway_lane_limit" + rpm] == 10
    assert seen["gateway_lane_held" + rpm] == 1
    assert 0 < seen["gateway_lane_saturation_ratio" + rpm] < 1
    assert seen["gateway_lane_blocked" + rpm] == 0
    assert seen['gateway_lane_saturation_ratio{dimension="concurrency",lane="sonnet"}'] == 1
    assert seen['gateway_queue_depth{lane="sonnet",priority="urgent"}'] == 1
    assert seen['gateway_queue_depth{lane="sonnet",priority="normal"}'] == 0
    assert seen['gateway_queue_agents{lane="sonnet",priority="urgent"}'] == 1
    desk.call(["settle", "req_0", "sonnet", CHARGE])
    seen = await figures(desk)
    entries = {
        entry: seen.get(
            'gateway_lane_ledger_total{dimension="rpm",entry="' + entry + '",lane="sonnet"}', 0
        )
        for entry in ("reserved", "settled", "released", "expired")
    }
    assert entries["settled"] == 1
    held = seen["gateway_lane_held" + rpm]
    assert entries.pop("reserved") == sum(entries.values()) + held == 2


async def test_the_drift_of_a_lane_is_shown_for_each_dimension(desk: Desk) -> None:
    """Field note 12: ours minus theirs, as the last answer told it."""
    desk.call(lane("sonnet", limits=[10, 1000, -1, -1]), arrive("req_0", "zoe"))
    desk.call(["head", "other", "sonnet", [[1, -1, 9, 1], [2, -1, 300, 1]]])
    seen = await figures(desk)
    assert seen['gateway_lane_drift{dimension="rpm",lane="sonnet"}'] == 0
    assert seen['gateway_lane_drift{dimension="itpm",lane="sonnet"}'] == 600


async def test_a_block_a_pause_and_a_floor_are_states(desk: Desk) -> None:
    desk.call(lane("sonnet", floors=[0, 0.5, 0.95]), arrive("req_0", "zoe"))
    seen = await figures(desk)
    assert seen['gateway_lane_band_shut{lane="sonnet",priority="background"}'] == 1
    assert seen['gateway_lane_band_shut{lane="sonnet",priority="urgent"}'] == 0
    desk.call(["block", "sonnet", [1], 5_000_000], ["pause", "sonnet"])
    seen = await figures(desk)
    assert seen['gateway_lane_blocked{dimension="rpm",lane="sonnet"}'] == 1
    assert seen['gateway_lane_blocked{dimension="all",lane="sonnet"}'] == 0
    assert seen['gateway_lane_paused{lane="sonnet"}'] == 1


async def test_budgets_show_their_limits_and_what_is_used_in_base_units(desk: Desk) -> None:
    desk.call(lane("sonnet"), ["configure", "agent:ann", LIMITS], ["configure", "team:red", LIMITS])
    desk.call(arrive("req_0", "ann"), ["settle", "req_0", "sonnet", [1, 0, 0, 0, 60, 40, 500_000]])
    seen = await figures(desk)

    def used(scope: str, name: str, dimension: str) -> tuple[float, float]:
        labels = f'{{dimension="{dimension}",name="{name}",scope="{scope}"}}'
        return seen["gateway_budget_used" + labels], seen["gateway_budget_limit" + labels]

    assert used("agent", "ann", "rpm") == (1, 5)
    assert used("agent", "ann", "tpm") == (100, 1000)
    assert used("agent", "ann", "concurrency") == (0, 4)
    assert used("agent", "ann", "usd_per_day") == (0.5, 20)
    assert used("team", "red", "tpm") == (100, 1000)
    assert not [name for name in seen if "usd_per_month" in name]


async def test_a_silent_store_leaves_them_out(desk: Desk) -> None:
    assert await reader(desk, up=False).read() is None
    desk.silent = True
    assert await reader(desk).read() is None


async def test_whoever_asks_within_a_second_gets_the_same_answer(desk: Desk) -> None:
    asked = reader(desk)
    first, second = await asyncio.gather(asked.read(), asked.read())
    assert first is second
    assert await asked.read() is first
    assert desk.monotonic() == NOW_S
