"""The decision for one call, in the order of the package's docstring.

Each step is a function that answers or passes on (`None`). What a step needs that is costly to
know (prices, a score) is asked for only when the step is reached.
"""

from collections.abc import Callable

from gateway.domain.call import CallFacts
from gateway.domain.routes import Arm, Choice, Preference, Route, RouteMode, Why
from gateway.domain.signals import Signals
from gateway.domain.value import value

from .conversations import Pin, in_share
from .costs import Comparison
from .escalation import sign_of_trouble
from .housekeeping import MEANS_THE_MODEL, Housekeeping, housekeeping
from .score import Score


@value
class Question:
    """Everything that a decision may depend on.

    Attributes:
        route: The policy that matches.
        mode: The mode in force: a route may have been returned to shadow.
        facts: Of the body.
        signals: Of the prompt.
        preference: What the caller asks for, as far as the policy lets it.
        retry: The client says that it sends this call again.
        conversation: Its name; empty if it cannot be known.
        pin: What was decided for it before.
        unmet: What the simple model lacks for this call; empty if nothing.
        above_ceiling: The model asked for is dearer than the agent may use.
        below_floor: The simple model is cheaper than the agent may be given.
        warm: How much of the prompt the requested model's cache holds; `None`: not known.
        compare: Reckons the costs for so many warm tokens.
        score: Scores the newest ask.
        request_class: What the client says the call is for.
    """

    route: Route
    mode: RouteMode
    facts: CallFacts
    signals: Signals
    preference: Preference
    retry: bool
    conversation: str
    pin: Pin | None
    unmet: str
    above_ceiling: bool
    below_floor: bool
    warm: int | None
    compare: Callable[[int], Comparison]
    score: Callable[[], Score]
    request_class: str = ""


@value
class Verdict:
    """What was decided.

    Attributes:
        choice: Which model.
        why: Why.
        detail: What exactly, in a few words.
        score: How simple the call looked, where it was scored.
        lasts: It holds for the rest of the conversation.
        escalated: A move was taken back by it.
        sign: What the call shows of the answers before it; empty if nothing is wrong.
        arm: Where the conversation is counted.
    """

    choice: Choice
    why: Why
    detail: str = ""
    score: float | None = None
    lasts: bool = True
    escalated: bool = False
    sign: str = ""
    arm: Arm = Arm.STAYED

    @property
    def moves(self) -> bool:
        """Whether the simple model is to be called."""
        return self.choice is Choice.MOVE


def decide(asked: Question) -> Verdict:
    """The decision for one call."""
    sign = _sign(asked)
    found = _bounds(asked)
    if found is None:
        for step in _STEPS:
            found = step(asked)
            if found is not None:
                break
        else:
            found = _scored(asked)
        found = _escalated(asked, found, sign)
    return _counted(asked, found, sign)


def _sign(asked: Question) -> str:
    """What this call shows of those before it."""
    if asked.preference is Preference.STRONG and (asked.retry or asked.pin is not None):
        return "asked_strong"
    return sign_of_trouble(asked.signals)


def _bounds(asked: Question) -> Verdict | None:
    """What the operator has set for the agent: no header, no score and no pin passes it."""
    if asked.above_ceiling and not asked.unmet:
        return Verdict(Choice.MOVE, Why.CEILING, lasts=False)
    if asked.below_floor:
        return Verdict(Choice.STAY, Why.FLOOR, lasts=False)
    return None


def _capable(asked: Question) -> Verdict | None:
    """The simple model must be known to be able to do all that the call needs."""
    if not asked.unmet:
        return None
    # What a conversation has needed once it may need again: a move is taken back for good.
    moved = asked.pin is not None and asked.pin.choice is Choice.MOVE
    return Verdict(Choice.STAY, Why.CAPABILITY, asked.unmet, lasts=moved, escalated=moved)


def _asked_for(asked: Question) -> Verdict | None:
    """The caller wants the model that it named."""
    if asked.preference is Preference.OFF:
        return Verdict(Choice.STAY, Why.ASKED_OFF, lasts=False)
    if asked.preference is Preference.STRONG:
        return Verdict(Choice.STAY, Why.ASKED_STRONG)
    return None


def _pinned(asked: Question) -> Verdict | None:
    """Decided once: tool results and continuations replay it."""
    if asked.pin is not None:
        return Verdict(asked.pin.choice, Why.PINNED, asked.pin.why.value)
    if asked.signals.continues or asked.facts.server_history:
        return Verdict(Choice.STAY, Why.UNKNOWN_SESSION)
    return None


