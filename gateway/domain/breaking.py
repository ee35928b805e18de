"""What replicas tell each other of their breakers."""

from .facts import BreakerScope, BreakerState
from .value import value

FOR_EVER_S = 1e12
"""An end that nobody waits for."""


@value
class BreakerFact:
    """The state of a breaker, as a fact that travels between replicas.

    Attributes:
        generation: One higher with each change.
        until_s: Open until then, in epoch seconds; `FOR_EVER_S`: until somebody closes it.
        openings: How often it opened without being calm for long in between.
        cause: A closed word for why.
        at_s: When it changed, in epoch seconds.
        note: What a person should know; for agents: the evidence.
    """

    generation: int = 0
    state: BreakerState = BreakerState.CLOSED
    until_s: float = 0.0
    openings: int = 0
    cause: str = ""
    at_s: float = 0.0
    note: str = ""

    @property
    def held(self) -> bool:
        """It stays open until somebody closes it."""
        return self.state is BreakerState.OPEN and self.until_s >= FOR_EVER_S


@value
class BreakerKey:
    """Which breaker."""

    scope: BreakerScope
    name: str

    def __str__(self) -> str:
        """As it is written in the store and in paths."""
        return f"{self.scope.value}/{self.name}"
