"""Between efforts and budgets of thinking, of which each provider takes one."""

from collections.abc import Mapping
from typing import Final

from .canonical import Effort

BUDGETS: Final[Mapping[Effort, int]] = {
    Effort.MINIMAL: 1024,
    Effort.LOW: 2048,
    Effort.MEDIUM: 8192,
    Effort.HIGH: 16_384,
    Effort.XHIGH: 24_576,
    Effort.MAX: 31_999,
}
"""Tokens of thought that an effort stands for."""


def effort_of(budget_tokens: int) -> Effort:
    """The effort that a budget amounts to."""
    for effort in (Effort.LOW, Effort.MEDIUM, Effort.HIGH):
        if budget_tokens <= BUDGETS[effort]:
            return effort
    return Effort.XHIGH
