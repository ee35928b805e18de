"""Sends the traces of finished calls to a receiver of OTLP over HTTP, beside the calls.

A call costs the event loop one entry in a list; spans are made and sent by a thread, some hundred
calls at a time.

Failure policy: a trace never fails or delays a call. When the receiver is slow or away, at most
`MAX_PENDING` calls wait for it; further ones are dropped and counted. A batch that was refused is
dropped and counted, and the log says so once. When the worker stops, what is left gets
`GOODBYE_S` to go out.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from gateway.domain.facts import CallRecord, Trace
from gateway.ports import Clock

from .spans import SpanMaker

log = logging.getLogger("gateway.traces")

FLUSH_S = 1.0
MAX_PENDING = 2_000
CHUNK = 200
TIMEOUT_S = 5.0
GOODBYE_S = 2.0


class Traces:
    """An `Observer`.

    Args:
        exporter: Sends spans; called in a thread, and shut down by `stop`.
        maker: Makes them.
        clock: For stamps.
        dropped: Told how many calls have no trace.
    """

    def __init__(
        self,
        exporter: SpanExporter,
        maker: SpanMaker,
        clock: Clock,
        dropped: Callable[[int], None],
    ) -> None:
        self._exporter = exporter
        self._maker = maker
        self._clock = clock
        self._dropped = dropped
        self._pending: list[tuple[CallRecord, Trace, float]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._sending: asyncio.Task[None] | None = None
        self._failing = False

    def call_finished(self, record: CallRecord) -> None:
        """Note one call, if it is sampled."""
        trace = record.trace
        if trace is None or not trace.sampled:
            return
        if len(self._pending) >= MAX_PENDING:
            self._dropped(1)
            return
        self._pending.append((record, trace, self._clock.wall()))
        if self._timer is None and self._sending is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._flush)

    async def stop(self) -> None:
        """Send what is left, if the receiver takes it soon."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(GOODBYE_S):
                if self._sending is not None:
                    await asyncio.shield(self._sending)
                await self._send_all()
        await asyncio.get_running_loop().run_in_executor(None, self._exporter.shutdown)

    def _flush(self) -> None:
        self._timer = None
        self._sending = asyncio.get_running_loop().create_task(self._send_in_turn())

    async def _send_in_turn(self) -> None:
        try:
            await self._send_all()
        finally:
            self._sending = None

    async def _send_all(self) -> None:
        while self._pending:
            chunk, self._pending = self._pending[:CHUNK], self._pending[CHUNK:]
            sent = await asyncio.get_running_loop().run_in_executor(None, self._send, chunk)
            if sent:
                self._failing = False
                continue
            self._dropped(len(chunk))
            if not self._failing:
                self._failing = True
                log.warning("traces of calls are lost: the receiver does not take them")

    def _send(self, chunk: list[tuple[CallRecord, Trace, float]]) -> bool:
        """In a thread."""
        spans = [span for entry in chunk for span in self._maker.spans(*entry)]
        try:
            return self._exporter.export(spans) is SpanExportResult.SUCCESS
        except Exception:  # the edge: whatever an exporter raises, calls go on
            log.debug("the exporter failed", exc_info=True)
            return False
