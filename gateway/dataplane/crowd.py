"""The calls of this worker and the bytes that they hold, bounded.

Failure policy: a call that finds no room is answered 503 `overloaded` with `retry-after` before its
body is read; one whose body is longer than there is room for, as soon as that shows. Nothing that
is in already is touched. Operations pages are not calls.
"""

from types import TracebackType

from gateway.core.shedding import Full, Room
from gateway.domain.outcome import Reason

from .body import announced_length
from .call import Call
from .refused import refused

_RETRY_S = 2.0
_SETTINGS = {Full.CALLS: "server.max_calls", Full.BYTES: "server.max_held"}


class Crowd:
    """All calls of a worker.

    Args:
        room: What it may hold.
        max_body_bytes: Of one call.

    Attributes:
        calls: In progress.
        held_bytes: Of their bodies.
    """

    __slots__ = ("_max_body_bytes", "_room", "calls", "held_bytes")

    def __init__(self, room: Room, max_body_bytes: int) -> None:
        self._room = room
        self._max_body_bytes = max_body_bytes
        self.calls = 0
        self.held_bytes = 0

    def enter(self, call: Call, *, holds_body: bool) -> "Place":
        """Take a place.

        Raises:
            Refused: `overloaded`, `too_large`.
        """
        if call.request.crowded:
            raise refused(
                Reason.OVERLOADED,
                "This worker has no connection left (server.max_connections).",
                retry_after_s=_RETRY_S,
            )
        announced = announced_length(call.request, self._max_body_bytes) if holds_body else None
        place = Place(self, call)
        self.demand(call, announced or 0)
        place.holds(announced or 0)
        self.calls += 1
        return place

    def demand(self, call: Call, more_bytes: int) -> None:
        """Make sure of room for so many bytes more.

        Raises:
            Refused: `overloaded`.
        """
        full = self._room.full_for(call.priority, self.calls, self.held_bytes, more_bytes)
        if full is not None:
            raise refused(
                Reason.OVERLOADED,
                f"This worker is too full for {call.priority.value} calls ({_SETTINGS[full]}).",
                retry_after_s=_RETRY_S,
            )


class Place:
    """One call's place; left at the end of a `with`."""

    __slots__ = ("_announced", "_call", "_crowd", "_held")

    def __init__(self, crowd: Crowd, call: Call) -> None:
        self._crowd = crowd
        self._call = call
        self._held = self._announced = 0

    def __enter__(self) -> "Place":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._crowd.calls -= 1
        self._crowd.held_bytes -= self._held

    def holds(self, size: int) -> None:
        """So many bytes were announced."""
        self._announced = size
        self._held += size
        self._crowd.held_bytes += size

    def grow(self, size: int) -> None:
        """So many bytes have come.

        Raises:
            Refused: `overloaded`, beyond what was announced and there is room for.
        """
        if self._announced:
            return
        crowd = self._crowd
        if crowd.held_bytes > self._held:
            crowd.demand(self._call, size)
        self._held += size
        crowd.held_bytes += size
