"""Outcomes in a file: a CSV, gzipped or not, with a column for the text and one for each model."""

import csv
import gzip
from pathlib import Path
from typing import TYPE_CHECKING

from .failing import Failure

if TYPE_CHECKING:
    from gateway.core.routing.training import Outcome

_LONGEST_FIELD = 16 * 1024 * 1024


def read_outcomes(path: Path, label: str | None) -> "list[Outcome]":
    """The rows of a file with the columns `prompt`, `weak` and `strong`.

    Args:
        path: The file; `.gz` is gunzipped.
        label: The column that says what kind of text a row is; `None` takes `label` or `subject`
            if there is one.

    Raises:
        Failure: The file cannot be read, lacks a column, or an outcome is no number from 0 to 1.
    """
    from gateway.core.routing.training import Outcome

    csv.field_size_limit(_LONGEST_FIELD)
    found: list[Outcome] = []
    try:
        opened = gzip.open if path.suffix == ".gz" else open
        with opened(path, "rt", encoding="utf-8", newline="") as lines:
            rows = csv.DictReader(lines)
            names = rows.fieldnames or ()
            needed = ("prompt", "weak", "strong") + (() if label is None else (label,))
            missing = [name for name in needed if name not in names]
            if missing:
                raise Failure(
                    f"{path} lacks the column {missing[0]}; it has: "
                    f"{', '.join(names) or 'nothing'}. Needed: prompt, weak, strong."
                )
            kind = label or next((name for name in ("label", "subject") if name in names), None)
            for row in rows:
                weak, strong = (_share(path, rows.line_num, row[one]) for one in ("weak", "strong"))
                found.append(
                    Outcome(row["prompt"] or "", weak, strong, (row[kind] or "") if kind else "")
                )
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise Failure(f"{path} cannot be read: {error}") from None
    return found


def _share(path: Path, line: int, text: str | None) -> float:
    try:
        number = float(text or "")
    except ValueError:
        number = -1.0
    if not 0.0 <= number <= 1.0:
        raise Failure(f"{path}:{line}: {text!r} is no outcome: write a number from 0 to 1.")
    return number
