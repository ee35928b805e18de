"""The one place where the process environment is read; everything else gets it as an argument."""

import os
from collections.abc import Mapping
from types import MappingProxyType


def read_environment() -> Mapping[str, str]:
    """A read-only copy of the environment as it is now."""
    return MappingProxyType(dict(os.environ))  # noqa: TID251 - this is its home


def export(name: str, value: str) -> None:
    """Set a variable for this process and those it starts (the metrics library reads one)."""
    os.environ[name] = value  # noqa: TID251 - this is its home
