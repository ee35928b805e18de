"""The admin application of a worker, built when somebody first asks for it.

FastAPI and pydantic take a third of a second and 20 MiB; most workers never need them, and those
that do go on serving calls meanwhile, since a thread does the work.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from gateway.config import Settings
from gateway.controlplane.provided import AdminParts
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.dataplane.asgi import App, Receive, Scope, Send
from gateway.ports import Clock, StoreSilent
from gateway.store.admission import RedisAdmission
from gateway.store.connection import FAILURES, ROOT, Client
from gateway.store.known_lanes import known_lanes
from gateway.store.secrets import admin_token

T = TypeVar("T")
PREFIX = "/admin/"
_PATIENCE_S = 3.0


class StoredBooks:
    """Implements `gateway.ports.Books`."""

    def __init__(self, redis: Client, admission: RedisAdmission, clock: Clock) -> None:
        self._redis = redis
        self._admission = admission
        self._clock = clock

    async def lanes(self) -> list[str]:
        """Names of all lanes in use."""
        return await _soon(known_lanes(self._redis, ROOT, self._clock.wall()))

    async def lane(self, name: str, *, queue: bool = False) -> LaneSnapshot:
        """One lane, with its queue if wanted."""
        return await _soon(self._admission.inspect_lane(name, queue=queue))

    async def agent(self, name: str) -> BudgetSnapshot:
        """One agent's budget."""
        return await _soon(self._admission.inspect_agent(name))

    async def team(self, name: str) -> BudgetSnapshot:
        """One team's budget."""
        return await _soon(self._admission.inspect_team(name))


async def _soon(work: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            return await work
    except FAILURES as error:  # a TimeoutError is an OSError
        raise StoreSilent(str(error) or "no answer in time") from error


def admin(parts: Callable[[], AdminParts]) -> App:
    """The admin application of a worker."""

    def build() -> App:
        from gateway.controlplane.app import admin_app  # noqa: PLC0415 - slow, and seldom needed

        return admin_app(parts())

    return WhenNeeded(build)


def token_of(settings: Settings) -> str:
    """The token that opens the admin API, generated if none is configured."""
    return settings.admin_token or admin_token(settings.state.dir)


class WhenNeeded:
    """An application that is built, in a thread, for the first request to it."""

    def __init__(self, build: Callable[[], App]) -> None:
        self._build = build
        self._built: asyncio.Future[App] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if self._built is None or (self._built.done() and self._built.exception() is not None):
            self._built = asyncio.get_running_loop().run_in_executor(None, self._build)
        app = await asyncio.shield(self._built)
        await app(scope, receive, send)
