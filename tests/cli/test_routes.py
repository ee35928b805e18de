"""`gateway routes`: training and evaluating from a file, and what is refused."""

import gzip
from pathlib import Path

import pytest

from gateway.wiring.scorers import load_scorer
from tests.core.routing.test_scorer import outcomes

from .conftest import Command


@pytest.fixture
def table(folder: Path) -> Path:
    path = folder / "outcomes.csv.gz"
    lines = ["prompt,weak,strong,subject"]
    lines += [f"{one.prompt},{one.weak},{one.strong},{one.label}" for one in outcomes(240)]
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    return path


def test_a_scorer_is_trained_and_told_with_what_its_data_shows(
    table: Path, folder: Path, command: Command
) -> None:
    told = command("routes", "train", str(table), "-o", "made.scorer")
    assert told.code == 0, told.err
    assert "by question" in told.out
    assert "leave labels out" in told.out
    assert "also on kinds of texts that it was not trained on" in told.out
    assert load_scorer(folder / "made.scorer").rows == 240


def test_evaluating_writes_nothing(table: Path, folder: Path, command: Command) -> None:
    before = sorted(folder.iterdir())
    found = command("routes", "evaluate", str(table), "--json").json
    assert (found["rows"], found["claim"]) == (240, "unseen_kinds")
    assert found["splits"][0]["standings"]["random"]["apgr"]["figure"] == pytest.approx(0.5)
    assert sorted(folder.iterdir()) == before


def test_what_the_data_does_not_show_is_not_written(folder: Path, command: Command) -> None:
    lines = ["prompt,weak,strong"]
    lines += [f'"{one.prompt}",{one.weak},1' for one in outcomes(240, hidden=True)]
    (folder / "x.csv").write_text("\n".join(lines))
    told = command("routes", "train", "x.csv", "-o", "made.scorer")
    assert (told.code, (folder / "made.scorer").exists()) == (1, False)
    assert "the data does not show that it helps" in told.err
    assert command("routes", "train", "x.csv", "-o", "made.scorer", "--anyway").code == 0
    assert load_scorer(folder / "made.scorer").claim.value == "nothing"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("prompt,weak\na,1", "lacks the column strong"),
        ("prompt,weak,strong\na,1,yes", "x.csv:2: 'yes' is no outcome"),
        ("prompt,weak,strong\na,1,7", "x.csv:2: '7' is no outcome"),
        ("prompt,weak,strong\na,0,1", "with fewer than 200 nothing can be said"),
        ("prompt,weak,strong\n" + "a,1,0\n" * 300, "the strong model is not better"),
    ],
)
def test_data_that_cannot_be_used_says_why(
    content: str, told: str, folder: Path, command: Command
) -> None:
    (folder / "x.csv").write_text(content)
    found = command("routes", "evaluate", "x.csv")
    assert (found.code, told in found.err) == (1, True), found.err


def test_a_file_that_is_not_there_and_a_column_that_is_not(table: Path, command: Command) -> None:
    assert "cannot be read" in command("routes", "evaluate", "none.csv").err
    assert (
        "lacks the column kind" in command("routes", "evaluate", str(table), "--label", "kind").err
    )
