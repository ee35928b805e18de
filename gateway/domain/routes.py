"""Routes: which other model may answer a call, as configured."""

from dataclasses import dataclass
from enum import StrEnum

from .call import Priority


class RouteMode(StrEnum):
    """How far a route may go."""

    OFF = "off"
    SHADOW = "shadow"
    """Decide and record, but call the model that was asked for."""
    ENFORCE = "enforce"


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """Which calls a route is about; every condition must hold, an empty one always does.

    Attributes:
        model: Glob over the model asked for.
        agents: Names of agents.
        teams: Names of teams.
        priorities: Bands.
    """

    model: str = "*"
    agents: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    priorities: tuple[Priority, ...] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One rule; the first that matches a call decides.

    Attributes:
        simple: The model that answers calls found simple.
    """

    match: RouteMatch
    simple: str
    mode: RouteMode = RouteMode.SHADOW
