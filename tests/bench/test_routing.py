"""The promise of the routing benchmark that needs no data: no session is dearer for a route."""

from pathlib import Path

import pytest

from tests.bench.routing import MOST_DEARER
from tests.bench.routing_data import VARIABLE, NoData, folder
from tests.bench.routing_grid import PAIRS, Grid, Result


@pytest.fixture(scope="module")
def results() -> list[Result]:
    return list(Grid().results())


def test_no_cell_is_dearer_than_staying(results: list[Result]) -> None:
    worst = max(results, key=lambda one: one.ratio)
    assert worst.ratio <= 1 + MOST_DEARER, worst


def test_moving_blindly_would_be_dearer_and_not_moving_would_save_nothing(
    results: list[Result],
) -> None:
    assert max(one.blind for one in results) > 2
    for pair in PAIRS:
        mine = [one for one in results if (one.cell.stay, one.cell.move) == pair]
        assert any(one.moved for one in mine), pair
        assert min(one.ratio for one in mine) < 0.5, pair


def test_without_the_data_it_is_said_where_it_is_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    with pytest.raises(NoData, match=f"--data or {VARIABLE}"):
        folder()
    (tmp_path / "outcomes.csv.gz").touch()
    assert folder() == tmp_path
