"""Nouns of admission: what a ticket asks for, how it is answered, and how it is settled."""

from dataclasses import dataclass
from typing import TypeAlias

from .call import Priority
from .limits import Dimension, ScopeKind
from .outcome import Refusal
from .value import value


@value
class Charge:
    """What one call takes, estimated before it and actual after it.

    Attributes:
        requests: Requests counted by the provider (1; 0 only when nothing was sent).
        lane_input_tokens: Input as the lane's provider counts it against `itpm`.
        lane_output_tokens: Output as the provider counts it against `otpm`.
        lane_tokens: What the provider counts against `tpm` (OpenAI: the larger of the requested
            maximum and its own estimate; see provider-facts B5).
        input_tokens: Counted input for agent and team `tpm` budgets.
        output_tokens: Output for agent and team `tpm` budgets.
        cost_microusd: Cost for `usd_*` budgets.
    """

    requests: int = 1
    lane_input_tokens: int = 0
    lane_output_tokens: int = 0
    lane_tokens: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    cost_microusd: int = 0


@value
class TicketRequest:
    """One call at the door of a lane.

    Attributes:
        ticket: Unique over all replicas.
        lane: Lane name.
        agent: Agent name; also the flow.
        team: Team name, if any.
        max_wait_s: How long it may wait; 0 means now or never.
        retry_of: A fingerprint of (agent, body) under which a retry finds the place of its first
            try; empty if the call cannot be recognised.
        is_retry: The client says that this is a retry (`x-stainless-retry-count` above 0).
    """

    ticket: str
    lane: str
    agent: str
    team: str | None
    priority: Priority
    weight: float
    charge: Charge
    max_wait_s: float
    retry_of: str = ""
    is_retry: bool = False


@dataclass(frozen=True, slots=True)
class Bound:
    """The limit that held a ticket back.

    Attributes:
        scope: Lane, agent or team.
        name: Its name.
        dimension: Which of its limits.
        retry_after_s: When that limit alone would let the call through, predicted.
    """

    scope: ScopeKind
    name: str
    dimension: Dimension
    retry_after_s: float


@dataclass(frozen=True, slots=True)
class Expectation:
    """What a waiting ticket can expect, as of now.

    Attributes:
        position: Its place in the lane's queue; 1 is next.
        wait_s: How long it will still wait, predicted.
        bound: The limit that keeps it back longest.
        ahead: The agent whose call goes before it; its own name if that is a call of its own,
            `None` if nobody waits before it.
    """

    position: int
    wait_s: float
    bound: Bound
    ahead: str | None = None


@value
class Admitted:
    """The ticket holds a reservation; `settle` must be called exactly once."""

    ticket: str
    waited_s: float
    bound: Bound | None = None
    """What it last waited for, if it waited."""


Verdict: TypeAlias = Admitted | Refusal


@value
class Settlement:
    """The actual use of an admitted ticket.

    Attributes:
        actual: What was really used; all zero returns the reservation whole.
        sent: Whether the provider counted the request.
    """

    ticket: str
    lane: str
    actual: Charge
