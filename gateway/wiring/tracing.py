"""Tracing, if a receiver is configured: places for calls, and the way their spans go.

OpenTelemetry is imported here only when it is wanted, and is an extra: `agent-gateway[otel]`.
"""

import logging
import random  # noqa: TID251 - ids of traces, handed to the pure core
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from gateway import __version__
from gateway.config.tracing import TracingSettings
from gateway.core.tracing import begin
from gateway.domain.facts import Trace
from gateway.ports import Clock

if TYPE_CHECKING:
    from gateway.telemetry.traces import Traces


class ExtraMissing(Exception):  # noqa: N818 - says what is missing
    """Something is configured that needs libraries which are not installed."""


def demand_otel(settings: TracingSettings) -> None:
    """Check that what the settings need is there.

    Raises:
        ExtraMissing: It is not.
    """
    needed = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")
    if settings.endpoint is None:
        return
    try:
        found = all(find_spec(name) is not None for name in needed)
    except (ModuleNotFoundError, ValueError):
        found = False
    if not found:
        raise ExtraMissing(
            "tracing.endpoint is set, and OpenTelemetry is not installed. "
            "Install agent-gateway[otel], or remove the setting."
        )


def tracer(settings: TracingSettings) -> Callable[[Mapping[bytes, bytes]], Trace] | None:
    """Gives calls their place in a trace by their header fields; `None`: calls are not traced."""
    if settings.endpoint is None:
        return None
    ratio, bits = settings.sample_ratio, random.Random().getrandbits  # noqa: S311 - no secrets

    def place(fields: Mapping[bytes, bytes]) -> Trace:
        return begin(fields.get(b"traceparent"), ratio, bits)

    return place


def traces(
    settings: TracingSettings, replica: str, clock: Clock, dropped: Callable[[int], None]
) -> "Traces":
    """Sends the spans of calls to the configured endpoint."""
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - optional
        OTLPSpanExporter,
    )

    from gateway.telemetry.spans import SpanMaker  # noqa: PLC0415 - as above
    from gateway.telemetry.traces import TIMEOUT_S, Traces  # noqa: PLC0415 - as above

    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # `Traces` says it once
    pairs = (one.split("=", 1) for one in (settings.headers or "").split(",") if one)
    exporter = OTLPSpanExporter(
        endpoint=f"{settings.endpoint}/v1/traces",
        headers={name.strip().lower(): value for name, value in pairs},
        timeout=TIMEOUT_S,
    )
    return Traces(exporter, SpanMaker(__version__, replica), clock, dropped)
