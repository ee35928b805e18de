"""Kinds of fields that take what their description says, no more and no less."""

import re
from datetime import datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AwareDatetime, BeforeValidator, Field

_ISO = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d")


def _whole(value: Any) -> Any:
    """In JSON, 3.0 is an integer, too."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _written_out(value: Any) -> Any:
    """Not a number of seconds, which pydantic would take as well."""
    if isinstance(value, datetime) or (isinstance(value, str) and _ISO.match(value)):
        return value
    raise ValueError("write it like 2026-11-25T10:00:00Z")


AS_WHOLE = BeforeValidator(_whole)
"""Of an integer; after its `Field`, whose bounds would not be described otherwise."""
Moment: TypeAlias = Annotated[AwareDatetime, BeforeValidator(_written_out), Field(strict=False)]
