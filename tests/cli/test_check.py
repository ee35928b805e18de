"""`gateway check`."""

from pathlib import Path

import pytest

from gateway.cli.configured import shown
from gateway.config import Fault
from tests.cli.conftest import Command

GOOD = """\
providers: {claude: {dialect: anthropic, api_key: "${PROVIDER_KEY}"}}
agents: {alice: {budget: {tpm: 1000}}}
"""
SECRET = "a-provider-key-that-nobody-may-see"


def test_a_good_file_is_ok_and_summed_up(folder: Path, command: Command) -> None:
    (folder / "gateway.yaml").write_text(GOOD)
    told = command("check", env={"PROVIDER_KEY": SECRET})
    assert told.code == 0
    assert told.out == "gateway.yaml: ok (1 provider, 0 lanes, 0 teams, 1 agent)\n"


def test_every_fault_is_told_with_its_place_and_remedy(folder: Path, command: Command) -> None:
    (folder / "own.yaml").write_text(GOOD + "queue: {max_wiat: 5s}\nminute: soon\n")
    told = command("check", "own.yaml")
    assert told.code == 3
    assert told.out.splitlines() == [
        "own.yaml:1:51 providers.claude.api_key: the environment variable PROVIDER_KEY is not set "
        "(Set it, or give a default: ${PROVIDER_KEY:-default})",
        "own.yaml:3:9 queue.max_wiat: unknown setting (Did you mean max_wait?)",
        "own.yaml:4:9 minute: 'soon' is not a duration (Write it like 500ms, 120s, 2m, 1h or 1d)",
    ]
    assert "3 faults" in told.err


def test_faults_are_told_as_json(folder: Path, command: Command) -> None:
    (folder / "gateway.yaml").write_text("listen: [1]\n" + GOOD)
    told = command("check", "--json", env={"PROVIDER_KEY": SECRET})
    assert told.code == 3
    assert told.json["ok"] is False
    [fault] = told.json["faults"]
    assert (fault["file"], fault["line"], fault["field"]) == ("gateway.yaml", 1, "listen")


def test_what_is_in_force_is_shown_with_its_origin_and_without_secrets(
    folder: Path, command: Command
) -> None:
    (folder / "gateway.yaml").write_text(GOOD)
    env = {"PROVIDER_KEY": SECRET}
    told = command("check", "--show", env=env)
    rows = {line.split()[0]: line.split(None, 1)[1] for line in told.out.splitlines()}
    assert rows["agents.alice.budget.tpm"].split() == ["1000", "gateway.yaml:2"]
    assert rows["listen"].split() == ["127.0.0.1:8080", "default"]
    assert "environment (PROVIDER_KEY)" in rows["providers.claude.api_key"]
    as_json = command("check", "--show", "--json", env=env)
    assert as_json.json["settings"]["agents"]["alice"]["budget"]["tpm"]["value"] == 1000
    assert SECRET not in told.out + told.err + as_json.out


def test_notes_are_told(folder: Path, command: Command) -> None:
    env = {"ANTHROPIC_API_KEY": SECRET, "ANTHROPIC_BASE_URL": "http://127.0.0.1:8080"}
    assert command("check", "--json", env=env).json["notes"]
    assert "Note: ANTHROPIC_BASE_URL points at this gateway" in command("check", env=env).err


def test_without_file_and_keys_the_remedy_is_told(folder: Path, command: Command) -> None:
    told = command("check")
    assert told.code == 3
    assert "ANTHROPIC_API_KEY" in told.out
    assert "gateway serve --simulate" in told.out


def test_a_file_that_is_not_there_is_a_fault(folder: Path, command: Command) -> None:
    told = command("check", "none.yaml")
    assert (told.code, "none.yaml: the file cannot be read" in told.out) == (3, True)


def test_the_schema_is_printed(folder: Path, command: Command) -> None:
    schema = command("check", "--schema").json
    assert schema["$schema"].startswith("http://json-schema.org/")
    assert "providers" in schema["properties"]


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (
            Fault("f.yaml", 3, 7, "a.b", "is wrong", "Do this."),
            "f.yaml:3:7 a.b: is wrong (Do this)",
        ),
        (Fault("f.yaml", 0, 0, "", "cannot be read"), "f.yaml: cannot be read"),
        (Fault("", 0, 0, "VARIABLE", "is wrong"), "VARIABLE: is wrong"),
    ],
)
def test_a_fault_is_one_line(fault: Fault, line: str) -> None:
    assert shown(fault) == line
