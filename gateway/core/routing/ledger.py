"""What one replica knows of its routes: pins, counts, and which routes were returned to shadow.

Everything here is memory; the store carries it to other replicas and back (`gateway.store.routes`).
Counts are kept twice: what this replica has counted since it last told the store, and the totals of
all as the store last said. Without a store the two together are this replica's own.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import TypeAlias

from gateway.domain.facts import Routed
from gateway.domain.routes import Arm, Choice, Route, RouteMode, Trouble
from gateway.domain.value import value

from .conversations import PIN_LIFETIME_S, Pin, Pins
from .costs import ESCALATION_PRIOR, Shadowed
from .holdout import ArmCounts, Arms, Finding, judge, no_counts

MAX_HELD = 50_000
MAX_RECENT = 20_000
_PRIOR_CONVERSATIONS = 40


@value
class Held:
    """What the other model's cache would hold of a conversation, both ways."""

    stay: Shadowed = Shadowed()
    move: Shadowed = Shadowed()


@value
class Recent:
    """A finished call, for feedback."""

    policy: str
    conversation: str
    arm: Arm


@value
class Pinned:
    """A decision, for the other replicas."""

    conversation: str
    pin: Pin


@value
class Warmed:
    """A provider's cache holds a prefix, until epoch seconds; for the other replicas."""

    model: str
    digest: bytes
    until: float


Shared: TypeAlias = Pinned | Warmed


