"""One ticket's hold on its limits: taken by waiting, given back exactly once.

The body of the `with` says how the call is going (`sent`, `used`); the last thing said is
settled when the body ends, however it ends. A call that was sent and of which nothing more is
known is settled as it was reserved, since the provider may have charged all of it.

A call that waits for long may be estimated better than when it came: whenever it is told how its
wait stands, it is estimated again, and asks for that instead.
"""

from collections.abc import Callable
from dataclasses import replace
from types import TracebackType

from gateway.core import charging
from gateway.domain.admission import (
    Admitted,
    Charge,
    Expectation,
    Settlement,
    TicketRequest,
    Verdict,
)
from gateway.ports import Admission, Told

_DIFFERENCE = 0.05
"""Of an earlier estimate; less is not worth an operation."""


class Reservation:
    """The hold of one call."""

    __slots__ = ("_admission", "_estimate", "_held", "_outcome", "ticket")

    def __init__(
        self,
        admission: Admission,
        ticket: TicketRequest,
        estimate: Callable[[], Charge] | None = None,
    ) -> None:
        """`estimate` says what the call will probably take, as far as is known by then."""
        self._admission = admission
        self._estimate = estimate
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

        def hear(expectation: Expectation) -> None:
            if told is not None:
                told(expectation)
            if self._reconsider():
                self._admission.amend(self.ticket.ticket, self.ticket.charge)

        if self._held:
            self._held = False
            self._reconsider()
            verdict = await self._admission.requeue(self.ticket, hear)
        else:
            verdict = await self._admission.admit(self.ticket, hear)
        self._held = isinstance(verdict, Admitted)
        self._outcome = charging.NOTHING
        return verdict

    def extend(self, output_tokens: int) -> None:
        """The answer that is on its way is longer than expected: hold so much output in all."""
        self._admission.extend(self.ticket.ticket, self.ticket.lane, output_tokens)

    def sent(self) -> None:
        """The request is on its way: until more is known, all of it counts as used."""
        self._outcome = self.ticket.charge

    def used(self, actual: Charge) -> None:
        """What the call really took."""
        self._outcome = actual

    def _reconsider(self) -> bool:
        """Estimate again; whether that makes a difference."""
        if self._estimate is None:
            return False
        old, new = self.ticket.charge, self._estimate()
        if not _differ(old, new):
            return False
        self.ticket = replace(self.ticket, charge=new)
        return True


def _differ(old: Charge, new: Charge) -> bool:
    return any(
        abs(one - other) > other * _DIFFERENCE
        for one, other in (
            (new.lane_input_tokens, old.lane_input_tokens),
            (new.lane_output_tokens, old.lane_output_tokens),
            (new.input_tokens, old.input_tokens),
            (new.output_tokens, old.output_tokens),
        )
    )
