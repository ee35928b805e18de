from collections.abc import AsyncIterator

import pytest

from gateway.store.connection import Client, connect


@pytest.fixture
async def store(store_url: str) -> AsyncIterator[Client]:
    """A client of the empty store."""
    client = await connect(store_url)
    yield client
    await client.aclose()
