import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.config.substitution import substituted

ENVIRONMENT = {"A": "alpha", "EMPTY": "", "NESTED": "${A}"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${A}", "alpha"),
        ("x-${A}-${A}", "x-alpha-alpha"),
        ("${EMPTY}", ""),
        ("${EMPTY:-d}", "d"),
        ("${B:-d}", "d"),
        ("${B:-}", ""),
        ("${B:-a:-b}", "a:-b"),
        ("$$", "$"),
        ("$${A}", "${A}"),
        ("$$$$", "$$"),
        ("${NESTED}", "${A}"),
    ],
)
def test_variables_are_put_in(text: str, expected: str) -> None:
    completed, _, problems = substituted(text, ENVIRONMENT)
    assert (completed, problems) == (expected, ())


@pytest.mark.parametrize("text", ["$A", "${}", "${1A}", "${A", "a$", "${A-b}", "$ {A}"])
def test_a_stray_dollar_is_a_problem_and_says_how_to_write_one(text: str) -> None:
    _, _, problems = substituted(text, ENVIRONMENT)
    assert problems[0].remedy == "Write $$ for a dollar sign."


def test_an_unset_variable_is_named_with_the_form_of_a_default() -> None:
    _, names, (problem,) = substituted("${GONE}", ENVIRONMENT)
    assert names == ("GONE",)
    assert "GONE is not set" in problem.message
    assert "${GONE:-default}" in problem.remedy


@given(st.text())
def test_doubling_the_dollars_gives_any_text_back(text: str) -> None:
    assert substituted(text.replace("$", "$$"), {}) == (text, (), ())
