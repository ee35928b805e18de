"""Holds more for an answer that grows beyond what is held for it, while it still runs.

Otherwise others of the same budget, and of the same lane, would be let in on tokens that are being
used up (field-notes 10). What is held grows by a quarter each time, so a long answer costs few
operations, which travel with the next batch.
"""

from gateway.core.estimate import EstimateBook
from gateway.dialects.codec import Tap

from .reservation import Reservation

_AHEAD = 1.25
"""What is held, to what has been seen."""


class Growth:
    """Of one streamed answer; `look` after each chunk."""

    __slots__ = ("_agent", "_book", "_limit_bytes", "_model", "_reservation", "_tap")

    def __init__(
        self, tap: Tap, reservation: Reservation, book: EstimateBook, agent: str, model: str
    ) -> None:
        self._tap = tap
        self._reservation = reservation
        self._book = book
        self._agent = agent
        self._model = model
        held = reservation.ticket.charge.lane_output_tokens
        self._limit_bytes = book.bytes_of_tokens(agent, model, held)

    def look(self) -> None:
        """Hold more if the answer has become longer than that."""
        seen_bytes = self._tap.output_bytes
        if seen_bytes <= self._limit_bytes:
            return
        seen = self._book.tokens_of_bytes(self._agent, self._model, seen_bytes)
        self._reservation.extend(round(seen * _AHEAD) + 1)
        self._limit_bytes = round(seen_bytes * _AHEAD)
