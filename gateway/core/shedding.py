"""Who may still come in when a worker is nearly full: background gives way first, urgent last.

A worker holds calls and the bytes of their bodies. Each band may fill either up to its own part,
so that what matters more finds room for as long as there is any.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.domain.call import Priority

PARTS: Mapping[Priority, float] = {
    Priority.URGENT: 1.0,
    Priority.NORMAL: 0.95,
    Priority.BACKGROUND: 0.8,
}


class Full(StrEnum):
    """What there is no room for."""

    CALLS = "calls"
    BYTES = "bytes"


@dataclass(frozen=True, slots=True)
class Room:
    """What a worker may hold: calls in progress, and bytes of their bodies."""

    calls: int
    bytes: int

    def full_for(
        self, priority: Priority, calls: int, held_bytes: int, more_bytes: int
    ) -> Full | None:
        """What one more call of a band with so many bytes finds no room for.

        One call alone always finds room, so that a bound below a single body refuses nobody for
        ever.
        """
        part = PARTS[priority]
        if calls >= max(1, int(self.calls * part)):
            return Full.CALLS
        if held_bytes and held_bytes + more_bytes > self.bytes * part:
            return Full.BYTES
        return None
