"""Whether moving to another lane is worth more than waiting for this one.

Waiting costs time. What a second is worth is configured for each priority. Moving costs the prompt
cache: what this lane's provider would have read from its cache for a tenth of the price or less,
another lane's reads, and charges, in full (field-notes 22: failover that breaks caches costs two to
four times). Both are sums of money, so they can be compared, and both are recorded.

A call that no other lane takes at once stays where it is, in its place: moving from one queue into
another one gains nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.domain.call import Priority
from gateway.domain.value import value


@dataclass(frozen=True, slots=True)
class FailoverSettings:
    """When a call that waits looks elsewhere.

    Attributes:
        after_s: Shorter waits are never worth a move; also the pause before it looks again.
        second_microusd: What a second of waiting is worth, by priority.
    """

    after_s: float = 10.0
    second_microusd: Mapping[Priority, int] = field(
        default_factory=lambda: {
            Priority.URGENT: 10_000,
            Priority.NORMAL: 1_000,
            Priority.BACKGROUND: 0,
        }
    )


@value
class Weighed:
    """Both sides.

    Attributes:
        wait_s: How long the call is expected to wait here.
        wait_microusd: What that is worth.
        loss_microusd: What is paid for tokens that are in a cache here and not there.
    """

    wait_s: float
    wait_microusd: int
    loss_microusd: int

    @property
    def worth(self) -> bool:
        """Moving is worth more."""
        return self.wait_microusd > self.loss_microusd


def weigh(
    wait_s: float, priority: Priority, loss_microusd: int, settings: FailoverSettings
) -> Weighed:
    """Put both sides in the scales."""
    worth = round(max(0.0, wait_s) * settings.second_microusd.get(priority, 0))
    return Weighed(wait_s, worth, loss_microusd)


def lost_tokens(cached_here: int, cached_there: int, *, same_account: bool) -> int:
    """Tokens that a move takes out of the cache; another account has none of them."""
    return max(0, cached_here - (cached_there if same_account else 0))
