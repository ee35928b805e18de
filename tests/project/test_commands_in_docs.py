"""Commands that the pages name exist, with the options that are written there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from gateway.cli.main import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_INLINE = re.compile(r"`(gateway [a-z][^`\n]*)`")
_LINE = re.compile(r"^(?:\$ )?(?:\.venv/bin/)?(gateway [a-z].*)$", re.MULTILINE)
_BLOCK = re.compile(r"^ *```(?:sh|console)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)


def commands(text: str) -> Iterator[str]:
    yield from _INLINE.findall(text)
    for block in _BLOCK.findall(text):
        yield from _LINE.findall(block)


def faults(written: str) -> Iterator[str]:
    """What of a command is not there; what follows `--` is another program's."""
    lexer = shlex.shlex(written.partition(" -- ")[0], posix=True, punctuation_chars="|;&<>()")
    lexer.whitespace_split = True
    words = list(lexer)[1:]
    for index, word in enumerate(words):
        if word in {"|", ";", "&&", ">", "2>"}:
            words = words[:index]
            break
    command: Any = typer.main.get_command(app)
    context = command.make_context("gateway", [], resilient_parsing=True)
    while words and hasattr(command, "list_commands"):
        found = command.get_command(context, words[0])
        if found is None:
            alone = getattr(command, "_alone", None)
            if alone is None:
                yield f"no command {words[0]}"
                return
            found = command.commands[alone]
        else:
            words = words[1:]
        context = found.make_context(
            words[0] if words else "x", [], context, resilient_parsing=True
        )
        command = found
    if hasattr(command, "_alone"):
        command = command.commands[command._alone]
    options = {name for parameter in command.params for name in parameter.opts}
    options |= {"--help", "-h", "--version", "--install-completion", "--show-completion"}
    for word in words:
        name = word.partition("=")[0].rstrip("…,.")
        if re.fullmatch(r"--?[a-z][a-z-]*", name) and name not in options:
            yield f"no option {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_every_command_on_a_page_is_one(page: Path) -> None:
    wrong = {
        (written, fault) for written in commands(page.read_text()) for fault in faults(written)
    }
    assert not wrong


@pytest.mark.parametrize(
    "written", ["gateway usage --group-by agent", "gateway nothing", "gateway lanes set x --nope 1"]
)
def test_a_command_that_is_none_is_found(written: str) -> None:
    assert list(faults(written))
