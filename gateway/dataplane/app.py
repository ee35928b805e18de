"""The door: sends each scope to the data plane, the control plane or an operations page.

Failure policy: an operations page answers whatever the state of everything else; before the
start-up is complete, and while draining, `/readyz` says no and the data plane still finishes what
it has begun.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from .asgi import App, Receive, Scope, Send


@dataclass(frozen=True, slots=True)
class Page:
    """A small answer of the gateway's own."""

    status: int
    content_type: bytes
    body: bytes


Operation = Callable[[], Awaitable[Page]]


class Door:
    """The ASGI application that the server runs.

    Args:
        opening: Builds everything; entered at start-up, left at shutdown. Gives the data plane, the
            pages by path, and applications by path prefix.
    """

    def __init__(self, opening: AbstractAsyncContextManager["House"]) -> None:
        self._opening = opening
        self._house: House | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one scope."""
        if scope["type"] == "http":
            house = self._house
            if house is None:
                raise RuntimeError("a request came before the start-up was complete")
            path: str = scope["path"]
            operation = house.pages.get(path)
            if operation is not None:
                await _show(await operation(), scope, send)
                return
            private = house.private
            if private is not None and private.arrived(scope):
                await private.app(scope, receive, send)
                return
            for prefix, app in house.apps:
                if path.startswith(prefix):
                    await app(scope, receive, send)
                    return
            await house.data_plane(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            await send({"type": "websocket.close", "code": 1008})

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()  # lifespan.startup
        try:
            self._house = await self._opening.__aenter__()
        except Exception as fault:  # noqa: BLE001 - reported to the server, which stops
            await send({"type": "lifespan.startup.failed", "message": str(fault)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        await self._opening.__aexit__(None, None, None)
        await send({"type": "lifespan.shutdown.complete"})


@dataclass(frozen=True, slots=True)
class Private:
    """An application with a listening address of its own.

    Attributes:
        address: Host and port, as the socket has them.
    """

    address: tuple[str, int]
    app: App

    def arrived(self, scope: Scope) -> bool:
        """Whether a request came in at this address."""
        host, port = self.address
        server = scope["server"]
        return (
            server is not None
            and server[1] == port
            and (server[0] == host or host in _ALL_INTERFACES)
        )


_ALL_INTERFACES = frozenset({"0.0.0.0", "::"})  # noqa: S104 - compared with, not bound to


@dataclass(frozen=True, slots=True)
class House:
    """What stands behind the door.

    Attributes:
        data_plane: Serves what nothing else does.
        pages: By path, at every address.
        apps: By prefix of the path.
        private: Serves all else at its own address.
    """

    data_plane: App
    pages: Mapping[str, Operation]
    apps: tuple[tuple[str, App], ...] = ()
    private: Private | None = None


async def _show(page: Page, scope: Scope, send: Send) -> None:
    method = scope["method"]
    if method not in {"GET", "HEAD"}:
        page = Page(405, b"text/plain; charset=utf-8", b"only GET\n")
    await send(
        {
            "type": "http.response.start",
            "status": page.status,
            "headers": [
                (b"content-type", page.content_type),
                (b"content-length", str(len(page.body)).encode()),
                (b"cache-control", b"no-store"),
            ],
        }
    )
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else page.body})
