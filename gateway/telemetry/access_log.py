"""The access log: one JSON line for each call, with ids and figures and never any content.

Failure policy: a log that cannot be written loses lines and says so once on standard error; it
never fails or delays a call. Lines are written together, a tenth of a second after the first of
them; a process that is killed loses what it has not written.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import BinaryIO

import msgspec

from gateway.domain.facts import CallRecord
from gateway.ports import Clock

from .call_metrics import error_type

log = logging.getLogger("gateway.access_log")

FLUSH_S = 0.1
FLUSH_LINES = 1_000
"""So many lines are written at once, however young."""
_SHOWN_PATH = 200


class Line(msgspec.Struct, omit_defaults=True):
    """One line; what has a default is left out where it says nothing."""

    time: str
    request_id: str
    agent: str
    status: int
    dialect: str
    endpoint: str
    provider: str
    lane: str
    model: str
    priority: str
    stream: bool
    wait_ms: float
    upstream_ms: float
    overhead_ms: float
    total_ms: float
    input_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int
    output_tokens: int
    cost_microusd: int
    attempts: int
    first_byte_ms: float | None = None
    upstream_request_id: str = ""
    team: str | None = None
    error_type: str = ""
    reason: str = ""
    cut: bool = False
    estimated: bool = False
    path: str = ""
    requested_model: str = ""
    route: str = ""
    route_mode: str = ""
    route_choice: str = ""
    route_reason: str = ""
    route_detail: str = ""
    saved_microusd: int = 0
    session: str = ""
    tags: tuple[str, ...] = ()
    trace_id: str = ""


class AccessLog:
    """Writes lines to a binary stream. An `Observer`."""

    def __init__(self, stream: BinaryIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._encode = msgspec.json.Encoder().encode
        self._stamp = Stamp()
        self._lines: list[bytes] = []
        self._broken = False

    def call_finished(self, record: CallRecord) -> None:
        """Note one call."""
        lines = self._lines
        if not lines:
            asyncio.get_running_loop().call_later(FLUSH_S, self.flush)
        lines.append(self._encode(line(record, self._stamp(self._clock.wall()))))
        if len(lines) >= FLUSH_LINES:
            self.flush()

    def flush(self) -> None:
        """Write what has been noted."""
        lines, self._lines = self._lines, []
        if not lines:
            return
        try:
            self._stream.write(b"\n".join(lines) + b"\n")
            self._stream.flush()
        except OSError:
            if not self._broken:
                self._broken = True
                log.exception("the access log cannot be written; lines are lost")


class Stamp:
    """Writes times; the part down to the second is worked out once a second."""

    __slots__ = ("_second", "_text")

    def __init__(self) -> None:
        self._second = -1
        self._text = ""

    def __call__(self, now_s: float) -> str:
        """A time in ISO 8601, UTC, with milliseconds."""
        second = int(now_s)
        if second != self._second:
            self._second = second
            self._text = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        return f"{self._text}.{int((now_s - second) * 1000):03d}+00:00"


def line(record: CallRecord, time: str) -> Line:
    """The line of a call, its fields in the order in which people read them."""
    usage = record.usage
    first_byte_s, routed = record.first_byte_s, record.routed
    found = Line(
        time=time,
        request_id=record.request_id,
        agent=record.agent,
        status=record.status,
        dialect=record.dialect or "",
        endpoint=record.endpoint,
        provider=record.provider,
        lane=record.lane,
        model=record.model,
        priority=record.priority,
        stream=record.stream,
        wait_ms=round(record.wait_s * 1000, 1),
        upstream_ms=round(record.upstream_s * 1000, 1),
        overhead_ms=round(record.overhead_s * 1000, 3),
        total_ms=round(record.total_s * 1000, 1),
        input_tokens=usage.input_tokens,
        cache_read_tokens=usage.cache_read_tokens,
        cache_write_tokens=usage.cache_write_tokens,
        output_tokens=usage.output_tokens,
        cost_microusd=record.cost_microusd,
        attempts=record.attempts,
        first_byte_ms=None if first_byte_s is None else round(first_byte_s * 1000, 1),
        upstream_request_id=record.upstream_request_id,
        team=record.team or None,
        error_type=error_type(record),
        reason=record.reason or "",
        cut=record.cut,
        estimated=not usage.exact,
        path="" if record.lane else record.path[:_SHOWN_PATH],
    )
    if routed is not None:
        found.requested_model, found.route = routed.asked[:_SHOWN_PATH], routed.policy
        found.route_mode, found.route_choice = routed.mode, routed.decision
        found.route_reason, found.route_detail = routed.reason, routed.detail
        found.saved_microusd = routed.saved_microusd
    if record.session is not None:
        found.session = record.session.id
    if record.trace is not None:
        found.trace_id = record.trace.trace_id
    found.tags = record.tags
    return found
