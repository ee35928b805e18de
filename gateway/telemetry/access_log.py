"""The access log: one JSON line for each call, with ids and figures and never any content.

Failure policy: a log that cannot be written loses lines and says so once on standard error; it
never fails or delays a call. Lines are written together once in every event-loop turn.
"""

import asyncio
import logging
from datetime import UTC, datetime
from typing import BinaryIO

import msgspec

from gateway.domain.facts import CallRecord
from gateway.ports import Clock

from .metrics import error_type

log = logging.getLogger("gateway.access_log")


class AccessLog:
    """Writes lines to a binary stream. An `Observer`."""

    def __init__(self, stream: BinaryIO, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._encoder = msgspec.json.Encoder()
        self._lines: list[bytes] = []
        self._broken = False

    def call_finished(self, record: CallRecord) -> None:
        """Note one call."""
        if not self._lines:
            asyncio.get_running_loop().call_soon(self.flush)
        self._lines.append(self._encoder.encode(line(record, self._clock.wall())))

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


def line(record: CallRecord, now_s: float) -> dict[str, object]:
    """The fields of one line, in the order in which people read them."""
    usage = record.usage
    fields: dict[str, object] = {
        "time": datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds"),
        "request_id": record.request_id,
        "agent": record.agent,
        "status": record.status,
        "dialect": record.dialect.value if record.dialect else "",
        "endpoint": record.endpoint.value,
        "provider": record.provider,
        "lane": record.lane,
        "model": record.model,
        "priority": record.priority.value,
        "stream": record.stream,
        "wait_ms": round(record.wait_s * 1000, 1),
        "upstream_ms": round(record.upstream_s * 1000, 1),
        "overhead_ms": round(record.overhead_s * 1000, 3),
        "total_ms": round(record.total_s * 1000, 1),
        "input_tokens": usage.input_tokens,
        "cache_read_tokens": usage.cache_read_tokens,
        "cache_write_tokens": usage.cache_write_tokens,
        "output_tokens": usage.output_tokens,
        "cost_microusd": record.cost_microusd,
        "attempts": record.attempts,
    }
    if record.first_byte_s is not None:
        fields["first_byte_ms"] = round(record.first_byte_s * 1000, 1)
    if record.upstream_request_id:
        fields["upstream_request_id"] = record.upstream_request_id
    if record.team:
        fields["team"] = record.team
    if record.fault is not None:
        fields["error_type"] = error_type(record)
    if record.reason is not None:
        fields["reason"] = record.reason.value
    if record.cut:
        fields["cut"] = True
    if not usage.exact:
        fields["estimated"] = True
    if not record.lane:
        fields["path"] = record.path[:200]
    return fields
