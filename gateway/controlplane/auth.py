"""The door of the admin API: nothing under it is reached without a bearer token.

It stands before the application and not in its routes, so that no route can be forgotten: without
a token nothing is reached, and with a viewer's nothing that could change anything. Each route says
on top of that which role it wants (`roles`). The description of the API (`/admin/docs`,
`/admin/openapi.json`) holds no secret and is open.

The configured token has the role `admin` and needs no store; further tokens are looked up in the
store for each request, so that a deleted one opens nothing any more. Presented tokens are hashed
before they are compared.
"""

import hashlib
import hmac
import re
import secrets

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.domain.access import Actor, Role
from gateway.ports import Clock, StoreSilent, Tokens

from .problems import SILENT, problem
from .throttle import FORGIVING, Throttle, ThrottleSettings

GUARDED = "/admin/v1"
_SCHEME = b"bearer "
_READING = frozenset({"GET", "HEAD"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_REQUEST_ID_HEADER = b"x-gateway-request-id"
_ROOT = Actor("admin", Role.ADMIN)


class Guard:
    """Lets requests with a token through, and notes who makes them and under which id.

    Args:
        app: What is guarded.
        token: The configured token.
        tokens: The others.
        clock: For the throttle.
        throttle: How many wrong tokens are forgiven.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        tokens: Tokens,
        clock: Clock,
        throttle: ThrottleSettings = FORGIVING,
    ) -> None:
        self._app = app
        self._digest = hashlib.sha256(token.encode()).digest()
        self._tokens = tokens
        self._clock = clock
        self._throttle = Throttle(throttle)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        request_id = _request_id(scope)
        state = {**scope.get("state", {}), "request_id": request_id}

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (_REQUEST_ID_HEADER, request_id.encode()),
                ]
            await send(message)

        if scope["path"].startswith(GUARDED):
            actor = await self._admitted(scope)
            if not isinstance(actor, Actor):
                await actor(scope, receive, send_named)
                return
            state["actor"] = actor
        await self._app({**scope, "state": state}, receive, send_named)

    async def _admitted(self, scope: Scope) -> Actor | ASGIApp:
        """Who asks, or the refusal."""
        path, address = scope["path"], address_of(scope)
        now_s = self._clock.monotonic()
        pause_s = self._throttle.pause_s(address, now_s)
        if pause_s > 0:
            again = {"retry-after": str(int(pause_s) + 1)}
            told = "Too many wrong tokens came from this address; wait before the next try."
            return problem(429, told, path, again)
        presented = _presented(scope)
        try:
            actor = None if presented is None else await self._actor(presented)
        except StoreSilent:
            return problem(503, SILENT, path, {"retry-after": "1"})
        if actor is None:
            if presented:
                self._throttle.note_failure(address, now_s)
            return _unknown(path)
        self._throttle.forgive(address)
        if scope["method"] not in _READING and not actor.role.includes(Role.OPERATOR):
            return problem(403, f"The role {actor.role} may look, and change nothing.", path)
        return actor

    async def _actor(self, presented: bytes) -> Actor | None:
        if hmac.compare_digest(hashlib.sha256(presented).digest(), self._digest):
            return _ROOT
        try:
            secret = presented.decode("ascii")
        except UnicodeDecodeError:
            return None
        found = await self._tokens.find(secret)
        return None if found is None else Actor(found.name, found.role, found.token_id)


def _unknown(path: str) -> ASGIApp:
    return problem(
        401,
        "The admin API wants its token: Authorization: Bearer TOKEN. It is admin.token of "
        "the configuration, or kept in the file admin-token of the state directory, or was made "
        "under /admin/v1/tokens.",
        path,
        {"www-authenticate": 'Bearer realm="agent-gateway"'},
    )


def _presented(scope: Scope) -> bytes | None:
    """The token in the one `authorization` field, `None` if there is none or more than one."""
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if len(given) != 1 or given[0][: len(_SCHEME)].lower() != _SCHEME:
        return None
    return bytes(given[0][len(_SCHEME) :].strip())


def address_of(scope: Scope) -> str:
    """The other end of the connection."""
    client = scope.get("client")
    return "" if client is None else str(client[0])


def _request_id(scope: Scope) -> str:
    """The caller's own id of the request, if it makes sense, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.fullmatch(value):
            return str(value.decode())
    return f"adm_{secrets.token_hex(8)}"
