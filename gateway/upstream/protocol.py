"""One HTTP/1.1 connection to a provider: an asyncio protocol around llhttp (httptools).

    IDLE ── begin ──> HEAD ── head parsed ──> BODY ── message complete ──> DONE ── reuse ──> IDLE
      │                 │                       │                            │
      └─────────────────┴──── any failure ──────┴──── close, abort ──────────┴──> CLOSED

Who moves it: `begin` and `reuse` are called from above, the other steps happen in parser
callbacks while bytes arrive. Nothing is written, parsed or timed by a task of its own, except
that a large or streamed request body has one task that feeds it.

Rules, each with a test:

- Bytes that nobody asked for (while IDLE, or after the end of an answer) poison the connection.
- It is reused only if the answer was complete and delimited (RFC 9112, 9.3), the whole request had
  been handed to the kernel before the answer's head arrived, and nothing was left over.
- The parser is llhttp in its strict mode, which refuses conflicting lengths, bare CR or LF,
  folded fields, blanks before colons and bad chunk sizes; status codes outside 100..599, codings
  other than one `chunked`, unasked 101 and oversized heads are refused here.
- A slow reader stops the socket at the high-water mark; a timeout between chunks counts only while
  somebody waits for a chunk, so that a slow client is not taken for a slow provider.
- A cancelled wait closes the connection: half an answer is of no use to anybody else.
"""

import asyncio
import select
from collections.abc import AsyncIterator, Callable
from enum import Enum
from math import inf
from typing import cast

import httptools

from gateway.domain.outcome import FailurePhase
from gateway.domain.topology import Timeouts
from gateway.ports import Headers

from .deadline import Deadline
from .failures import cut, timed_out, violated
from .request_body import Group
from .settings import TransportSettings


class State(Enum):
    """Where a connection is in the life of one exchange."""

    IDLE = "idle"
    HEAD = "head"
    BODY = "body"
    DONE = "done"
    CLOSED = "closed"


_IDLE, _HEAD, _BODY, _DONE, _CLOSED = State  # the hot path reads globals, not enum attributes


