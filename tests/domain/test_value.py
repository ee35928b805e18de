"""Values: as frozen as the type checker can make them, and as cheap as they come."""

from dataclasses import replace

import pytest

from gateway.domain.value import value


@value
class Point:
    """For these tests."""

    x: int
    y: int = 0


def test_a_value_is_compared_and_hashed_by_its_fields() -> None:
    assert Point(1) == Point(1, 0) != Point(2)
    assert len({Point(1), Point(1, 0), Point(2)}) == 2
    assert repr(Point(1)) == "Point(x=1, y=0)"


def test_a_value_takes_no_other_fields() -> None:
    with pytest.raises(AttributeError):
        Point(1).z = 1  # type: ignore[attr-defined] # the fault under test


def test_another_value_is_made_by_replacing() -> None:
    assert replace(Point(1), y=2) == Point(1, 2)


def test_assigning_is_a_type_error() -> None:
    Point(1).x = 2  # type: ignore[misc] # mypy calls this unused, and fails, if it allows assigning
