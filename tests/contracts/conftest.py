"""Two ways to the same simulated providers: straight, and through a gateway.

Both live for a whole module, since a scenario leaves nothing behind that `Ground.fresh` does not
take away.
"""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest_asyncio

from gateway.simulator import start_simulator
from tests.contracts import translated as translation
from tests.contracts.ground import Ground, Target
from tests.fixtures.gateway import KEY, gateway_settings, running_gateway
from tests.fixtures.simulator import UNLIMITED
from tests.fixtures.valkey import ValkeyProcess

MAX_BODY_BYTES = 512 * 1024
"""Small, so that a body over it is cheap. The gateway's own bound is far above."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ground(valkey_server: ValkeyProcess) -> AsyncIterator[Ground]:
    valkey_server.flush()
    behaviour = replace(UNLIMITED, max_body_bytes=MAX_BODY_BYTES, mean_output_tokens=40)
    async with (
        start_simulator(behaviour) as simulator,
        running_gateway(gateway_settings(simulator.url), valkey_server.url) as gateway,
    ):
        targets = {
            "direct": Target(simulator.url, dict(behaviour.keys)),
            "gateway": Target(gateway.url, dict.fromkeys(behaviour.keys, KEY)),
        }
        ground = Ground(simulator, targets)
        try:
            yield ground
        finally:
            await ground.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def translated(valkey_server: ValkeyProcess) -> AsyncIterator[translation.Ground]:
    valkey_server.flush()
    async with translation.translating(valkey_server.url) as ground:
        yield ground
