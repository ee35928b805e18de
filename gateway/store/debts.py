"""What the store does not know yet: calls that were admitted, or ended, while it was away.

Everything here is brought to the store by its ordinary operations. A ticket that asks for nothing
and is urgent passes every limit but those on calls in flight, and is settled with what was used;
so a use that nobody could ask for any more is counted all the same, and whoever comes next sees it.

* A call that ended while the store was away owes what it used (`ended`, summed up by whose it was).
* A call that runs when the store is back owes its request and input at once (`charge_ahead`), and
  gets such a ticket for the rest of its life (`adopt`), so that it counts as in flight and its
  output is held.
* A store that has forgotten this replica gave up its tickets: what they were charged stays spent
  there, their output does not, so their output is owed. A store that came back empty is owed all
  that this replica's calls used in the last minute.

Failure policy: a ticket that is refused, or let go because the store is lost again, leaves the debt
as it was; it is tried again with the next payment. Spend of calls that this process did not see is
lost with the store's data.
"""

from collections.abc import Coroutine, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Any, Protocol

from gateway.core.admission import messages
from gateway.core.admission.messages import Operation, charge_list
from gateway.domain.admission import Admitted, Charge, Settlement, TicketRequest
from gateway.domain.call import Priority

from .admission import RedisAdmission
from .known_lanes import DEBTS_LANE
from .own_use import Sums, Whose

_NOTHING = Charge(requests=0)
_PATIENCE_S = 3600.0
_OWN = DEBTS_LANE
"""As an agent too, it has no limits and no calls."""


@dataclass(slots=True)
class Held:
    """A call that is admitted and not settled.

    Attributes:
        name: Its ticket in the store; `None`: the store has none.
        told: What of its use the store has counted without a ticket that lives.
        adopting: A ticket is being asked for.
        ended: What it used, if it ended meanwhile.
    """

    request: TicketRequest
    name: str | None
    told: Charge = _NOTHING
    adopting: bool = False
    ended: Charge | None = None

    @property
    def whole(self) -> bool:
        """Whether the store has the call as it was admitted."""
        return self.name == self.request.ticket and self.told is _NOTHING


class Spawn(Protocol):
    """Runs work beside the caller."""

    def __call__(self, work: Coroutine[Any, Any, None]) -> object:
        """Begin."""


