"""Exit codes, and faults that a person can do something about.

Failure policy of the whole command line: an expected fault is a `Failure`, which `main` prints to
standard error in a sentence or two with the remedy. Whatever else is raised is a defect and shows
its traceback.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a script may rely on."""

    OK = 0
    FAILED = 1
    USAGE = 2
    CONFIGURATION = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


class Failure(Exception):  # noqa: N818 - ends the command, whatever the reason
    """The command cannot go on; the message says why and what to do.

    Attributes:
        code: How the process exits.
    """

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILED) -> None:
        super().__init__(message)
        self.code = code
