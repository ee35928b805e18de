"""The store, for commands that run beside the gateway or without it.

Failure policy: a server that is configured but cannot be used is `Failure` 4. Without one, the
embedded store is used: the running one if a gateway runs, else one that is started for the moment;
a state directory that somebody else holds without answering is `Failure` 1.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

from gateway.config import Settings
from gateway.store.connection import Client, StoreError, connect
from gateway.store.embedded import EmbeddedValkey, EmbeddedValkeyError
from gateway.store.state_dir import StateDirError, socket_path

from .failing import ExitCode, Failure

_NAME = "agent-gateway-cli"


@asynccontextmanager
async def open_store(settings: Settings) -> AsyncIterator[Client]:
    """A client of the store that the gateway of these settings uses.

    Raises:
        Failure: It cannot be reached.
    """
    if settings.state.url is not None:
        async with _connected(settings.state.url) as client:
            yield client
        return
    running = await running_store(settings.state.dir)
    if running is not None:
        async with _connected(running) as client:
            yield client
        return
    try:
        async with EmbeddedValkey(settings.state.dir) as store, _connected(store.url) as client:
            yield client
    except (StateDirError, EmbeddedValkeyError) as error:
        raise Failure(str(error)) from None


async def running_store(state_dir: Path) -> str | None:
    """URL of the embedded store that a running gateway holds in this directory, if any."""
    directory = state_dir / "valkey"
    if not directory.is_dir():
        return None
    try:
        socket = socket_path(directory.resolve())
        _, writer = await asyncio.open_unix_connection(socket)
    except (OSError, StateDirError):
        return None
    writer.close()
    return f"unix://{quote(str(socket))}"


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[Client]:
    try:
        client = await connect(url, name=_NAME)
    except StoreError as error:
        raise Failure(str(error), ExitCode.UNREACHABLE) from None
    try:
        yield client
    finally:
        await client.aclose()
