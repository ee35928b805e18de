"""What replicas tell each other of prompts that are, or had better be, put into a provider's cache."""

from enum import StrEnum

from .call import Priority
from .value import value


class End(StrEnum):
    """How a call ended to lead a prefix."""

    WARM = "warm"
    """Its answer has begun, and what it led is in the cache."""
    COLD = "cold"
    """Its answer has begun, and nothing is."""
    FAILED = "failed"
    """It got no answer."""


@value
class CacheNews:
    """A call leads, or no longer does.

    Attributes:
        call: Its id.
        account, model: Where the cache is.
        digests: The cuts of its prompt that it leads, or that are warm now.
        priority: Its band.
        until: When this is no longer true; epoch seconds.
        end: `None`: it leads.
    """

    call: str
    account: str
    model: str
    digests: tuple[bytes, ...]
    priority: Priority
    until: float
    end: End | None = None


@value
class HeadSeen:
    """An agent has sent a head (tools and system prompt) that its replica had not seen before."""

    agent: str
    model: str
    digest: bytes
