"""News of prompts on their way into a cache, from replica to replica."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack

import pytest

from gateway.domain.caches import CacheNews, End
from gateway.domain.call import Priority
from gateway.store.caches import SharedCaches
from gateway.store.connection import Client, connect

ROOT = "{test}"
LEADS = CacheNews("r-1", "claude", "m", (b"\x00\xff",), Priority.NORMAL, 12.5)
OVER = CacheNews("r-1", "claude", "m", (b"\x00\xff",), Priority.NORMAL, 20.0, End.WARM)


class Convoy:
    """Remembers what it heard."""

    def __init__(self) -> None:
        self.heard: list[CacheNews] = []
        self.tell: Callable[[CacheNews], None] = self.heard.append

    def listen(self, tell: Callable[[CacheNews], None]) -> None:
        self.tell = tell

    def hear(self, news: CacheNews) -> None:
        self.heard.append(news)


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
        replicas = [Convoy(), Convoy(), Convoy()]
        for number, convoy in enumerate(replicas):
            shared = SharedCaches(client, ROOT, str(number), convoy, lambda: True)
            await stack.enter_async_context(shared)
        await listening(client, 3)
        await client.publish(f"{ROOT}:caches", b"what another version wrote")
        replicas[0].tell(LEADS)
        replicas[0].tell(OVER)
        await until(lambda: all(len(each.heard) == 2 for each in replicas[1:]))
        assert [each.heard for each in replicas] == [[], [LEADS, OVER], [LEADS, OVER]]


async def test_without_anybody_who_wants_it_nothing_is_heard(store_url: str) -> None:
    client = await connect(store_url)
    try:
        async with SharedCaches(client, ROOT, "1", Convoy(), lambda: False):
            await asyncio.sleep(0)
            assert (await client.pubsub_numsub(f"{ROOT}:caches"))[0][1] == 0
    finally:
        await client.aclose()


@pytest.mark.parametrize("lost", [ConnectionError, TimeoutError])
async def test_without_the_store_nothing_is_kept_and_the_work_goes_on(
    store_url: str, lost: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = await connect(store_url)
    convoys = Convoy(), Convoy()
    try:
        async with (
            SharedCaches(client, ROOT, "1", convoys[0], lambda: True),
            SharedCaches(client, ROOT, "2", convoys[1], lambda: True),
        ):
            await listening(client, 2)
            tried = asyncio.Event()

            async def fails(*_: object) -> None:
                tried.set()
                raise lost("gone")

            with monkeypatch.context() as patch:
                patch.setattr(client, "publish", fails)
                convoys[0].tell(LEADS)
                await tried.wait()
            convoys[0].tell(OVER)
            await until(lambda: bool(convoys[1].heard))
            assert convoys[1].heard == [OVER]
    finally:
        await client.aclose()
