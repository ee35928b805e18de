"""docs/capacity.md shows what the commands really print."""

import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.cli.main import app

PAGE = (Path(__file__).parents[2] / "docs" / "capacity.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
RUNS = [
    (part.partition("\n")[0], part.partition("\n")[2])
    for block in BLOCKS
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]
]


@pytest.mark.parametrize(("command", "shown"), RUNS, ids=[run[0] for run in RUNS])
def test_a_command_prints_what_the_page_shows(
    command: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # so that no configuration of the project counts
    name, *arguments = shlex.split(command)
    assert name == "gateway"
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    assert done.stdout == shown


def test_the_page_works_through_every_plan() -> None:
    assert {shlex.split(command)[2] for command, _ in RUNS} == {"lane", "month", "local"}
    assert len(RUNS) >= 8
