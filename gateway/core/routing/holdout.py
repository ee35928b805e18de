"""Measured, not modelled: what the routed conversations did beside those that were held out.

The unit is the conversation, since its calls are not independent: it is troubled if any of its
calls failed, was sent again, showed that the model does not manage, or was reported as bad.

**The test.** A route returns to shadow when, with at least `min_volume` conversations in each arm,

    1. the routed arm's share of troubled conversations exceeds the holdout's by more than `margin`,
    2. and the lower end of the one-sided 95 % interval of that difference (Newcombe's method, from
       Wilson's intervals of both shares) is above zero.

The margin says what matters, the interval that it is not luck.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import sqrt

from gateway.domain.routes import Arm, Route, Trouble
from gateway.domain.value import value

Z_ONE_SIDED_95 = 1.6449


@dataclass(slots=True)
class ArmCounts:
    """One arm of one route. Money is in micro-dollars.

    Attributes:
        conversations: Begun in this arm.
        troubled: Of these, how many had any trouble.
        calls: Finished.
        actual: What they cost, escalated and repeated calls included.
        stay: What staying on the requested model with its cache would have cost.
        other: What the simple model would have cost (shadow and holdout), or did.
        troubles: By kind, counted per call.
        good: Outcomes reported as good.
    """

    conversations: int = 0
    troubled: int = 0
    calls: int = 0
    actual: int = 0
    stay: int = 0
    other: int = 0
    good: int = 0
    troubles: dict[Trouble, int] = field(default_factory=lambda: dict.fromkeys(Trouble, 0))

    @property
    def troubled_share(self) -> float:
        """Of its conversations; 0 without any."""
        return self.troubled / self.conversations if self.conversations else 0.0

    @property
    def saved(self) -> int:
        """Against staying; negative if it cost more."""
        return self.stay - self.actual

    def add(self, more: "ArmCounts", sign: int = 1) -> None:
        """Count others as well, or no longer."""
        self.conversations += sign * more.conversations
        self.troubled += sign * more.troubled
        self.calls += sign * more.calls
        self.actual += sign * more.actual
        self.stay += sign * more.stay
        self.other += sign * more.other
        self.good += sign * more.good
        for kind, count in more.troubles.items():
            self.troubles[kind] += sign * count

    def fields(self) -> dict[str, int]:
        """As flat numbers, for the store; those that are zero are left out."""
        flat = {
            "conversations": self.conversations,
            "troubled": self.troubled,
            "calls": self.calls,
            "actual": self.actual,
            "stay": self.stay,
            "other": self.other,
            "good": self.good,
            **{f"trouble_{kind.value}": count for kind, count in self.troubles.items()},
        }
        return {name: number for name, number in flat.items() if number}

    @classmethod
    def of_fields(cls, flat: Mapping[str, int]) -> "ArmCounts":
        """From flat numbers; what is not there is zero."""
        return cls(
            conversations=flat.get("conversations", 0),
            troubled=flat.get("troubled", 0),
            calls=flat.get("calls", 0),
            actual=flat.get("actual", 0),
            stay=flat.get("stay", 0),
            other=flat.get("other", 0),
            good=flat.get("good", 0),
            troubles={kind: flat.get(f"trouble_{kind.value}", 0) for kind in Trouble},
        )


Arms = dict[Arm, ArmCounts]


def no_counts() -> Arms:
    """Nothing counted yet."""
    return {arm: ArmCounts() for arm in Arm}


@value
class Finding:
    """What the comparison of two arms says.

    Attributes:
        routed: Share of troubled conversations, routed.
        holdout: The same, held out.
        low: The lower end of the interval of the difference.
        high: The upper end.
        enough: There are enough conversations in both.
        worse: The test says that routing does harm.
    """

    routed: float
    holdout: float
    low: float
    high: float
    enough: bool
    worse: bool

    def __str__(self) -> str:
        """In words, for logs and the admin API."""
        if not self.enough:
            return "not enough conversations in both arms to compare"
        return (
            f"{self.routed:.1%} of routed and {self.holdout:.1%} of held-out conversations had "
            f"trouble; the difference is between {self.low:+.1%} and {self.high:+.1%}"
        )


def judge(routed: ArmCounts, held: ArmCounts, route: Route) -> Finding:
    """Compare the arms of a route by the test above."""
    enough = min(routed.conversations, held.conversations) >= max(1, route.min_volume)
    difference = routed.troubled_share - held.troubled_share
    low, high = _newcombe(
        (routed.troubled, routed.conversations), (held.troubled, held.conversations)
    )
    worse = enough and difference > route.margin and low > 0
    return Finding(routed.troubled_share, held.troubled_share, low, high, enough, worse)


def _newcombe(first: tuple[int, int], second: tuple[int, int]) -> tuple[float, float]:
    """The interval of a difference of two shares."""
    if not first[1] or not second[1]:
        return -1.0, 1.0
    p1, p2 = first[0] / first[1], second[0] / second[1]
    low1, high1 = wilson(*first)
    low2, high2 = wilson(*second)
    difference = p1 - p2
    return (
        difference - sqrt((p1 - low1) ** 2 + (high2 - p2) ** 2),
        difference + sqrt((high1 - p1) ** 2 + (p2 - low2) ** 2),
    )


def wilson(count: int, total: int, z: float = Z_ONE_SIDED_95) -> tuple[float, float]:
    """Wilson's interval of a share."""
    if not total:
        return 0.0, 1.0
    share = count / total
    centre = share + z * z / (2 * total)
    spread = z * sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return max(0.0, (centre - spread) / scale), min(1.0, (centre + spread) / scale)
