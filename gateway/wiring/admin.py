"""The admin application of a worker, built when somebody first asks for it.

FastAPI and pydantic take a third of a second and 20 MiB; most workers never need them, and those
that do go on serving calls meanwhile, since a thread does the work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from gateway.config import Settings
from gateway.controlplane.provided import AdminParts
from gateway.core.admission.snapshot import BudgetSnapshot, LaneSnapshot
from gateway.dataplane.asgi import App, Receive, Scope, Send
from gateway.domain.keys import KeyRecord, NewKey
from gateway.ports import Clock, StoreSilent
from gateway.store.admission import RedisAdmission
from gateway.store.connection import FAILURES, ROOT, Client
from gateway.store.keys import KeyStore
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


class StoredKeys:
    """Implements `gateway.ports.Keys`."""

    def __init__(self, redis: Client, clock: Clock) -> None:
        self._keys = KeyStore(redis, clock)

    async def all(self) -> Sequence[KeyRecord]:
        """Every key ever made, oldest first."""
        return await _soon(self._keys.all())

    async def get(self, public_id: str) -> KeyRecord | None:
        """One key."""
        return await _soon(self._keys.get(public_id))

    async def create(self, agent: str, *, expires_in_s: float | None = None) -> NewKey:
        """Make a key."""
        return await _soon(self._keys.create(agent, expires_in_s=expires_in_s))

    async def revoke(self, public_id: str) -> KeyRecord:
        """End a key for good."""
        return await _soon(self._keys.revoke(public_id))

    async def expire(self, public_id: str, *, in_s: float | None) -> KeyRecord:
        """Let a key end after a time."""
        return await _soon(self._keys.expire(public_id, in_s=in_s))

    async def rotate(
        self, public_id: str, *, overlap_s: float, expires_in_s: float | None = None
    ) -> NewKey:
        """Make a new key for the same agent; the old one works on for the overlap at most."""
        return await _soon(
            self._keys.rotate(public_id, overlap_s=overlap_s, expires_in_s=expires_in_s)
        )


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


async def closed(scope: Scope, receive: Receive, send: Send) -> None:
    """Stands where the admin API would be if it were served here."""
    del receive
    body = b'{"type":"about:blank","title":"Not Found","status":404,' \
           b'"detail":"The admin API is not served at this address."}'  # fmt: skip
    head = {
        "type": "http.response.start",
        "status": 404,
        "headers": [
            (b"content-type", b"application/problem+json"),
            (b"content-length", str(len(body)).encode()),
        ],
    }
    await send(head)
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


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
