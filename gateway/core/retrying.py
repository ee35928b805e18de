"""What to do when an attempt has failed: wait again, repeat it, try the next option, or give up.

    rate-limit 429              wait again: the lane is blocked, the ticket keeps its place
    billing, caller's error     give up: the answer is passed on as it is
    model unfit for the call    next option: routing had asked another one than was asked for
    credential refused          next option: another account may have a better one
    overload (529, 503), 5xx    repeat after a pause, else next option
    never sent                  repeat, else next option
    sent, and cut before a head next option or repeat only where a second run is accepted
    first byte late             next option or repeat only where a second run is accepted

Nothing is ever repeated once a byte of the answer has gone to the client, whoever is to blame: the
client would see two beginnings. A repetition happens inside the call's patience, counts against a
budget (a share of the traffic, so that an outage is not multiplied), waits at least as long as the
provider asked for, and a random time more, so that calls which failed together do not return
together (field-notes 20). A call that its client sends again itself is not repeated here as well.

An answer with an error status proves that no generation was delivered, and providers do not bill
it (provider-facts A3, B12), so it may be repeated. A connection that was lost after the request was
sent proves nothing: the first run may go on and be billed. `Repeat.AFTER_SEND` accepts that.
"""

from collections.abc import Callable
from enum import Enum, StrEnum, auto
from typing import TypeAlias

from gateway.domain.outcome import ProviderVerdict, Reason
from gateway.domain.value import value

Chance: TypeAlias = Callable[[], float]
"""A random number from 0 to 1, 1 excluded; handed in, so that tests know it."""


class Step(Enum):
    """What comes after an attempt."""

    DONE = auto()
    """The client has its answer, or its last word."""
    WAIT = auto()
    """Another turn at the same lane, in the place it had."""
    REPEAT = auto()
    """Another attempt at the same lane, after a pause."""
    NEXT = auto()
    """The next option."""
    FAIL = auto()
    """Tell the client."""


class Repeat(StrEnum):
    """What may be sent to a provider a second time."""

    NEVER = "never"
    UNSENT = "unsent"
    """What did not reach the provider, or was answered with an error."""
    AFTER_SEND = "after_send"
    """Also what reached it and got no answer: it may be billed twice."""


@value
class Ended:
    """How an attempt ended, if not with an answer for the client.

    Attributes:
        verdict: What the provider's answer means; `None` if it gave none.
        failure: Why there was no answer; `None` if there was one.
        sent: Any byte of the request may have reached the provider.
        retry_after_s: What the provider asked for.
        unfit: It says that this model cannot take the call; another one can.
    """

    verdict: ProviderVerdict | None = None
    failure: Reason | None = None
    sent: bool = True
    retry_after_s: float | None = None
    unfit: bool = False


@value
class Standing:
    """How the call stands.

    Attributes:
        answering: Bytes of an answer have gone to the client.
        repeats: How often this option was repeated.
        left_s: What is left of the call's patience.
        more: There is another option.
    """

    answering: bool
    repeats: int
    left_s: float
    more: bool


@value
class RetrySettings:
    """How much is repeated.

    Attributes:
        repeat: What may be sent a second time.
        most: Repetitions of one call at one lane.
        share: Repetitions per call of a provider, over time.
        burst: Repetitions that a provider without much traffic may have at once.
        pause_s: The first pause; doubled by each repetition.
        longest_s: The longest pause of the gateway's own.
    """

    repeat: Repeat = Repeat.UNSENT
    most: int = 2
    share: float = 0.1
    burst: float = 10.0
    pause_s: float = 0.5
    longest_s: float = 8.0


@value
class Decision:
    """What comes next.

    Attributes:
        pause_s: Before it.
    """

    step: Step
    pause_s: float = 0.0


class RetryBudget:
    """Repetitions that a provider's traffic has earned: a token bucket filled by calls."""

    __slots__ = ("_burst", "_level", "_share")

    def __init__(self, share: float, burst: float) -> None:
        self._share = share
        self._burst = burst
        self._level = burst

    @property
    def level(self) -> float:
        """Repetitions that are left."""
        return self._level

    def earn(self) -> None:
        """A call was made for the first time."""
        level = self._level + self._share
        self._level = min(self._burst, level)

    def spend(self) -> bool:
        """Take one repetition, if there is one."""
        if self._level < 1.0:
            return False
        self._level -= 1.0
        return True


class RetryBudgets:
    """One budget for each provider; providers are few and named by the configuration."""

    __slots__ = ("_budgets", "_settings")

    def __init__(self, settings: RetrySettings) -> None:
        self._settings = settings
        self._budgets: dict[str, RetryBudget] = {}

    def of(self, provider: str) -> RetryBudget:
        """The budget of a provider."""
        found = self._budgets.get(provider)
        if found is None:
            found = RetryBudget(self._settings.share, self._settings.burst)
            self._budgets[provider] = found
        return found


WAIT = Decision(Step.WAIT)
NEXT = Decision(Step.NEXT)
FAIL = Decision(Step.FAIL)
_JITTER = 1.5
"""The most that a pause is stretched; it is never shortened."""
_PASSING = frozenset({ProviderVerdict.OVERLOADED, ProviderVerdict.PROVIDER_ERROR})
"""Verdicts that another attempt a moment later may not meet again."""


def decide(
    ended: Ended,
    standing: Standing,
    settings: RetrySettings,
    budget: RetryBudget,
    chance: Chance,
) -> Decision:
    """What to do now; takes a repetition from the budget if it says to repeat."""
    if standing.answering:
        return FAIL
    if ended.verdict is ProviderVerdict.RATE_LIMITED:
        return WAIT
    otherwise = NEXT if standing.more else FAIL
    if ended.verdict is ProviderVerdict.AUTH or ended.unfit:
        return otherwise
    if not _may_run_again(ended, settings.repeat):
        return FAIL
    pause_s = _pause_s(ended, standing, settings, chance)
    fits = standing.repeats < settings.most and pause_s <= standing.left_s
    if standing.more and pause_s > settings.longest_s * _JITTER:
        return NEXT  # the provider asks for a long pause, and there is somewhere else to go
    if fits and settings.repeat is not Repeat.NEVER and budget.spend():
        return Decision(Step.REPEAT, pause_s)
    return otherwise


def _may_run_again(ended: Ended, repeat: Repeat) -> bool:
    """Whether a second run, here or elsewhere, is accepted."""
    if ended.verdict is not None:
        return ended.verdict in _PASSING
    return not ended.sent or repeat is Repeat.AFTER_SEND


def _pause_s(ended: Ended, standing: Standing, settings: RetrySettings, chance: Chance) -> float:
    own_s = min(settings.pause_s * 2.0**standing.repeats, settings.longest_s)
    least_s = own_s if ended.retry_after_s is None else max(own_s, ended.retry_after_s)
    return least_s * (1.0 + (_JITTER - 1.0) * chance())
