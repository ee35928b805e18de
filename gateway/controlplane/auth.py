"""The door of the admin API: nothing under it is reached without the bearer token.

It stands before the application and not in its routes, so that no route can be forgotten. The
description of the API (`/admin/docs`, `/admin/openapi.json`) holds no secret and is open.
"""

import hmac

from starlette.types import ASGIApp, Receive, Scope, Send

from .problems import problem

GUARDED = "/admin/v1"
_SCHEME = b"bearer "


class Guard:
    """Lets requests with the token through.

    Args:
        app: What is guarded.
        token: The token.
    """

    def __init__(self, app: ASGIApp, token: str) -> None:
        self._app = app
        self._token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        path: str = scope["path"]
        if path.startswith(GUARDED) and not self._opens(scope):
            refusal = problem(
                401,
                "The admin API wants its token: Authorization: Bearer TOKEN. It is admin.token of "
                "the configuration, or kept in the file admin-token of the state directory.",
                path,
                {"www-authenticate": 'Bearer realm="agent-gateway"'},
            )
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _opens(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        if len(given) != 1 or given[0][: len(_SCHEME)].lower() != _SCHEME:
            return False
        return hmac.compare_digest(given[0][len(_SCHEME) :].strip(), self._token)