class RouteLedger:
    """The memory of all routes."""

    def __init__(self) -> None:
        self.pins = Pins()
        self.complete = False
        """What other replicas know is known here, too."""
        self._told: Callable[[Shared], None] | None = None
        self._warmed: OrderedDict[tuple[str, bytes], float] = OrderedDict()
        self._held: OrderedDict[str, Held] = OrderedDict()
        self._recent: OrderedDict[str, Recent] = OrderedDict()
        self._since: dict[str, Arms] = {}
        self._totals: dict[str, Arms] = {}
        self._returned: dict[str, str] = {}

    def listen(self, told: Callable[[Shared], None]) -> None:
        """From now on, tell of what the other replicas should know."""
        self._told = told

    def remember(self, conversation: str, pin: Pin) -> None:
        """A decision fell here."""
        self.pins.put(conversation, pin)
        if self._told is not None:
            self._told(Pinned(conversation, pin))

    def warmed(self, model: str, digest: bytes, lifetime_s: float, now: float) -> None:
        """A prefix was put into a provider's cache, or used there; told when it is news."""
        if self._told is None:
            return
        key, until = (model, digest), now + lifetime_s
        if until - self._warmed.get(key, 0.0) < lifetime_s / 2:
            return
        self._warmed[key] = until
        self._warmed.move_to_end(key)
        if len(self._warmed) > MAX_RECENT:
            self._warmed.popitem(last=False)
        self._told(Warmed(model, digest, until))

    def take_back(self, conversation: str, now: float) -> None:
        """The simple model cannot go on with a conversation."""
        pin = self.pins.get(conversation, now) if conversation else None
        if pin is not None and not pin.escalated:
            until = now + PIN_LIFETIME_S
            self.remember(
                conversation,
                Pin(pin.route, Choice.STAY, pin.why, pin.arm, True, pin.troubled, until),
            )

    def mode_of(self, route: Route) -> RouteMode:
        """The mode in force."""
        if route.mode is RouteMode.ENFORCE and route.name in self._returned:
            return RouteMode.SHADOW
        return route.mode

    @property
    def returned(self) -> Mapping[str, str]:
        """Routes that were returned to shadow, and why."""
        return self._returned

    def set_returned(self, returned: Mapping[str, str]) -> None:
        """What the store says of all replicas."""
        self._returned = dict(returned)

    def held(self, conversation: str) -> Held | None:
        """What the caches would hold of a conversation; `None` for one that begins."""
        return self._held.get(conversation)

    def hold(self, conversation: str, held: Held) -> None:
        """Remember that, for its next call."""
        if not conversation:
            return
        self._held[conversation] = held
        self._held.move_to_end(conversation)
        if len(self._held) > MAX_HELD:
            self._held.popitem(last=False)

    def begun(self, policy: str, arm: Arm) -> None:
        """A conversation was assigned to an arm."""
        self._counts(policy, arm).conversations += 1

    def finished(self, request_id: str, taken: Routed, actual_microusd: int, now: float) -> None:
        """A call has ended. `now` is in epoch seconds."""
        counts = self._counts(taken.policy, taken.arm)
        counts.calls += 1
        counts.actual += actual_microusd
        counts.stay += taken.stay_microusd
        counts.other += taken.other_microusd
        for trouble in taken.troubles:
            counts.troubles[trouble] += 1
        if taken.troubles:
            self._trouble(taken.policy, taken.arm, taken.conversation, now)
        self._recent[request_id] = Recent(taken.policy, taken.conversation, taken.arm)
        if len(self._recent) > MAX_RECENT:
            self._recent.popitem(last=False)

    def feedback(self, about: Recent, *, good: bool, now: float) -> None:
        """An outcome was reported."""
        counts = self._counts(about.policy, about.arm)
        if good:
            counts.good += 1
            return
        counts.troubles[Trouble.OUTCOME] += 1
        self._trouble(about.policy, about.arm, about.conversation, now)

    def recent(self, request_id: str) -> Recent | None:
        """A call that ended here not long ago."""
        return self._recent.get(request_id)

    def conversation(self, name: str, now: float) -> Recent | None:
        """A conversation that is known here, for feedback."""
        pin = self.pins.get(name, now)
        return None if pin is None else Recent(pin.route, name, pin.arm)

    def counts(self, policy: str) -> Arms:
        """The totals of all replicas as far as known, with what was counted here since."""
        both = no_counts()
        for part in (self._totals.get(policy), self._since.get(policy)):
            for arm, counts in (part or {}).items():
                both[arm].add(counts)
        return both

    def judged(self, route: Route) -> Finding:
        """What the comparison of the arms says."""
        arms = self.counts(route.name)
        return judge(arms[Arm.ROUTED], arms[Arm.HOLDOUT], route)

    def escalation_share(self, policy: str) -> float:
        """How many moved conversations are taken back: measured, and the prior until then."""
        routed = self.counts(policy)[Arm.ROUTED]
        taken_back = min(routed.troubles[Trouble.ESCALATION], routed.conversations)
        prior = ESCALATION_PRIOR * _PRIOR_CONVERSATIONS
        return (taken_back + prior) / (routed.conversations + _PRIOR_CONVERSATIONS)

    def return_to_shadow(self, policy: str, why: str) -> None:
        """The test says that the route does harm."""
        self._returned[policy] = why

    def resume(self, policy: str) -> None:
        """Somebody has looked: count anew, in the configured mode."""
        self._returned.pop(policy, None)
        self._totals.pop(policy, None)
        self._since.pop(policy, None)

    def take(self) -> dict[str, Arms]:
        """What was counted since the last time, for the store; counted as known meanwhile."""
        taken, self._since = self._since, {}
        for policy, arms in taken.items():
            totals = self._totals.setdefault(policy, no_counts())
            for arm, counts in arms.items():
                totals[arm].add(counts)
        return taken

    def put_back(self, taken: Mapping[str, Arms]) -> None:
        """The store did not take it: it goes there the next time."""
        for policy, arms in taken.items():
            for arm, counts in arms.items():
                self._counts(policy, arm).add(counts)
                self._totals[policy][arm].add(counts, -1)

    def set_totals(self, policy: str, arms: Arms) -> None:
        """What the store says of all replicas together."""
        self._totals[policy] = arms

    def _counts(self, policy: str, arm: Arm) -> ArmCounts:
        arms = self._since.get(policy)
        if arms is None:
            arms = self._since[policy] = no_counts()
        return arms[arm]

    def _trouble(self, policy: str, arm: Arm, conversation: str, now: float) -> None:
        """Count a conversation as troubled, once."""
        pin = self.pins.get(conversation, now) if conversation else None
        if pin is not None:
            if pin.troubled:
                return
            self.remember(
                conversation,
                Pin(pin.route, pin.choice, pin.why, pin.arm, pin.escalated, True,
                    now + PIN_LIFETIME_S),
            )  # fmt: skip
        self._counts(policy, arm).troubled += 1
