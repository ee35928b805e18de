"""Which role a route wants: an argument `by: Viewer`, `by: Operator` or `by: Admin`.

The argument is who acts. The role stands in the description of the API as the scope of the bearer
token, and a test finds the route that names none.
"""

from typing import Annotated, Any, TypeAlias

from fastapi import HTTPException, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer, SecurityScopes

from gateway.domain.access import Actor, Role

BEARER = HTTPBearer(
    scheme_name="token",
    auto_error=False,
    description="A token of the admin API. Its role (viewer, operator or admin) must include the "
    "one that the operation names.",
)


def _acting(
    request: Request,
    wanted: SecurityScopes,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(BEARER)],
) -> Actor:
    """Who acts, if the role is enough."""
    actor = request.state.actor
    if not isinstance(actor, Actor):
        raise TypeError("the guard let a request through without its actor")
    for role in wanted.scopes:
        if not actor.role.includes(Role(role)):
            raise HTTPException(
                403, f"This wants a token with the role {role}; yours has the role {actor.role}."
            )
    return actor


def wants(role: Role) -> Any:
    """A dependency of a route whose role is not written down but chosen."""
    return Security(_acting, scopes=[role])


Viewer: TypeAlias = Annotated[Actor, Security(_acting, scopes=[Role.VIEWER])]
Operator: TypeAlias = Annotated[Actor, Security(_acting, scopes=[Role.OPERATOR])]
Admin: TypeAlias = Annotated[Actor, Security(_acting, scopes=[Role.ADMIN])]
