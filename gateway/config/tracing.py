"""Traces: the part of the schema, and its reader."""

import re
from dataclasses import dataclass, field
from typing import Final

from . import kinds, texts
from .reading import Given, Plain
from .schema import Leaf, Section

MASK: Final = "********"
_HEADERS = re.compile(r"[\w-]+=[^\s,]+(,[\w-]+=[^\s,]+)*", re.ASCII)


@dataclass(frozen=True, slots=True)
class TracingSettings:
    """Where traces go.

    Attributes:
        endpoint: Base URL of a receiver of OTLP over HTTP; `None`: calls are not traced.
        sample_ratio: The share of the calls that brought no trace of their own, 0 to 1.
        headers: Sent with each export, `NAME=VALUE` joined by commas.
    """

    endpoint: str | None = None
    sample_ratio: float = 1.0
    headers: str | None = field(default=None, repr=False)


def _header_fields() -> kinds.Kind[str]:
    def parse(text: str) -> str:
        if not _HEADERS.fullmatch(text):
            raise kinds.Unfit("these are no headers", "Write NAME=VALUE, joined by commas.")
        return text

    return kinds.Kind("headers", parse, {"type": "string"})


ENDPOINT: Final[Leaf[str | None]] = Leaf(
    "endpoint", kinds.optional(texts.base_url()),
    "Base URL of a receiver of OpenTelemetry's OTLP over HTTP, such as `http://localhost:4318`; "
    "`/v1/traces` is added. `none`: calls are not traced.",
    None, "`none`",
)  # fmt: skip
SAMPLE_RATIO: Final = Leaf(
    "sample_ratio", kinds.share(1.0),
    "The share of calls that is traced. A call that brings a `traceparent` follows its caller's "
    "decision instead.",
    TracingSettings().sample_ratio, "`1`",
)  # fmt: skip
HEADERS: Final[Leaf[str | None]] = Leaf(
    "headers", kinds.optional(_header_fields()),
    "Sent with each export, as `NAME=VALUE,NAME=VALUE`: a receiver's key.",
    None, "`none`", secret=True,
)  # fmt: skip
TRACING: Final = Section("tracing", "Where traces of calls go.", (ENDPOINT, SAMPLE_RATIO, HEADERS))


def tracing(given: Given) -> TracingSettings:
    """Read them."""
    return TracingSettings(given.get(ENDPOINT), given.get(SAMPLE_RATIO), given.get(HEADERS))


def shown(settings: TracingSettings) -> dict[str, Plain]:
    """As a person may read them."""
    return {
        "endpoint": settings.endpoint,
        "sample_ratio": settings.sample_ratio,
        "headers": None if settings.headers is None else MASK,
    }
