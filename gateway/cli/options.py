"""Options that several commands share, and how their values are read."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias, TypeVar

import typer

if TYPE_CHECKING:
    from gateway.config.kinds import Kind
    from gateway.config.texts import Listen

T = TypeVar("T")
_CENTURY_S = 100 * 365 * 86_400.0

Config: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        metavar="FILE",
        help="The configuration. Without it: gateway.yaml in this folder, if there is one.",
    ),
]
GatewayUrl: TypeAlias = Annotated[
    str | None,
    typer.Option("--url", metavar="URL", help="The gateway, if it is not the one from here."),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Print JSON.")]
DryRun: TypeAlias = Annotated[
    bool, typer.Option("--dry-run", help="Check it, show what would come of it, change nothing.")
]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def read_duration(text: str) -> float:
    """`30d`, `1h`, `500ms` or a number of seconds, in seconds."""
    from gateway.config.kinds import duration

    return _read(duration(0.0, _CENTURY_S), text)


def read_address(text: str) -> "Listen":
    """`HOST:PORT` or a port, from the option `--listen`."""
    from gateway.config.texts import address

    return _read(address(), text, "--listen")


def read_name(text: str) -> str:
    """The name of an agent."""
    from gateway.config.kinds import Unfit
    from gateway.config.texts import check_name

    try:
        return check_name(text)
    except Unfit as unfit:
        raise typer.BadParameter(f"{unfit.message}. {unfit.remedy}") from None


def _read(kind: "Kind[T]", text: str, option: str | None = None) -> T:
    """A value as the configuration reads it.

    Raises:
        typer.BadParameter: It is not of this kind.
    """
    from gateway.config.kinds import Unfit

    parse: Callable[[str], T] = kind.parse
    try:
        return parse(text)
    except Unfit as unfit:
        raise typer.BadParameter(f"{unfit.message}. {unfit.remedy}", param_hint=option) from None
