"""A clock that tests move by hand."""

from dataclasses import dataclass

import pytest


@dataclass
class FakeClock:
    """Seconds, moved by the test."""

    now: float = 1_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        """Move on."""
        self.now += seconds


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()
