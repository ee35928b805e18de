"""What is done when providers or agents misbehave: the part of the schema, and its reader."""

from dataclasses import dataclass
from typing import Final

from gateway.core.retrying import Repeat, RetrySettings

from . import kinds
from .reading import Given
from .schema import Leaf, Section

_RETRIES = RetrySettings()


@dataclass(frozen=True, slots=True)
class ReliabilitySettings:
    """All of it.

    Attributes:
        retries: What is sent to a provider again.
    """

    retries: RetrySettings = RetrySettings()  # noqa: RUF009 - frozen


# retries
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

SECTIONS: Final = (RETRIES,)


def reliability(root: Given) -> ReliabilitySettings:
    """The settings of the file."""
    return ReliabilitySettings(retries=_retries(root.section(RETRIES)))


def _retries(given: Given) -> RetrySettings:
    return RetrySettings(
        repeat=given.get(REPEAT),
        most=given.get(MOST),
        share=given.get(SHARE),
        burst=given.get(BURST),
        pause_s=given.get(PAUSE),
        longest_s=given.get(LONGEST),
    )
