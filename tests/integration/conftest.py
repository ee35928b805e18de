"""A gateway before a provider that echoes, for a whole module: the tests are about bytes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest_asyncio

from tests.fixtures.echo import Echo, running_echo
from tests.fixtures.gateway import RunningGateway, gateway_settings, running_gateway
from tests.fixtures.valkey import ValkeyProcess


@dataclass(frozen=True, slots=True)
class Wire:
    """Both ends of the way through a gateway."""

    echo: Echo
    gateway: RunningGateway


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def wire(valkey_server: ValkeyProcess) -> AsyncIterator[Wire]:
    valkey_server.flush()
    async with (
        running_echo() as echo,
        running_gateway(gateway_settings(echo.url), valkey_server.url) as gateway,
    ):
        yield Wire(echo, gateway)
