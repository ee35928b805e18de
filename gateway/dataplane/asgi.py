"""ASGI as one type, and the parts of a scope that the data plane reads."""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from gateway.ports import Headers

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

CLIENT = "gateway.client"
"""The extension of the scope in which the gateway's own server offers a `Client`."""

CROWDED = "gateway.crowded"
"""The extension that marks a request on a connection beyond those that are served."""


class Client(Protocol):
    """What the gateway's own server offers beyond ASGI; the data plane does without it elsewhere."""

    def whole_body(self) -> bytes | None:
        """The request's body, if all of it has arrived and none of it was received; else `None`.

        Most bodies arrive together with their head, and so need no waiting and no time limit.
        """

    async def processing(self) -> None:
        """Send the interim answer `102 Processing`, unless the client speaks HTTP/1.0."""

    def when_gone(self, callback: Callable[[], None] | None) -> None:
        """Call this once if the client leaves before its answer is complete, at once if it has.

        `None` takes the callback back. Saves a task for each call that waits for the end.
        """


@dataclass(slots=True)
class Arrival:
    """The head of a client request.

    Attributes:
        path: The decoded path, for matching.
        raw_path: The path as it came, for forwarding.
        query: The query as it came, without `?`.
        headers: Fields as they came, names in lower case (uvicorn lowers them).
        fields: The same by name; the last one wins where a name repeats.
        client: What the server offers beyond ASGI, if it is the gateway's own.
        crowded: It came on a connection beyond those that are served.
    """

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: Headers
    fields: dict[bytes, bytes]
    client: Client | None = None
    crowded: bool = False

    def text(self, name: bytes) -> str:
        """A header as text, empty if absent. Bytes above 127 survive as Latin-1."""
        return self.fields.get(name, b"").decode("latin-1")


_NONE: Mapping[str, Any] = {}


def arrival(scope: Scope) -> Arrival:
    """Read the head out of an HTTP scope."""
    headers: Headers = scope["headers"]
    path: str = scope["path"]
    raw_path: bytes | None = scope.get("raw_path")
    extensions = scope.get("extensions") or _NONE
    return Arrival(
        method=scope["method"],
        path=path,
        raw_path=path.encode() if raw_path is None else raw_path,
        query=scope["query_string"],
        headers=headers,
        fields=dict(headers),
        client=extensions.get(CLIENT),
        crowded=CROWDED in extensions,
    )