class Debts:
    """The debts of one replica.

    Args:
        queue: The store's queue.
        replica: Our name.
        spawn: For what has to wait for the store.
    """

    def __init__(self, queue: RedisAdmission, replica: str, spawn: Spawn) -> None:
        self._queue = queue
        self._spawn = spawn
        self._names: Iterator[str] = (f"{replica}~{number}" for number in count(1))
        self._owed = Sums()
        self._unsure: list[tuple[TicketRequest, Charge]] = []
        self.paying = 0
        """Debts on their way."""

    @property
    def none(self) -> bool:
        """Whether everything is told."""
        return not self._owed and not self.paying

    def settle(self, held: Held, actual: Charge, *, away: bool) -> None:
        """A call has ended."""
        if held.adopting:
            held.ended = actual
        elif held.name is None:
            self._owe(held, actual)
        else:
            self._tell(held, actual)
            if away:
                self._unsure.append((held.request, actual))

    def forgotten(self, running: Iterable[Held], *, emptied: Sums | None) -> None:
        """The store knows no ticket of ours; with `emptied`, none of this use of ours either."""
        for held in running:
            if held.name is not None and not held.adopting:
                # Should it know this one already, as a new one, nothing of it may be left behind.
                self._queue.settle(Settlement(held.name, held.request.lane, _NOTHING))
                held.name = None
                held.told = _but_output(held.request)
            if emptied is not None:
                held.told = _NOTHING
        for request, actual in self._unsure:
            if emptied is None:
                self._owe(Held(request, None, told=_but_output(request)), actual)
        if emptied is not None:  # what was told before is lost, and what is owed is in there
            self._owed = emptied
        self._unsure.clear()

    def remembered(self) -> None:
        """The store knows our tickets, so what was sent meanwhile has reached them."""
        self._unsure.clear()

    def pay(self) -> None:
        """Tell the store what is owed."""
        for whose, charge in self._owed.take():
            for part, amount in _parts(whose, charge):
                self.paying += 1
                self._spawn(self._pay(part, amount))

    def charge_ahead(self, held: Held) -> None:
        """A call that runs has used its request and its input, whatever it will answer."""
        if held.name is None and not held.told.requests:
            charge = held.request.charge
            ahead = Charge(
                requests=charge.requests,
                lane_input_tokens=charge.lane_input_tokens,
                lane_tokens=max(0, charge.lane_tokens - charge.output_tokens),
                input_tokens=charge.input_tokens,
            )
            self._owe(held, ahead)
            held.told = ahead

    def adopt(self, held: Held) -> None:
        """Get a ticket for a call that runs."""
        if held.name is None and not held.adopting:
            held.adopting = True
            self._spawn(self._adopt(held))

    def operations(self) -> list[Operation]:
        """What is owed, as a store that holds nothing takes it at once."""
        found: list[Operation] = []
        for whose, charge in self._owed.take():
            for part, amount in _parts(whose, charge):
                wish = self._wish(part)
                found += [
                    messages.arrive(wish),
                    messages.settle(Settlement(wish.ticket, part.lane, Charge(*amount))),
                ]
        return found

    def _wish(self, whose: Whose) -> TicketRequest:
        """A ticket that asks for nothing."""
        return TicketRequest(
            next(self._names),
            whose.lane,
            whose.agent,
            whose.team,
            Priority.URGENT,
            1.0,
            _NOTHING,
            _PATIENCE_S,
        )

    async def _pay(self, whose: Whose, charge: list[int]) -> None:
        wish = self._wish(whose)
        try:
            verdict = await self._queue.admit(wish)
        finally:
            self.paying -= 1
        if isinstance(verdict, Admitted):
            self._queue.settle(Settlement(wish.ticket, whose.lane, Charge(*charge)))
        else:
            self._owed.add(whose, charge)

    async def _adopt(self, held: Held) -> None:
        request = held.request
        name = next(self._names)
        wish = replace(
            request,
            ticket=name,
            priority=Priority.URGENT,
            charge=_NOTHING,
            max_wait_s=_PATIENCE_S,
            retry_of="",
            is_retry=False,
        )
        verdict = await self._queue.admit(wish)
        held.adopting = False
        if isinstance(verdict, Admitted):
            held.name = name
            self._queue.extend(name, request.lane, request.charge.output_tokens)
            if held.ended is not None:
                self._tell(held, held.ended)
        elif held.ended is not None:
            self._owe(held, held.ended)

    def _tell(self, held: Held, actual: Charge) -> None:
        if held.name is not None:
            self._queue.settle(Settlement(held.name, held.request.lane, _uncounted(held, actual)))

    def _owe(self, held: Held, actual: Charge) -> None:
        request, uncounted = held.request, _uncounted(held, actual)
        self._owed.add(Whose(request.lane, request.agent, request.team), charge_list(uncounted))


def _parts(whose: Whose, charge: list[int]) -> list[tuple[Whose, list[int]]]:
    """What budgets are owed, where no call waits in front of it, and what the lane is."""
    if _OWN in {whose.lane, whose.agent}:  # it comes again
        return [(whose, charge)]
    requests, *of_lane = charge[:4]
    budgets = (Whose(_OWN, whose.agent, whose.team), [requests, 0, 0, 0, *charge[4:]])
    lane = (Whose(whose.lane, _OWN, None), [requests, *of_lane, 0, 0, 0])
    return [budgets, lane]


def _but_output(request: TicketRequest) -> Charge:
    """What stays counted of a ticket that the store gave up."""
    return replace(request.charge, output_tokens=0)


def _uncounted(held: Held, actual: Charge) -> Charge:
    """What of a call's use the store has not counted."""
    if held.told is _NOTHING:
        return actual
    pairs = zip(charge_list(actual), charge_list(held.told), strict=True)
    return Charge(*(max(0, used - told) for used, told in pairs))
