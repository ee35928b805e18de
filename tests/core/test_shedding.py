"""Who finds room in a worker that is nearly full."""

import pytest

from gateway.core.shedding import PARTS, Full, Room
from gateway.domain.call import Priority

ROOM = Room(calls=20, bytes=1000)


@pytest.mark.parametrize(("priority", "most"), [("urgent", 20), ("normal", 19), ("background", 16)])
def test_a_band_fills_its_own_part_of_the_calls(priority: str, most: int) -> None:
    band = Priority(priority)
    assert ROOM.full_for(band, most - 1, 0, 0) is None
    assert ROOM.full_for(band, most, 0, 0) is Full.CALLS


@pytest.mark.parametrize(
    ("priority", "most"), [("urgent", 1000), ("normal", 950), ("background", 800)]
)
def test_a_band_fills_its_own_part_of_the_bytes(priority: str, most: int) -> None:
    band = Priority(priority)
    assert ROOM.full_for(band, 1, 100, most - 100) is None
    assert ROOM.full_for(band, 1, 100, most - 99) is Full.BYTES


def test_one_call_alone_finds_room_whatever_the_bounds() -> None:
    for band in Priority:
        assert Room(1, 1).full_for(band, 0, 0, 5000) is None


def test_what_matters_more_finds_room_for_longer() -> None:
    parts = [PARTS[band] for band in (Priority.URGENT, Priority.NORMAL, Priority.BACKGROUND)]
    assert parts == sorted(parts, reverse=True)
