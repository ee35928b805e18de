"""`${VAR}`, `${VAR:-default}` and `$$` in values."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_PATTERN = re.compile(
    r"\$(?:(?P<escaped>\$)|\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?\}|(?P<bad>))"
)


@dataclass(frozen=True, slots=True)
class SubstitutionProblem:
    """Why a value could not be completed."""

    message: str
    remedy: str


def substituted(
    text: str, environment: Mapping[str, str]
) -> tuple[str, tuple[str, ...], tuple[SubstitutionProblem, ...]]:
    """A value with its variables put in.

    `${VAR}` must be set (it may be empty); `${VAR:-default}` takes the default where the variable
    is unset or empty, as in a shell; `$$` is one `$`. What a variable holds is not looked into
    again.

    Returns:
        The text, the names of the variables in it, and what is wrong.
    """
    names: list[str] = []
    problems: list[SubstitutionProblem] = []

    def replace(match: re.Match[str]) -> str:
        if match["escaped"]:
            return "$"
        name = match["name"]
        if name is None:
            problems.append(
                SubstitutionProblem(
                    "a $ that starts neither ${NAME} nor ${NAME:-default}",
                    "Write $$ for a dollar sign.",
                )
            )
            return ""
        names.append(name)
        value = environment.get(name)
        if value or (value is not None and match["default"] is None):
            return value
        if match["default"] is not None:
            return match["default"]
        problems.append(
            SubstitutionProblem(
                f"the environment variable {name} is not set",
                f"Set it, or give a default: ${{{name}:-default}}.",
            )
        )
        return ""

    completed = _PATTERN.sub(replace, text) if "$" in text else text
    return completed, tuple(names), tuple(problems)
