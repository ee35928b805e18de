"""A gateway whose calls can be made to wait, with all its patience shortened."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from gateway.config import configured_lane
from gateway.domain.limits import LaneLimits
from gateway.domain.topology import QueueSettings, Timeouts
from gateway.store.admission import RedisAdmission
from tests.fixtures.gateway import gateway_settings, running_gateway
from tests.integration.overhearing import Overheard, overhearing
from tests.integration.speaking import ANTHROPIC, GEMINI, OPENAI, Speech, bookkeeper
from tests.integration.waiting import until

HOLD_S = 0.04
EVERY_S = 0.02
SPEECHES = (ANTHROPIC, OPENAI, GEMINI)
_HOURS_S = 7200.0
PATIENT = Timeouts()


@dataclass
class Held:
    """A gateway, and a client's way to it on which everything is heard.

    Attributes:
        books: Stops and starts lanes, and looks at queues.
        wire: What one client hears; connect there.
    """

    books: RedisAdmission
    wire: Overheard
    gateway_url: str

    @property
    def url(self) -> str:
        """Where the client connects."""
        return self.wire.url

    def shut(self, *speeches: Speech) -> None:
        """Admit nothing more; a later call of the same loop turn already waits."""
        for speech in speeches or SPEECHES:
            self.books.pause(speech.dialect)

    def open(self, *speeches: Speech) -> None:
        """Admit what waits."""
        for speech in speeches or SPEECHES:
            self.books.resume(speech.dialect)

    async def waiting(self, speech: Speech, count: int) -> None:
        """Until so many calls wait."""
        async with asyncio.timeout(10):
            while sum((await self.books.inspect_lane(speech.dialect)).waiting) != count:
                pass


@asynccontextmanager
async def held(
    provider_url: str,
    store_url: str,
    *,
    limits: LaneLimits = LaneLimits(),
    timeouts: Timeouts = PATIENT,
    hold_s: float = HOLD_S,
    hold_whole_s: float = 60.0,
    max_wait_s: float = _HOURS_S,
) -> AsyncIterator[Held]:
    """A gateway with one lane for each dialect, named like it, all shut at first.

    Args:
        provider_url: Of the simulator, or of anything else.
        store_url: An empty store.
        limits: Of each lane.
        timeouts: Of the providers.
        hold_s: Of a stream's head.
        hold_whole_s: Of the first `102 Processing`.
        max_wait_s: Of the queue; a shut lane may stay shut for ever, and so refuses who would
            wait for less.
    """
    settings = gateway_settings(provider_url)
    topology = settings.topology
    providers = {name: replace(one, timeouts=timeouts) for name, one in topology.providers.items()}
    lanes = {
        one.dialect: configured_lane(one.dialect, providers[one.provider], (one.model,), limits)
        for one in SPEECHES
    }
    settings = replace(
        settings,
        topology=replace(
            topology,
            providers=providers,
            lanes=lanes,
            queue=QueueSettings(max_wait_s=max_wait_s),
        ),
        server=replace(
            settings.server, hold_head_s=hold_s, hold_whole_s=hold_whole_s, keepalive_s=EVERY_S
        ),
    )
    async with (
        running_gateway(settings, store_url) as gateway,
        bookkeeper(store_url) as books,
        overhearing(gateway.url) as wire,
    ):
        here = Held(books, wire, gateway.url)
        here.shut()
        for speech in SPEECHES:
            await here.waiting(speech, 0)  # by then the lane is shut
        yield here


def keepers() -> Sequence[str]:
    """Tasks of keep-alives that are alive."""
    names = (getattr(task.get_coro(), "__qualname__", "") for task in asyncio.all_tasks())
    return [name for name in names if name.startswith("KeepAlive.")]


async def until_let_go() -> None:
    """No keep-alive is alive."""
    await until(lambda: not keepers(), "the end of all keep-alives")
