"""A clock that tests move by hand."""

from dataclasses import dataclass


@dataclass
class SetClock:
    """Implements `gateway.ports.Clock`."""

    now_s: float = 1_000_000.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return self.now_s
