"""What is done when providers or agents misbehave: the part of the schema, and its reader."""

from dataclasses import dataclass
from typing import Final

from gateway.core.breaker import BreakerSettings
from gateway.core.failover import FailoverSettings
from gateway.core.retrying import Repeat, RetrySettings
from gateway.core.runaway import RunawayMode, RunawaySettings
from gateway.domain.call import Priority

from . import kinds
from .reading import Given
from .schema import Leaf, Section

_RETRIES = RetrySettings()
_BREAKERS = BreakerSettings()
_FAILOVER = FailoverSettings()
_RUNAWAYS = RunawaySettings()


@dataclass(frozen=True, slots=True)
class ReliabilitySettings:
    """All of it.

    Attributes:
        retries: What is sent to a provider again.
        breakers: Of providers and lanes.
        failover: When a call that waits looks elsewhere.
        runaways: From where on an agent runs away.
        slow_after_s: A first byte later than this makes a call slow; `None`: none is.
    """

    retries: RetrySettings = RetrySettings()  # noqa: RUF009 - frozen
    breakers: BreakerSettings = BreakerSettings()  # noqa: RUF009 - frozen
    failover: FailoverSettings = FailoverSettings()  # noqa: RUF009 - frozen
    runaways: RunawaySettings = RunawaySettings()  # noqa: RUF009 - frozen
    slow_after_s: float | None = None


# what is sent again
REPEAT: Final = Leaf(
    "repeat", kinds.choice(Repeat),
    "What may be sent again: unsent is what did not reach the provider or was answered with an "
    "error; after_send also what reached it and got no answer, and may be billed twice.",
    _RETRIES.repeat, "`unsent`",
)  # fmt: skip
MOST: Final = Leaf(
    "most", kinds.whole(0, 10), "Repetitions of one call at one lane.", _RETRIES.most, "`2`"
)
SHARE: Final = Leaf(
    "share", kinds.share(1.0),
    "Repetitions per call of a provider, over time, so that an outage is not multiplied.",
    _RETRIES.share, "`10%`",
)  # fmt: skip
BURST: Final = Leaf(
    "burst", kinds.number(0, 1000),
    "Repetitions that a provider without much traffic may have at once, in each worker.",
    _RETRIES.burst, "`10`",
)  # fmt: skip
PAUSE: Final = Leaf(
    "pause", kinds.duration(0.001, 60),
    "The first pause; each repetition doubles it, and chance adds up to half of it.",
    _RETRIES.pause_s, "`500ms`",
)  # fmt: skip
LONGEST: Final = Leaf(
    "longest", kinds.duration(0.001, 600),
    "The longest pause that the gateway chooses itself; a provider may ask for more.",
    _RETRIES.longest_s, "`8s`",
)  # fmt: skip
RETRIES: Final = Section(
    "retries", "What is sent to a provider again, before its first byte.",
    (REPEAT, MOST, SHARE, BURST, PAUSE, LONGEST),
)  # fmt: skip

# when a breaker opens, and for how long
IN_ROW: Final = Leaf(
    "in_row", kinds.whole(0, 1000), "Failures one after the other that open a breaker; 0: none do.",
    _BREAKERS.in_row, "`5`",
)  # fmt: skip
RATIO: Final = Leaf(
    "ratio", kinds.share(1.0), "Share of failures in the window that opens it.",
    _BREAKERS.ratio, "`50%`",
)  # fmt: skip
VOLUME: Final = Leaf(
    "volume", kinds.whole(1, 100_000), "Calls in the window below which no share counts.",
    _BREAKERS.volume, "`20`",
)  # fmt: skip
WINDOW: Final = Leaf(
    "window", kinds.duration(0.1, 3600), "The sliding window.", _BREAKERS.window_s, "`30s`"
)
SLOW_AFTER: Final = Leaf(
    "slow_after", kinds.optional(kinds.duration(0.01, 3600)),
    "A first byte later than this makes a call slow. `none`: no call is, since thinking takes long.",
    None, "`none`",
)  # fmt: skip
SLOW_RATIO: Final = Leaf(
    "slow_ratio", kinds.share(1.0), "Share of slow calls in the window that opens it.",
    _BREAKERS.slow_ratio, "`80%`",
)  # fmt: skip
OPEN: Final = Leaf(
    "open", kinds.duration(0.01, 3600),
    "How long it stays open the first time; each further time doubles it, and chance adds up to a "
    "fifth.", _BREAKERS.open_s, "`5s`",
)  # fmt: skip
LONGEST_OPEN: Final = Leaf(
    "longest", kinds.duration(0.01, 86400), "How long at most.", _BREAKERS.longest_s, "`5m`"
)
PROBES: Final = Leaf(
    "probes", kinds.whole(1, 100),
    "Calls that a half-open breaker lets through at once to see, in each worker.",
    _BREAKERS.probes, "`1`",
)  # fmt: skip
ENOUGH: Final = Leaf(
    "enough", kinds.whole(1, 100), "Probes that must go well for it to close.",
    _BREAKERS.enough, "`2`",
)  # fmt: skip
BREAKERS: Final = Section(
    "breakers", "When a provider or a lane that fails is left alone.",
    (IN_ROW, RATIO, VOLUME, WINDOW, SLOW_AFTER, SLOW_RATIO, OPEN, LONGEST_OPEN, PROBES, ENOUGH),
)  # fmt: skip

