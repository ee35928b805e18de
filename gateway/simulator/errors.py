"""An error answer on its way to a client, before its dialect gives it a shape."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from gateway.simulator.limits import Refusal

Headers = list[tuple[bytes, bytes]]


@dataclass
class ApiError(Exception):
    """Raised by endpoints; the dialect renders it.

    Attributes:
        status: HTTP status.
        kind: The dialect's error type (`rate_limit_error`, `RESOURCE_EXHAUSTED`, ...).
        message: Text for humans.
        code: OpenAI's code, or Anthropic's `details.error_code`.
        param: OpenAI's parameter at fault.
        details: Gemini's details.
        headers: Further response headers.
        refusal: The limit at fault, if one is.
    """

    status: int
    kind: str
    message: str
    code: str | None = None
    param: str | None = None
    details: tuple[Mapping[str, Any], ...] = ()
    headers: Headers = field(default_factory=list)
    refusal: Refusal | None = None

    def __str__(self) -> str:
        return f"{self.status} {self.kind}: {self.message}"


class ClientGone(Exception):  # noqa: N818 - not an error, the client just left
    """The client closed the connection before its answer was whole."""


class AnswerCut(Exception):  # noqa: N818 - a fault that was asked for
    """A fault ended the answer early."""


def retry_after(wait_s: float, scale: float) -> bytes:
    """A `retry-after`: whole provider seconds, in real ones (a decimal under a shorter minute)."""
    whole = max(1, math.ceil(wait_s / scale - 1e-6)) if math.isfinite(wait_s) else 3600
    return f"{whole * scale:.3f}".rstrip("0").rstrip(".").encode()
