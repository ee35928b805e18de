"""Where keys are made and ended, whichever way leads there."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol, TypeAlias

Plain: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Key:
    """A key, its secret apart. Times are ISO 8601, in UTC, to the second."""

    id: str
    agent: str
    state: str
    created: str | None
    expires: str | None
    revoked: str | None
    last_used: str | None


@dataclass(frozen=True)
class MadeKey:
    """A key just made, with the only copy of its secret."""

    key: Key
    secret: str = field(repr=False)


class Desk(Protocol):
    """Makes and ends keys; what cannot be done is a `Failure`."""

    def create(self, agent: str, expires_in_s: float | None) -> MadeKey:
        """Make a key."""
        ...

    def all(self) -> list[Key]:
        """All keys ever made, oldest first."""
        ...

    def find(self, key_id: str) -> Key:
        """One key that must be there."""
        ...

    def given(self) -> str:
        """Which agents have a key in the file, in a sentence; empty: none."""
        ...

    def without_budget(self, agent: str) -> str:
        """That an agent is not configured, in a sentence; empty: it is."""
        ...

    def revoke(self, key_id: str) -> Key:
        """End a key for good."""
        ...

    def expire(self, key_id: str, in_s: float | None) -> Key:
        """Let a key end after a time; `None`: never."""
        ...

    def rotate(self, key_id: str, overlap_s: float, expires_in_s: float | None) -> MadeKey:
        """Make another key for the same agent; the old one works on for the overlap."""
        ...


def time_of(at_s: float | None) -> str | None:
    """A time as programs read it."""
    if at_s is None:
        return None
    return datetime.fromtimestamp(at_s, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
