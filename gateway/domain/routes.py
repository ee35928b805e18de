"""Routes: which other model may answer a call, as configured, and the words of a decision."""

from dataclasses import dataclass
from enum import StrEnum

from .call import Priority

AUTO = "auto"
"""The virtual model: a policy chooses. `auto:NAME` names the policy."""


class RouteMode(StrEnum):
    """How far a route may go."""

    OFF = "off"
    SHADOW = "shadow"
    """Decide and record, but call the model that was asked for."""
    ENFORCE = "enforce"


class Preference(StrEnum):
    """What a caller asks for in `x-gateway-route`."""

    OFF = "off"
    """The model that was asked for, and no decision."""
    AUTO = "auto"
    CHEAP = "cheap"
    """The simple model wherever it can answer and does not cost more."""
    STRONG = "strong"
    """The model that was asked for, from now on in this conversation."""


class Choice(StrEnum):
    """Which of a route's two models."""

    STAY = "stay"
    """The one that was asked for; with a virtual model, the complex one."""
    MOVE = "move"
    """The simple one."""


class Why(StrEnum):
    """Why a decision fell as it did. Values are metric labels and go into `x-gateway-route`."""

    ASKED_OFF = "asked_off"
    ASKED_STRONG = "asked_strong"
    ASKED_CHEAP = "asked_cheap"
    CAPABILITY = "capability"
    """The simple model cannot do what the call needs, or is not known to."""
    FLOOR = "floor"
    CEILING = "ceiling"
    PINNED = "pinned"
    """Decided earlier in this conversation."""
    UNKNOWN_SESSION = "unknown_session"
    """The conversation began where this gateway did not see it."""
    CACHE = "cache"
    """The warm prefix is worth more than the saving."""
    NO_SAVING = "no_saving"
    """The simple model would cost as much, or its price is not known."""
    HOUSEKEEPING = "housekeeping"
    WARM_UP = "warm_up"
    """A cache warm-up or a quota check means the very model that it names."""
    SIMPLE = "simple"
    COMPLEX = "complex"
    ESCALATED = "escalated"
    HOLDOUT = "holdout"
    """Would have moved, and stays for comparison."""


class Arm(StrEnum):
    """Which group a conversation is counted in."""

    ROUTED = "routed"
    HOLDOUT = "holdout"
    SHADOW = "shadow"
    """Would have moved, but the route only watches."""
    STAYED = "stayed"
    BOUND = "bound"
    """Moved by the agent's ceiling: saves, and is not compared."""


class Trouble(StrEnum):
    """What counts against an arm."""

    ERROR = "error"
    """The provider or the gateway failed the call."""
    RETRY = "retry"
    """The client sent the call again."""
    ESCALATION = "escalation"
    """A sign that the model does not manage."""
    OUTCOME = "outcome"
    """Feedback said that the outcome was bad."""


@dataclass(frozen=True, slots=True)
class RouteMatch:
    """Which calls a route is about; every condition must hold, an empty one always does.

    Attributes:
        model: Glob over the model asked for.
        agents: Names of agents.
        teams: Names of teams.
        priorities: Bands.
        tags: `KEY=VALUE` of `x-gateway-tag`; one of them must be there.
        path: Glob over the path, without `/p/PROVIDER`.
    """

    model: str = "*"
    agents: tuple[str, ...] = ()
    teams: tuple[str, ...] = ()
    priorities: tuple[Priority, ...] = ()
    tags: tuple[str, ...] = ()
    path: str = "*"


@dataclass(frozen=True, slots=True)
class Route:
    """One policy; the first that matches a call decides.

    Attributes:
        simple: The model that answers calls found simple.
        complex: What `auto` means for calls that are not; empty: not offered as `auto`.
        name: In metrics, headers, and `auto:NAME`.
        threshold: How simple a call must look, 0 to 1.
        headers: What callers may ask for in `x-gateway-route`.
        holdout: The share of conversations that would move and stay for comparison.
        margin: By how much the routed side's share of troubled conversations may exceed the
            holdout's before the route returns to shadow.
        min_volume: Conversations in each arm before that is tested.
        scorer: A trained scorer's file, in place of the structural score.
        can: Capabilities of the simple model beyond the built-in table.
        context_tokens: The simple model's context; `None`: as in the table.
    """

    match: RouteMatch
    simple: str
    mode: RouteMode = RouteMode.SHADOW
    complex: str = ""
    name: str = ""
    threshold: float = 0.6
    headers: tuple[Preference, ...] = tuple(Preference)
    holdout: float = 0.05
    margin: float = 0.1
    min_volume: int = 30
    scorer: str | None = None
    can: tuple[str, ...] = ()
    context_tokens: int | None = None
