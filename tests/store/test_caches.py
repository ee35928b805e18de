"""News of prompts on their way into a cache, from replica to replica."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Generic, TypeVar

import pytest

from gateway.domain.caches import CacheNews, End, HeadSeen
from gateway.domain.call import Priority
from gateway.store.caches import SharedCaches
from gateway.store.connection import Client, connect

ROOT = "{test}"
LEADS = CacheNews("r-1", "claude", "m", (b"\x00\xff",), Priority.NORMAL, 12.5)
OVER = CacheNews("r-1", "claude", "m", (b"\x00\xff",), Priority.NORMAL, 20.0, End.WARM)


SEEN = HeadSeen("alice", "m", b"\x00\xff")
T = TypeVar("T")


class Ear(Generic[T]):
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[T] = []
        self.tell: Callable[[T], None] = self.heard.append

    def listen(self, tell: Callable[[T], None]) -> None:
        self.tell = tell

    def hear(self, news: T) -> None:
        self.heard.append(news)


class Replica:
    """Both ears of one."""

    def __init__(self) -> None:
        self.convoy = Ear[CacheNews]()
        self.marker = Ear[HeadSeen]()

    def shared(self, client: Client, name: str, *, wanted: bool = True) -> SharedCaches:
        return SharedCaches(client, ROOT, name, self.convoy, self.marker, lambda: wanted)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - another process has no event to wait for
            await asyncio.sleep(0.005)


async def listening(client: Client, count: int) -> None:
    async with asyncio.timeout(10):
        while (await client.pubsub_numsub(f"{ROOT}:caches"))[0][1] < count:  # noqa: ASYNC110 - see above
            await asyncio.sleep(0.005)


async def test_the_others_hear_in_order_and_nobody_hears_itself(store_url: str) -> None:
    async with AsyncExitStack() as stack:
        client = await connect(store_url)
        stack.push_async_callback(client.aclose)
        replicas = [Replica(), Replica(), Replica()]
        for number, replica in enumerate(replicas):
            await stack.enter_async_context(replica.shared(client, str(number)))
        await listening(client, 3)
        await client.publish(f"{ROOT}:caches", b"what another version wrote")
        replicas[0].marker.tell(SEEN)
        replicas[0].convoy.tell(LEADS)
        replicas[0].convoy.tell(OVER)
        await until(lambda: all(len(each.convoy.heard) == 2 for each in replicas[1:]))
        assert [each.convoy.heard for each in replicas] == [[], [LEADS, OVER], [LEADS, OVER]]
        assert [each.marker.heard for each in replicas] == [[], [SEEN], [SEEN]]


async def test_without_anybody_who_wants_it_nothing_is_heard(store_url: str) -> None:
    client = await connect(store_url)
    try:
        async with Replica().shared(client, "1", wanted=False):
            await asyncio.sleep(0)
            assert (await client.pubsub_numsub(f"{ROOT}:caches"))[0][1] == 0
    finally:
        await client.aclose()


@pytest.mark.parametrize("lost", [ConnectionError, TimeoutError])
async def test_without_the_store_nothing_is_kept_and_the_work_goes_on(
    store_url: str, lost: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect(store_url)
    replicas = Replica(), Replica()
    try:
        async with (
            replicas[0].shared(client, "1"),
            replicas[1].shared(client, "2"),
        ):
            await listening(client, 2)
            tried = asyncio.Event()

            async def fails(*_: object) -> None:
                tried.set()
                raise lost("gone")

            with monkeypatch.context() as patch:
                patch.setattr(client, "publish", fails)
                replicas[0].convoy.tell(LEADS)
                await tried.wait()
            replicas[0].convoy.tell(OVER)
            await until(lambda: bool(replicas[1].convoy.heard))
            assert replicas[1].convoy.heard == [OVER]
    finally:
        await client.aclose()
