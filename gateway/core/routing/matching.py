"""Which policy a call falls under."""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from gateway.domain.call import Priority
from gateway.domain.routes import AUTO, Route, RouteMatch
from gateway.domain.value import value


@value
class Caller:
    """What a match looks at.

    Attributes:
        path: Without `/p/PROVIDER`.
        tags: `KEY=VALUE`, as the caller gave them.
    """

    model: str
    agent: str
    team: str | None
    priority: Priority
    path: str
    tags: tuple[str, ...] = ()


def is_virtual(model: str) -> bool:
    """Whether a name stands for a policy and not for a model."""
    return model == AUTO or model.startswith(f"{AUTO}:")


def matching(routes: Iterable[Route], caller: Caller) -> Route | None:
    """The first policy that matches; for `auto`, of those that say what it means."""
    virtual = is_virtual(caller.model)
    wanted = caller.model.partition(":")[2] if virtual else ""
    for route in routes:
        if virtual and (not route.complex or (wanted and wanted != route.name)):
            continue
        if (virtual or fnmatchcase(caller.model, route.match.model)) and _holds(
            route.match, caller
        ):
            return route
    return None


def _holds(match: RouteMatch, caller: Caller) -> bool:
    """Whether every condition but that on the model holds."""
    return (
        (not match.agents or caller.agent in match.agents)
        and (not match.teams or caller.team in match.teams)
        and (not match.priorities or caller.priority in match.priorities)
        and (not match.tags or any(tag in match.tags for tag in caller.tags))
        and (match.path == "*" or fnmatchcase(caller.path, match.path))
    )