class Connection(asyncio.Protocol):
    """A connection, and the exchange that it carries.

    Attributes:
        status: Of the current answer; 0 until its head has arrived.
        headers: Of the current answer, as they came.
        silent: No byte of the current answer has arrived.
        reused: The current exchange is not the first one.
    """

    __slots__ = (
        "_buffered",
        "_chunks",
        "_coded",
        "_deadline",
        "_drain_waiter",
        "_failure",
        "_feeding",
        "_is_head",
        "_keep",
        "_loop",
        "_on_closed",
        "_parser",
        "_poll",
        "_read_paused",
        "_settings",
        "_state",
        "_timeouts",
        "_total_at",
        "_transport",
        "_unproductive",
        "_until_close",
        "_violation",
        "_waiter",
        "_write_paused",
        "headers",
        "reused",
        "silent",
        "status",
    )

    _transport: asyncio.Transport  # these two exist while the state is not CLOSED
    _parser: httptools.HttpResponseParser

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        settings: TransportSettings,
        on_closed: "Callable[[Connection], None]",
    ) -> None:
        self._loop = loop
        self._settings = settings
        self._on_closed = on_closed
        self._state = _CLOSED
        self._poll = select.poll()
        self._deadline = Deadline(loop, self._deadline_passed)
        self._waiter: asyncio.Future[None] | None = None
        self._drain_waiter: asyncio.Future[None] | None = None
        self._feeding: asyncio.Task[None] | None = None
        self._chunks: list[bytes] = []
        self._read_paused = self._write_paused = False
        self._keep = True
        self.reused = False
        self._reset(Timeouts(), inf, is_head=False)

    def _reset(self, timeouts: Timeouts, total_at: float, *, is_head: bool) -> None:
        self._timeouts = timeouts
        self._total_at = total_at
        self._is_head = is_head
        self._failure: BaseException | None = None
        self._violation: str | None = None
        self._until_close = self._coded = False
        self._buffered = self._unproductive = 0
        self.silent = True
        self.status = 0
        self.headers: Headers = []

    # --- from above -------------------------------------------------------------------------

    @property
    def usable(self) -> bool:
        """Whether an exchange can begin, as far as this end has been told."""
        return self._state is _IDLE

    @property
    def stale(self) -> bool:
        """Whether an idle peer has sent something (an end, most likely) that was not read yet.

        One poll of the socket (0.6 microseconds) shrinks the keep-alive race from the time since
        the event loop last looked to the time a segment travels.
        """
        return bool(self._poll.poll(0))

    @property
    def closed(self) -> bool:
        """Whether it is beyond use."""
        return self._state is _CLOSED

    def begin(
        self,
        head: bytes,
        body: bytes | AsyncIterator[Group],
        timeouts: Timeouts,
        total_at: float,
        *,
        is_head: bool,
    ) -> None:
        """Write a request, or start feeding it.

        Args:
            head: The whole head.
            body: A body to write at once, or groups of buffers to feed.
            timeouts: In force for this exchange.
            total_at: Loop time at which the exchange must be over.
            is_head: The method is HEAD, so that the answer has no body.
        """
        transport = self._transport
        self._reset(timeouts, total_at, is_head=is_head)
        self._state = _HEAD
        if not isinstance(body, bytes):
            self._deadline.set(total_at)
            transport.write(head)
            self._feeding = self._loop.create_task(self._feed(body))
            return
        self._deadline.set(min(self._loop.time() + timeouts.first_byte_s, total_at))
        if not body:
            transport.write(head)
        elif len(body) <= self._settings.join_below_bytes:
            transport.write(head + body)
        else:
            transport.writelines((head, body))

    async def receive_head(self) -> None:
        """Wait until `status` and `headers` are those of the final answer.

        Raises:
            UpstreamFailure: It did not arrive.
            Exception: What the iterator of the request body raised.
        """
        if self._state is _HEAD:
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            finally:
                self._stop_waiting(waiter)
        if not self.status and self._failure is not None:
            raise self._failure

    async def read(self) -> bytes:
        """The next bytes of the body; `b""` at its end.

        Raises:
            UpstreamFailure: The body was cut short, broke the protocol or stalled.
        """
        if not self._chunks and self._state is _BODY:
            wait_until = self._loop.time() + self._timeouts.between_chunks_s
            self._deadline.set(min(wait_until, self._total_at))
            waiter = self._waiter = self._loop.create_future()
            try:
                await waiter
            finally:
                self._stop_waiting(waiter)
        chunks = self._chunks
        if not chunks:
            if self._failure is not None:
                raise self._failure
            return b""
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        chunks.clear()
        self._buffered = 0
        if self._read_paused:
            self._read_paused = False
            if self._state is not _CLOSED:
                self._transport.resume_reading()
        return data

    def reuse(self) -> bool:
        """Make it ready for the next exchange, if the last one left it clean."""
        if self._state is not _DONE or not self._keep or self._feeding is not None:
            return False
        if self._is_head:  # llhttp still waits for the body that HEAD does not have
            self._parser = httptools.HttpResponseParser(self)
        if self._read_paused:
            self._transport.resume_reading()
        self._read_paused = False
        self._chunks.clear()
        self._state = _IDLE
        self.reused = True
        self._deadline.set(self._loop.time() + self._settings.idle_s)
        return True

    def abort(self) -> None:
        """Close at once, without a word; whoever still waits learns of a cut. Idempotent."""
        unfinished = self._state is _HEAD or self._state is _BODY
        self._close(cut(self._phase(), None) if unfinished else None)

    # --- asyncio.Protocol -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over a fresh connection."""
        self._transport = cast(asyncio.Transport, transport)
        self._parser = httptools.HttpResponseParser(self)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self._state = _IDLE

    def data_received(self, data: bytes) -> None:
        """Parse what arrived and wake the reader once."""
        state = self._state
        if state is not _HEAD and state is not _BODY:
            self._surplus()
            return
        self.silent = False
        self._unproductive += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._parser_stopped(error)
        if self._violation is not None or self._unproductive > self._settings.max_head_bytes:
            self._refuse()
        if self._waiter is not None and (self._chunks or self._state is not state):
            self._wake()
        if self._buffered > self._settings.high_water_bytes and not self._read_paused:
            self._pause()

    def eof_received(self) -> None:
        """The peer will send no more; nothing that we could still send is of use."""
        self._ended(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._ended(exc)

    def pause_writing(self) -> None:
        """The socket takes no more for now."""
        self._write_paused = True

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._write_paused = False
        self._wake_feeder()

    # --- parser callbacks (must not raise: llhttp would hide the exception) ------------------

    def on_message_begin(self) -> None:
        """An answer begins; it must be the one that is waited for."""
        if self._state is not _HEAD:
            self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """One field, of a head or of a trailer."""
        if self._state is not _HEAD:
            return  # trailers carry nothing that we relay
        self.headers.append((name, value))
        if len(name) == 17 and name.lower() == b"transfer-encoding":
            if self._coded or value.lower() != b"chunked":
                self._violation = "a transfer coding other than chunked"
            self._coded = True

    def on_headers_complete(self) -> None:
        """The head of an interim or of the final answer."""
        if self._state is not _HEAD or self._violation is not None:
            return
        parser = self._parser
        status = parser.get_status_code()
        if status < 200:
            self.headers.clear()
            if status < 100 or status == 101:
                self._violation = f"status {status}, which was not asked for"
            return
        if status > 599:
            self._violation = f"status {status}"
            return
        if self._unproductive > self._settings.max_head_bytes and self._head_is_oversized():
            self._violation = "the head is too large"
            return
        self._keep = parser.should_keep_alive()
        self._until_close = not self._keep and not self._is_delimited(status)
        if self._feeding is not None or self._transport.get_write_buffer_size():
            self._keep = False  # an answer before the end of the request
        self.status = status
        self._state = _DONE if self._is_head else _BODY
        self._deadline.set(self._total_at)

    def on_body(self, data: bytes) -> None:
        """A piece of the body."""
        if self._state is not _BODY:
            self._keep = False
            return
        self._unproductive = 0
        self._buffered += len(data)
        self._chunks.append(data)

    def on_message_complete(self) -> None:
        """The end of an answer, interim ones included."""
        if self._state is _BODY:
            self._finish()

    # --- inside -----------------------------------------------------------------------------

    def _finish(self) -> None:
        self._state = _DONE
        self._deadline.set(inf)

    def _is_delimited(self, status: int) -> bool:
        """Whether the end of the body shows without the end of the connection."""
        if self._is_head or status in {204, 304} or self._coded:
            return True
        return any(name.lower() == b"content-length" for name, _ in self.headers)

    def _head_is_oversized(self) -> bool:
        size = sum(len(name) + len(value) + 4 for name, value in self.headers)
        return size > self._settings.max_head_bytes

    def _surplus(self) -> None:
        """Bytes that nobody asked for."""
        self._keep = False
        if self._state is _IDLE:
            self._close(None)

    def _parser_stopped(self, error: Exception) -> None:
        if self._state is _DONE:
            self._keep = False  # the answer itself was whole
        elif self._violation is None:
            self._violation = str(error) if error.args else type(error).__name__

    def _refuse(self) -> None:
        """End the exchange for what the peer sent, unless the answer was already whole."""
        if self._state is _DONE:
            self._keep = False
            return
        phase = FailurePhase.BODY if self.status else FailurePhase.HEAD
        self._close(violated(phase, self._violation or "too many bytes without content"))

    def _ended(self, error: Exception | None) -> None:
        if self._state is _BODY and self._until_close and error is None:
            self._finish()
            self._keep = False
        if self._state is _HEAD or self._state is _BODY:
            self._close(cut(self._phase(), error))
        else:
            self._close(None)

    def _phase(self) -> FailurePhase:
        if self.status:
            return FailurePhase.BODY
        return FailurePhase.SEND if self._feeding is not None else FailurePhase.HEAD

    def _close(self, failure: BaseException | None) -> None:
        if self._state is _CLOSED:
            return
        self._state = _CLOSED
        self._failure = failure
        self._deadline.drop()
        self._transport.abort()
        del self._transport, self._parser  # they refer back to us
        self._wake()
        self._wake_feeder()
        if self._feeding is not None:
            self._feeding.cancel()
        self._on_closed(self)

    def _deadline_passed(self) -> None:
        now = self._loop.time()
        if self._state is _IDLE:
            self._close(None)
        elif now >= self._total_at - 0.001:
            self._close(timed_out(self._phase(), "the whole exchange took too long"))
        elif self._waiter is None and not (self._drain_waiter and self._state is _HEAD):
            self._deadline.set(self._total_at)  # nobody waits for the provider
        else:
            self._close(timed_out(self._phase(), "the provider was silent for too long"))

    def _stop_waiting(self, waiter: asyncio.Future[None]) -> None:
        self._waiter = None
        if waiter.cancelled():  # half an answer is of no use to anybody else
            self.abort()

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _pause(self) -> None:
        if self._state is not _CLOSED:
            self._read_paused = True
            self._transport.pause_reading()

    # --- the task that feeds a large or streamed request body --------------------------------

    async def _feed(self, groups: AsyncIterator[Group]) -> None:
        try:
            async for group in groups:
                if self._state is _CLOSED:
                    return
                # Joined, since asyncio's `writelines` never asks to pause in Python 3.12.0 to 3.13.1
                # (CVE-2024-12254): the whole body would pile up in memory.
                self._transport.write(group[0] if len(group) == 1 else b"".join(group))
                if self._write_paused:
                    await self._drain()
        except Exception as error:  # noqa: BLE001 - whatever the caller's iterator raises, it gets back
            self._feeding = None
            self._close(None if self._state is _DONE else error)
            return
        finally:
            await groups.aclose()  # type: ignore[attr-defined] # generators, by construction
        self._feeding = None
        if self._state is _HEAD:
            wait_until = self._loop.time() + self._timeouts.first_byte_s
            self._deadline.set(min(wait_until, self._total_at))

    async def _drain(self) -> None:
        """Wait for the socket, no longer than between two chunks of an answer."""
        if self._state is _HEAD:
            wait_until = self._loop.time() + self._timeouts.between_chunks_s
            self._deadline.set(min(wait_until, self._total_at))
        waiter = self._drain_waiter = self._loop.create_future()
        try:
            await waiter
        finally:
            self._drain_waiter = None
        if self._state is _HEAD:
            self._deadline.set(self._total_at)

    def _wake_feeder(self) -> None:
        waiter = self._drain_waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
