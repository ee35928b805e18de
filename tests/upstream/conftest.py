"""Every test here runs on uvloop, as in production, and on asyncio's own loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from gateway.upstream import HttpUpstream
from tests.upstream.calling import settled


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def upstream() -> AsyncIterator[HttpUpstream]:
    """A transport; at the end, no connection may be in use or waited for."""
    transport = HttpUpstream()
    yield transport
    figures = transport.figures()
    await transport.close()
    await settled()
    assert all(each.active == 0 and each.waiting == 0 for each in figures), figures
