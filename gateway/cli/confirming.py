"""Asking before something is done that cannot be undone.

Failure policy: whoever says no gets `Failure` 1, and where nobody can be asked the command is
wrong usage without `--yes`. Nothing was changed by then.
"""

import sys

from .failing import ExitCode, Failure
from .output import say


def confirm(question: str, *, yes: bool) -> None:
    """Ask for a yes, unless it was given.

    Args:
        question: Ends with a question mark.
        yes: It was given on the command line.

    Raises:
        Failure: The answer is no, or there is no terminal to ask at.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise Failure(
            f"{question} There is no terminal to ask at: add --yes to do it.", ExitCode.USAGE
        )
    print(f"{question} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Failure("nothing was changed.")


def will_be(*, dry_run: bool, many: bool = False) -> str:
    """`is`, or `would be` where nothing is changed."""
    return "would be" if dry_run else "are" if many else "is"


def tell_dry_run(*, dry_run: bool) -> None:
    """Say that nothing was changed, if so."""
    if dry_run:
        say("A dry run: nothing was changed.")
