"""The configuration as commands read it, and its faults as they show them."""

from collections.abc import Mapping
from pathlib import Path

from gateway.config import ConfigError, Fault, Settings, load, read_environment

from .failing import ExitCode, Failure

WHEREABOUTS = ("listen", "state")
"""What a command needs to know that only has to find a running gateway and its store."""


def configured(
    file: Path | None, environment: Mapping[str, str] | None = None, only: tuple[str, ...] = ()
) -> Settings:
    """The settings in force.

    Args:
        file: The file that was named, if any.
        environment: Instead of the process's own.
        only: Sections whose faults count; empty: all.

    Raises:
        Failure: With every fault, one a line.
    """
    try:
        return load(file, read_environment() if environment is None else environment, only=only)
    except ConfigError as error:
        lines = "\n".join(shown(fault) for fault in error.faults)
        raise Failure(lines, ExitCode.CONFIGURATION) from None


def shown(fault: Fault) -> str:
    """A fault as compilers write theirs: `FILE:LINE:COL FIELD: MESSAGE (REMEDY)`."""
    place = f"{fault.file}:{fault.line}:{fault.column}" if fault.line else fault.file
    where = " ".join(part for part in (place, fault.field) if part)
    remedy = f" ({fault.remedy.rstrip('.')})" if fault.remedy else ""
    return f"{where}: {fault.message}{remedy}"
