"""A change made on the command line acts on every replica within a second."""

import asyncio
from collections.abc import Callable

import httpx2

from gateway.domain.topology import Agent
from gateway.simulator import RunningSimulator
from tests.cli.conftest import Command
from tests.fixtures.gateway import (
    ADMIN_TOKEN,
    ALICE,
    KEY,
    Budget,
    gateway_settings,
    running_gateway,
)

WITHIN_S = 1.0
_LIMIT_S = 10.0
BODY = {
    "model": "claude-sonnet-5",
    "max_tokens": 20,
    "messages": [{"role": "user", "content": "hello"}],
}


async def test_a_change_acts_on_two_replicas_within_a_second(
    simulator: RunningSimulator,
    store_url: str,
    command: Command,
    record_property: Callable[[str, object], None],
) -> None:
    settings = gateway_settings(simulator.url, agents=[Agent(ALICE, budget=Budget(rpm=1000))])
    headers = {"x-api-key": KEY, "anthropic-version": "2023-06-01", "x-gateway-max-wait": "0"}
    async with (
        running_gateway(settings, store_url) as one,
        running_gateway(settings, store_url) as other,
        httpx2.AsyncClient(timeout=20, trust_env=False, headers=headers) as client,
    ):

        async def statuses() -> list[int]:
            asked = (client.post(f"{each.url}/v1/messages", json=BODY) for each in (one, other))
            return [answer.status_code for answer in await asyncio.gather(*asked)]

        assert await statuses() == [200, 200]
        told = await asyncio.to_thread(
            command, "agents", "set", ALICE, "--tpm", "1", "--url", one.url,
            env={"GATEWAY_ADMIN_TOKEN": ADMIN_TOKEN},
        )  # fmt: skip
        began_s = asyncio.get_running_loop().time()
        assert told.code == 0, told.err
        async with asyncio.timeout(_LIMIT_S):
            while await statuses() != [413, 413]:
                continue  # the calls take their time
        took_s = asyncio.get_running_loop().time() - began_s
        record_property("changed_by_command_ms", round(took_s * 1000))
        assert took_s < WITHIN_S
