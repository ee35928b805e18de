"""Times as they are written on the command line: a time, or how far away it is."""

from datetime import UTC, datetime, timedelta

import typer

from .options import read_duration

_HOW = "Write a time like 2026-11-25T22:00Z, or how far away it is, like 24h or 7d."


def read_past(text: str) -> str:
    """`24h` (ago) or a time, as the admin API takes it."""
    return _read(text, -1)


def read_future(text: str) -> str:
    """`24h` (from now) or a time, as the admin API takes it."""
    return _read(text, 1)


def _read(text: str, direction: int) -> str:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        try:
            at = datetime.now(UTC) + direction * timedelta(seconds=read_duration(text))
        except (typer.BadParameter, OverflowError):
            raise typer.BadParameter(f"{text!r} is no time. {_HOW}") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")
