"""The fleet at work through a gateway that runs already."""

import asyncio
from pathlib import Path

from gateway.cli.demo.fleet import fleet
from gateway.simulator import RunningSimulator
from tests.cli.gateway_command import gateway
from tests.fixtures.gateway import gateway_settings, running_gateway


async def test_the_agents_of_the_fleet_call_with_their_own_keys(
    simulator: RunningSimulator, store_url: str, tmp_path: Path
) -> None:
    settings = gateway_settings(simulator.url, agent_keys={one.name: one.key for one in fleet(10)})
    async with running_gateway(settings, store_url) as running:
        done = await asyncio.to_thread(
            gateway, "demo", "--through", running.url, "--seconds", "2", folder=tmp_path
        )
    assert done.code == 0, done.err
    assert ", 0 failed" in done.err
    tasks = {record.client.partition("/")[0] for record in simulator.state.ledger.since(0)}
    assert tasks <= {one.name for one in fleet(10)}
    assert len(tasks) >= 5  # some pause for longer than these two seconds


async def test_a_gateway_that_does_not_know_the_fleet_is_told_of(
    simulator: RunningSimulator, store_url: str, tmp_path: Path
) -> None:
    async with running_gateway(gateway_settings(simulator.url), store_url) as running:
        done = await asyncio.to_thread(
            gateway,
            *("demo", "--through", running.url, "--seconds", "2", "--agents", "1"),
            folder=tmp_path,
        )
    assert done.code != 0
    assert "no call was answered" in done.err
