"""What this replica's calls used in the last minute: what it can vouch for without a store."""

from collections import defaultdict, deque
from collections.abc import Iterator
from typing import NamedTuple

from gateway.core.admission.messages import agent_scope, charge_list, lane_scope, team_scope
from gateway.domain.admission import Charge, TicketRequest

_SLOTS = 60


class Whose(NamedTuple):
    """What a use counts for."""

    lane: str
    agent: str
    team: str | None

    @property
    def scopes(self) -> Iterator[str]:
        """As operations name them."""
        yield lane_scope(self.lane)
        yield agent_scope(self.agent)
        if self.team:
            yield team_scope(self.team)


class Sums:
    """Charges, added up by whose they are."""

    __slots__ = ("_sums",)

    def __init__(self) -> None:
        self._sums: dict[Whose, list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._sums)

    def add(self, whose: Whose, charge: list[int]) -> None:
        """Add one."""
        held = self._sums.get(whose)
        if held is None:
            self._sums[whose] = list(charge)
        else:
            for index, amount in enumerate(charge):
                held[index] += amount

    def add_charge(self, request: TicketRequest, charge: Charge) -> None:
        """Add what a call took. In the way of every call, so without anything in between."""
        key = (request.lane, request.agent, request.team)
        held = self._sums.get(key)  # type: ignore[call-overload] # equal to, and hashed as, a Whose
        if held is None:
            self._sums[Whose(*key)] = charge_list(charge)
            return
        held[0] += charge.requests
        held[1] += charge.lane_input_tokens
        held[2] += charge.lane_output_tokens
        held[3] += charge.lane_tokens
        held[4] += charge.input_tokens
        held[5] += charge.output_tokens
        held[6] += charge.cost_microusd

    def merge(self, others: "Sums") -> None:
        """Add all of them."""
        for whose, charge in others.items():
            self.add(whose, charge)

    def items(self) -> Iterator[tuple[Whose, list[int]]]:
        """Each sum."""
        yield from self._sums.items()

    def take(self) -> list[tuple[Whose, list[int]]]:
        """All sums, which are then nothing."""
        taken, self._sums = list(self._sums.items()), {}
        return taken


class OwnUse:
    """A sliding minute of settled calls, in slots.

    Args:
        minute_s: How long it is.
    """

    def __init__(self, minute_s: float) -> None:
        self._slot_s = minute_s / _SLOTS
        self._slots: deque[tuple[int, Sums]] = deque()
        self._number = -1
        self._present = Sums()

    def note(self, request: TicketRequest, actual: Charge, now_s: float) -> None:
        """A call has ended."""
        number = int(now_s / self._slot_s)
        if number > self._number:
            self._forget(number)
            self._number, self._present = number, Sums()
            self._slots.append((number, self._present))
        self._present.add_charge(request, actual)

    def used_since(self, since_s: float) -> set[str]:
        """Scopes of calls that ended then or later, as operations name them."""
        first = int(since_s / self._slot_s)
        return {
            scope
            for number, sums in self._slots
            if number >= first
            for whose, _ in sums.items()
            for scope in whose.scopes
        }

    def sums(self, now_s: float) -> Sums:
        """What was used in the minute that ends now."""
        self._forget(int(now_s / self._slot_s))
        found = Sums()
        for _, sums in self._slots:
            found.merge(sums)
        return found

    def by_scope(self, now_s: float) -> dict[str, tuple[int, int]]:
        """Tokens and requests of the minute that ends now, by scope."""
        found: defaultdict[str, tuple[int, int]] = defaultdict(lambda: (0, 0))
        for whose, charge in self.sums(now_s).items():
            for scope in whose.scopes:
                tokens, requests = found[scope]
                found[scope] = (tokens + charge[4] + charge[5], requests + charge[0])
        return dict(found)

    def _forget(self, number: int) -> None:
        while self._slots and self._slots[0][0] < number - _SLOTS:
            self._slots.popleft()
