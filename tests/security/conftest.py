"""A gateway for the attacks of a whole module: what fails must leave nothing behind."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from gateway.simulator import start_simulator
from tests.fixtures.gateway import gateway_settings, running_gateway
from tests.fixtures.simulator import UNLIMITED
from tests.fixtures.valkey import ValkeyProcess
from tests.security.wire import Fort

CAPTURED = 50


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fort(valkey_server: ValkeyProcess) -> AsyncIterator[Fort]:
    valkey_server.flush()
    async with (
        start_simulator(replace(UNLIMITED, capture=CAPTURED)) as simulator,
        running_gateway(gateway_settings(simulator.url), valkey_server.url) as gateway,
    ):
        yield Fort(gateway, simulator)
