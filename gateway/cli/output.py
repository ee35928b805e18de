"""What goes to standard output (data) and to standard error (what is said about it)."""

import json
import sys
from collections.abc import Iterable, Sequence


def say(text: str) -> None:
    """Tell a person something, beside the data."""
    print(text, file=sys.stderr, flush=True)


def emit(text: str) -> None:
    """Print data."""
    print(text, flush=True)


def emit_json(value: object, *, indent: int | None = 2) -> None:
    """Print data for a program."""
    print(json.dumps(value, indent=indent, ensure_ascii=False), flush=True)


def emit_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print aligned columns, as wide as they need to be, so that lines can be cut and searched."""
    lines = [tuple(headings), *(tuple(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]
    for line in lines:
        cells = (cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        print("  ".join(cells).rstrip(), flush=True)