def _economical(asked: Question) -> Verdict | None:
    """No move while the warm prefix is worth more than the saving; unknown means stay.

    A cache of which nothing is known is reckoned as warm as it can be.
    """
    warm = asked.warm
    if warm is None:
        warm = asked.facts.prompt_bytes  # more than there are tokens: all of it
    costs = asked.compare(warm)
    once = _kind(asked) is not None
    if costs.saves or (once and costs.saves_now):
        return None
    if not costs.known:
        return Verdict(Choice.STAY, Why.NO_SAVING, "unknown price")
    cold = asked.compare(0) if warm else costs
    if cold.saves or (once and cold.saves_now):
        detail = "not known to be cold" if asked.warm is None else f"{asked.warm} tokens warm"
        return Verdict(Choice.STAY, Why.CACHE, detail)
    return Verdict(Choice.STAY, Why.NO_SAVING, "the simple model costs as much")


def _kept_house(asked: Question) -> Verdict | None:
    """What a client does for itself needs no strong model."""
    kind = _kind(asked)
    if kind is None:
        return None
    if kind in MEANS_THE_MODEL:
        return Verdict(Choice.STAY, Why.WARM_UP, kind.value, lasts=False)
    return Verdict(Choice.MOVE, Why.HOUSEKEEPING, kind.value, lasts=False)


def _kind(asked: Question) -> Housekeeping | None:
    return housekeeping(asked.signals, asked.facts, asked.request_class)


_STEPS: tuple[Callable[[Question], Verdict | None], ...] = (
    _capable,
    _asked_for,
    _pinned,
    _economical,
    _kept_house,
)


def _scored(asked: Question) -> Verdict:
    if asked.preference is Preference.CHEAP:
        return Verdict(Choice.MOVE, Why.ASKED_CHEAP)
    score = asked.score()
    simple = score.simplicity >= asked.route.threshold
    return Verdict(
        Choice.MOVE if simple else Choice.STAY,
        Why.SIMPLE if simple else Why.COMPLEX,
        score.told,
        score.simplicity,
    )


def _escalated(asked: Question, found: Verdict, sign: str) -> Verdict:
    """Upward only, and for the rest of the conversation."""
    moved = asked.pin is not None and asked.pin.choice is Choice.MOVE
    if sign and (found.moves or (moved and not found.escalated)):
        return Verdict(Choice.STAY, Why.ESCALATED, sign, found.score, escalated=True)
    return found


def _counted(asked: Question, found: Verdict, sign: str) -> Verdict:
    """In which arm the conversation is; the holdout stays although it would have moved."""
    choice, why = found.choice, found.why
    arm = asked.pin.arm if asked.pin is not None else _arm(asked, found)
    if found.why is Why.CEILING:
        arm = Arm.BOUND if asked.mode is RouteMode.ENFORCE else Arm.SHADOW
    elif found.moves:
        if arm is Arm.HOLDOUT:
            choice, why = Choice.STAY, Why.HOLDOUT
        elif arm is Arm.SHADOW and asked.mode is RouteMode.ENFORCE:
            choice = Choice.STAY  # began before the route was enforced: its cache is warm
    return Verdict(choice, why, found.detail, found.score, found.lasts, found.escalated, sign, arm)


def _arm(asked: Question, found: Verdict) -> Arm:
    if not found.moves:
        return Arm.STAYED
    if asked.mode is not RouteMode.ENFORCE:
        return Arm.SHADOW
    held = asked.conversation and in_share(asked.conversation, asked.route.holdout)
    return Arm.HOLDOUT if held else Arm.ROUTED


def pin_of(asked: Question, found: Verdict, until: float) -> Pin | None:
    """What is to be remembered of a decision; `None`: nothing, or nothing new.

    The pin of a conversation in the holdout or in shadow says what *would* have been done, so that
    its later calls are compared like with like.
    """
    if not asked.conversation or not found.lasts:
        return None
    old = asked.pin
    if old is not None and not (found.escalated and not old.escalated):
        return None
    would = Choice.MOVE if found.why is Why.HOLDOUT else found.choice
    return Pin(
        asked.route.name,
        would,
        found.why if old is None else old.why,
        found.arm,
        escalated=found.escalated,
        troubled=old is not None and old.troubled,
        until=until,
    )
