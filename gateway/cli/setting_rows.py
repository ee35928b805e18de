"""Settings in force with their origins, one a line."""

from collections.abc import Iterator
from typing import Any

from .wording import as_written

SETTING_HEADINGS = ("setting", "value", "origin")


def setting_rows(value: Any, path: str = "") -> Iterator[tuple[str, str, str]]:
    """One row for each setting; a value and its origin are the leaves of the tree."""
    if isinstance(value, dict):
        if set(value) == {"value", "origin"}:
            yield path, as_written(value["value"]), str(value["origin"])
            return
        for name, inner in value.items():
            yield from setting_rows(inner, f"{path}.{name}" if path else name)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from setting_rows(inner, f"{path}[{number}]")
