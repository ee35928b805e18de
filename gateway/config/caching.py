"""Cache assistance: the part of the schema that is not an agent's, and its reader."""

from typing import Final

from gateway.core.convoy import ConvoySettings

from . import kinds
from .reading import Given
from .schema import Leaf, Section

_CONVOY = ConvoySettings()

HOLD: Final = Leaf(
    "hold", kinds.duration(0, 600),
    "How long a call waits at most for one in flight whose prompt begins alike. `0`: not at all.",
    _CONVOY.hold_s, "`20s`",
)  # fmt: skip
GATHER: Final = Leaf(
    "gather", kinds.duration(0, 10),
    "How long a call waits whose unmarked prompt begins in a new way, to see whether others do so, "
    "too. `0`: not at all.", _CONVOY.gather_s, "`100ms`",
)  # fmt: skip
LEAST: Final = Leaf(
    "least", kinds.whole(512), "Tokens that must be alike; shorter beginnings are not waited for.",
    _CONVOY.least_tokens, "`4096`",
)  # fmt: skip
CACHE: Final = Section(
    "cache", "Cache assistance, for agents that have `cache_assist`.", (HOLD, GATHER, LEAST)
)


def caching(given: Given) -> ConvoySettings:
    """The settings of the file."""
    return ConvoySettings(
        hold_s=given.get(HOLD), gather_s=given.get(GATHER), least_tokens=given.get(LEAST)
    )