# when a call that waits looks elsewhere
AFTER: Final = Leaf(
    "after", kinds.duration(0, 3600), "Shorter waits for a lane are never worth a move.",
    _FAILOVER.after_s, "`10s`",
)  # fmt: skip
SECOND_URGENT: Final = Leaf(
    "urgent", kinds.dollars(), "Of an urgent call, in dollars.",
    _FAILOVER.second_microusd[Priority.URGENT], "`0.01`",
)  # fmt: skip
SECOND_NORMAL: Final = Leaf(
    "normal", kinds.dollars(), "Of a normal call, in dollars.",
    _FAILOVER.second_microusd[Priority.NORMAL], "`0.001`",
)  # fmt: skip
SECOND_BACKGROUND: Final = Leaf(
    "background", kinds.dollars(), "Of a background call, in dollars.",
    _FAILOVER.second_microusd[Priority.BACKGROUND], "`0`",
)  # fmt: skip
SECOND: Final = Section(
    "second", "What a second of waiting is worth, to be weighed against a lost prompt cache.",
    (SECOND_URGENT, SECOND_NORMAL, SECOND_BACKGROUND),
)  # fmt: skip
FAILOVER: Final = Section(
    "failover", "When a call that waits goes to what its lane falls back on.", (AFTER, SECOND)
)

# agents that run away
RUNAWAY_MODE: Final = Leaf(
    "mode", kinds.choice(RunawayMode),
    "off: nobody looks; warn: it is said in log and metrics; enforce: the agent is stopped.",
    _RUNAWAYS.mode, "`warn`",
)  # fmt: skip
RUNAWAY_WINDOW: Final = Leaf(
    "window", kinds.duration(1, 86400), "For `repeated`, `errors` and `spend_times`.",
    _RUNAWAYS.window_s, "`5m`",
)  # fmt: skip
REPEATED: Final = Leaf(
    "repeated", kinds.whole(0, 100_000),
    "Times that an agent makes the same call in the window; 0: not looked for.",
    _RUNAWAYS.repeated, "`20`",
)  # fmt: skip
ERRORS: Final = Leaf(
    "errors", kinds.whole(0, 100_000),
    "Calls in a row that fail by the caller's own fault, in the window; 0: not looked for.",
    _RUNAWAYS.errors, "`20`",
)  # fmt: skip
SPEND_TIMES: Final = Leaf(
    "spend_times", kinds.number(0, 100_000),
    "Multiple of the agent's own norm that it spends in a window; 0: not looked for.",
    _RUNAWAYS.spend_times, "`10`",
)  # fmt: skip
SPEND_LEAST: Final = Leaf(
    "spend_least", kinds.dollars(), "Less in a window is never too much.",
    _RUNAWAYS.spend_least_microusd, "`1`",
)  # fmt: skip
GROWN: Final = Leaf(
    "grown", kinds.whole(0, 100_000),
    "Calls in a row of which each has a longer prompt than the one before; 0: not looked for.",
    _RUNAWAYS.grown, "`100`",
)  # fmt: skip
GROWN_TOKENS: Final = Leaf(
    "grown_tokens", kinds.whole(0), "Shorter prompts are never too long.",
    _RUNAWAYS.grown_tokens, "`400_000`",
)  # fmt: skip
RUNAWAY_PAUSE: Final = Leaf(
    "pause", kinds.duration(1, 86400),
    "How long a stopped agent is stopped the first time; each further time doubles it.",
    _RUNAWAYS.pause_s, "`15m`",
)  # fmt: skip
RUNAWAYS: Final = Section(
    "runaways", "From where on an agent runs away, and what is done about it.",
    (RUNAWAY_MODE, RUNAWAY_WINDOW, REPEATED, ERRORS, SPEND_TIMES, SPEND_LEAST, GROWN,
     GROWN_TOKENS, RUNAWAY_PAUSE),
)  # fmt: skip

SECTIONS: Final = (RETRIES, BREAKERS, FAILOVER, RUNAWAYS)


def reliability(root: Given) -> ReliabilitySettings:
    """The settings of the file."""
    breakers = root.section(BREAKERS)
    return ReliabilitySettings(
        retries=_retries(root.section(RETRIES)),
        breakers=_breakers(breakers),
        failover=_failover(root.section(FAILOVER)),
        runaways=_runaways(root.section(RUNAWAYS)),
        slow_after_s=breakers.get(SLOW_AFTER),
    )


def _runaways(given: Given) -> RunawaySettings:
    return RunawaySettings(
        mode=given.get(RUNAWAY_MODE),
        window_s=given.get(RUNAWAY_WINDOW),
        repeated=given.get(REPEATED),
        errors=given.get(ERRORS),
        spend_times=given.get(SPEND_TIMES),
        spend_least_microusd=given.get(SPEND_LEAST),
        grown=given.get(GROWN),
        grown_tokens=given.get(GROWN_TOKENS),
        pause_s=given.get(RUNAWAY_PAUSE),
    )


def _failover(given: Given) -> FailoverSettings:
    second = given.section(SECOND)
    return FailoverSettings(
        after_s=given.get(AFTER),
        second_microusd={
            Priority.URGENT: second.get(SECOND_URGENT),
            Priority.NORMAL: second.get(SECOND_NORMAL),
            Priority.BACKGROUND: second.get(SECOND_BACKGROUND),
        },
    )


def _breakers(given: Given) -> BreakerSettings:
    return BreakerSettings(
        in_row=given.get(IN_ROW),
        ratio=given.get(RATIO),
        volume=given.get(VOLUME),
        window_s=given.get(WINDOW),
        slow_ratio=given.get(SLOW_RATIO),
        open_s=given.get(OPEN),
        longest_s=given.get(LONGEST_OPEN),
        probes=given.get(PROBES),
        enough=given.get(ENOUGH),
    )


def _retries(given: Given) -> RetrySettings:
    return RetrySettings(
        repeat=given.get(REPEAT),
        most=given.get(MOST),
        share=given.get(SHARE),
        burst=given.get(BURST),
        pause_s=given.get(PAUSE),
        longest_s=given.get(LONGEST),
    )
