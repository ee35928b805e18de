"""The page of the command line names every command, verb and option."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from gateway.cli.failing import ExitCode
from gateway.cli.main import COMMANDS, app

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")
EVERYWHERE = {"--help", "--json", "--config", "--url", "--dry-run", "--yes"}
"""Told once for all commands, at the head of the page."""
SECTIONS = dict(
    part.partition("\n")[::2] for part in re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
)


def parts(name: str) -> dict[str, Any]:
    """A command's verbs, or itself."""
    group: Any = get_command(app)
    found = group.get_command(None, name)
    return dict(getattr(found, "commands", None) or {"": found})


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_names_each_verb_and_option(name: str) -> None:
    section = SECTIONS[f"`gateway {name}`"]
    for verb, command in parts(name).items():
        assert not verb or re.search(rf"\b{verb}\b", section), f"{name} {verb}"
        for parameter in (one for one in command.params if not getattr(one, "hidden", False)):
            long = [one for one in parameter.opts if one.startswith("--")]
            missing = set(long) - EVERYWHERE - set(re.findall(r"--[a-z-]+", section))
            assert not missing, f"{name} {verb}: {missing}"


def test_the_head_lists_every_command_and_what_is_everywhere() -> None:
    head = PAGE.partition("\n## ")[0]
    for name in COMMANDS:
        assert f"gateway {name} " in head
    for option in EVERYWHERE:
        assert option in head


def test_every_exit_code_is_told() -> None:
    for code in ExitCode:
        assert f"| {code.value} |" in SECTIONS["Exit codes"]
