"""One ticket's hold on its limits: taken by waiting, given back exactly once.

The body of the `with` says how the call is going (`sent`, `used`); the last thing said is
settled when the body ends, however it ends. A call that was sent and of which nothing more is
known is settled as it was reserved, since the provider may have charged all of it.
"""

from types import TracebackType

from gateway.core import charging
from gateway.domain.admission import Admitted, Charge, Settlement, TicketRequest, Verdict
from gateway.ports import Admission, Told


class Reservation:
    """The hold of one call."""

    __slots__ = ("_admission", "_held", "_outcome", "ticket")

    def __init__(self, admission: Admission, ticket: TicketRequest) -> None:
        self._admission = admission
        self.ticket = ticket
        self._held = False
        self._outcome = charging.NOTHING

    def __enter__(self) -> "Reservation":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._held:
            self._held = False
            self._admission.settle(Settlement(self.ticket.ticket, self.ticket.lane, self._outcome))

    async def take(self, told: Told | None = None) -> Verdict:
        """Wait for a turn; for the first time, or again after the provider's own rate limit.

        Args:
            told: Hears what the call can expect while it waits.
        """
        if self._held:
            self._held = False
            verdict = await self._admission.requeue(self.ticket, told)
        else:
            verdict = await self._admission.admit(self.ticket, told)
        self._held = isinstance(verdict, Admitted)
        self._outcome = charging.NOTHING
        return verdict

    def sent(self) -> None:
        """The request is on its way: until more is known, all of it counts as used."""
        self._outcome = self.ticket.charge

    def used(self, actual: Charge) -> None:
        """What the call really took."""
        self._outcome = actual
