"""docs/requirements.md names tests that exist, for every requirement."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (\d+) \| (.+?) \| (.+) \|$", PAGE, re.MULTILINE)


@cache
def functions_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def test_every_requirement_on_limits_waiting_and_retrying_has_its_row() -> None:
    assert [int(number) for number, _, _ in ROWS] == list(range(1, 22))


@pytest.mark.parametrize(("number", "tests"), [(number, tests) for number, _, tests in ROWS])
def test_the_functions_in_a_requirement_exist(number: str, tests: str) -> None:
    named = re.findall(r"`([^`:]+)::([^`]+)`", tests)
    assert named, f"requirement {number} names no test"
    for path, name in named:
        assert name in functions_in(path), f"requirement {number}: {path} has no {name}"
