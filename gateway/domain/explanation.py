"""Why a call went as it did: what `gateway why` tells. No content, no credentials."""

from dataclasses import field
from enum import StrEnum

from .call import Dialect
from .limits import Dimension, ScopeKind
from .usage import Usage
from .value import value


@value
class Wait:
    """A time for which one limit kept a call back.

    Attributes:
        scope: Whose limit: the lane's, the agent's own or its team's.
        name: Its name.
        dimension: Which of its limits.
        from_s: When it began, in seconds after the call was accepted.
        dialect: The provider's.
        for_s: How long it lasted.
        position: The call's place in the queue at the beginning; 1 is next.
        predicted_s: How long it was expected to last then.
        ahead: Agents whose calls were before it, in the order in which they were seen there.
    """

    scope: ScopeKind
    name: str
    dimension: Dimension
    from_s: float
    for_s: float
    position: int
    predicted_s: float
    ahead: tuple[str, ...] = ()


@value
class Attempt:
    """One try at the provider.

    Attributes:
        status: What the provider answered; 0 if it did not.
        duration_s: From sending to the end of the answer.
        request_id: The provider's own id of it; empty if it gave none.
        verdict: What the answer meant (`ProviderVerdict`), or why there was none (`Reason`).
        code: The provider's own word for its error; empty if it gave none.
        lane: Where it ran.
        model: The model that was called there; empty on a path without one.
        provider: Whom it was sent to.
        from_s: When it began, in seconds after the call was accepted.
        dialect: The provider's.
    """

    status: int
    duration_s: float
    request_id: str = ""
    verdict: str = ""
    code: str = ""
    lane: str = ""
    model: str = ""
    provider: str = ""
    from_s: float = 0.0
    dialect: Dialect | None = None


@value
class Move:
    """A decision about going to another lane, with what spoke for and against it.

    Attributes:
        why: What was in the way: the refusal (`Reason`) or the failure (`ProviderVerdict`,
            `Reason`) at the first lane; `long_wait`; or `no_room` where moving was worth more, and
            no other lane had room at once.
        moved: False: it stayed.
        at_s: In seconds after the call was accepted.
        wait_s: How long it would have waited, as far as was known.
        wait_microusd: What that is worth.
        loss_microusd: What the loss of its prompt cache costs.
    """

    from_lane: str
    to_lane: str
    to_model: str
    why: str
    moved: bool
    at_s: float
    wait_s: float
    wait_microusd: int
    loss_microusd: int


class Outcome(StrEnum):
    """How a call ended, in one word."""

    ANSWERED = "answered"
    """The provider's answer was delivered whole."""
    REFUSED = "refused"
    """The gateway said no before anything was sent."""
    FAILED = "failed"
    """Something was wrong at the provider or in the gateway, or the provider said no."""
    CUT = "cut"
    """The answer had begun and did not reach its end."""
    LEFT = "left"
    """The client went away."""


@value
class RouteStory:
    """What a route decided about a call.

    Attributes:
        policy: The route's name.
        mode: In shadow, the rest is what would have been.
        asked: The model that was asked for.
        chosen: The model that was decided on.
        decision: `stay` or `move`.
        reason: Why, in a closed word.
        detail: What exactly, in a few words.
        score: How simple the call looked, 0 to 1; `None` where nothing was scored.
        saved_microusd: Against staying; below zero for a loss.
        arm: The group that its conversation is counted in.
        conversation: A digest that names it.
    """

    policy: str
    mode: str
    asked: str
    chosen: str
    decision: str
    reason: str
    detail: str = ""
    score: float | None = None
    saved_microusd: int = 0
    arm: str = "stayed"
    conversation: str = ""


@value
class Explanation:
    """One finished call, explained.

    Attributes:
        at_s: When it was accepted, in seconds since the epoch.
        agent: Empty if nobody was recognised.
        fault: Whose fault an unsuccessful call was (`Fault`); empty for a success.
        reason: The gateway's word for its own answer (`Reason`); empty if the provider answered.
        message: What the client was told with it.
        retry_after_s: When it was told to come back, if it was.
        max_wait_s: How long it was ready to wait.
        waits: By cause, in order.
        held_s: Of `wait_s`, for how long it waited for the answer to another call to begin, which
            put what both begin with into the provider's cache.
        held_behind: That call, the last of them.
        attempts: In order.
        moves: Decisions about going to another lane.
        usage: What was used, as far as is known; `None` if nothing was sent.
        route: What a route decided, if one was about it.
    """

    request_id: str
    at_s: float
    outcome: Outcome
    status: int
    agent: str = ""
    team: str | None = None
    dialect: str = ""
    endpoint: str = ""
    provider: str = ""
    lane: str = ""
    model: str = ""
    priority: str = ""
    stream: bool = False
    fault: str = ""
    reason: str = ""
    message: str = ""
    retry_after_s: float | None = None
    cut: bool = False
    max_wait_s: float = 0.0
    wait_s: float = 0.0
    upstream_s: float = 0.0
    first_byte_s: float | None = None
    total_s: float = 0.0
    overhead_s: float = 0.0
    waits: tuple[Wait, ...] = field(default=())
    attempts: tuple[Attempt, ...] = field(default=())
    moves: tuple[Move, ...] = field(default=())
    estimated_input_tokens: int = 0
    estimated_output_tokens: int = 0
    usage: Usage | None = None
    cost_microusd: int = 0
    priced: bool = True
    route: RouteStory | None = None
    held_s: float = 0.0
    held_behind: str = ""
