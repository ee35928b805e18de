import asyncio
from collections.abc import Sequence

import msgspec
import pytest

from gateway.core.admission.messages import Event
from gateway.store.connection import Client, connect
from gateway.store.outbox import listen
from tests.fixtures.valkey import ValkeyProcess

from .admitting import until


async def collect(client: Client, wanted: int, work: asyncio.Event) -> list[Event]:
    """Listen until so many events have come."""
    found: list[Event] = []

    def take(events: Sequence[Event]) -> None:
        found.extend(events)

    listener = asyncio.ensure_future(listen(client, "{k}", take, lambda: None))
    work.set()

    async def enough() -> bool:
        return len(found) >= wanted

    await until(enough, f"{wanted} events")
    listener.cancel()
    await asyncio.gather(listener, return_exceptions=True)
    return found


async def test_events_come_in_order_also_those_from_before(store: Client) -> None:
    await store.rpush("{k}", msgspec.msgpack.encode([["g", "a"], ["r", "b"]]))
    await store.rpush("{k}", msgspec.msgpack.encode([["g", "c"]]))
    assert await collect(store, 3, asyncio.Event()) == [["g", "a"], ["r", "b"], ["g", "c"]]


async def test_what_is_no_event_is_logged_and_passed_over(
    store: Client, caplog: pytest.LogCaptureFixture
) -> None:
    await store.rpush("{k}", b"\xc1", msgspec.msgpack.encode([["g", "a"]]))
    assert await collect(store, 1, asyncio.Event()) == [["g", "a"]]
    assert "no event" in caplog.text


async def test_listening_goes_on_after_the_store_was_away(own_valkey: ValkeyProcess) -> None:
    client = await connect(own_valkey.url)
    begun = asyncio.Event()
    found = asyncio.ensure_future(collect(client, 1, begun))
    await begun.wait()
    own_valkey.kill()
    own_valkey.start()
    with own_valkey.client() as outside:
        outside.rpush("{k}", msgspec.msgpack.encode([["g", "a"]]))
    assert await found == [["g", "a"]]
    await client.aclose()
