"""A client that costs little and retries as the anthropic SDK does (provider-facts A3)."""

import asyncio
from dataclasses import dataclass
from random import Random
from typing import cast

import httptools


@dataclass(frozen=True)
class Target:
    """Where calls go; without a key, each agent's own is sent."""

    port: int
    key: str = ""


@dataclass
class Answer:
    """What came back; status 0: no answer.

    Attributes:
        broken: An error inside the stream, or a stream that did not end.
    """

    status: int
    retry_after_s: float | None = None
    should_retry: bool | None = None
    broken: bool = False


def retry_delay_s(answer: Answer, retry: int, scale: float, random: Random) -> float | None:
    """How long the SDK waits before it tries again, in real seconds; `None`: it does not."""
    status = answer.status
    again = status in {0, 408, 409, 429} or status >= 500
    if answer.should_retry is not None:
        again = answer.should_retry
    if status == 200 or not again:
        return None
    if answer.retry_after_s is not None and answer.retry_after_s > 0:
        return answer.retry_after_s
    return min(0.5 * 2.0**retry, 8.0) * (1 - 0.25 * random.random()) * scale


class Client:
    """One kept-alive connection, one call at a time."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self._line: _Line | None = None

    async def ask(
        self, key: str, call_id: str, retry: int, body: bytes, timeout_s: float
    ) -> Answer:
        """Send a call and wait for the whole answer.

        Raises:
            ConnectionError: The connection ended first, or none was made.
            TimeoutError: No byte came for so long.
        """
        line = self._line
        if line is None or line.closed:
            loop = asyncio.get_running_loop()
            _, line = await loop.create_connection(_Line, "127.0.0.1", self.target.port)
            self._line = line
        head = (
            "POST /v1/messages HTTP/1.1\r\nhost: 127.0.0.1\r\n"
            f"x-api-key: {key}\r\nanthropic-version: 2023-06-01\r\n"
            f"content-type: application/json\r\nx-sim-client: {call_id}\r\n"
            f"x-stainless-retry-count: {retry}\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        try:
            return await line.ask(head.encode() + body, timeout_s)
        except (asyncio.CancelledError, TimeoutError):
            self.close()
            raise

    def close(self) -> None:
        """Cut the connection."""
        if self._line is not None:
            self._line.close()
            self._line = None


class _Line(asyncio.Protocol):
    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._answer = Answer(0)
        self._last = b""
        self._streamed = False
        self._waiting: asyncio.Future[Answer] | None = None
        self._timeout: asyncio.Timeout | None = None
        self._timeout_s = 0.0

    async def ask(self, request: bytes, timeout_s: float) -> Answer:
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._answer, self._last, self._streamed = Answer(0), b"", False
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        self._timeout_s = timeout_s
        try:
            async with asyncio.timeout(timeout_s) as self._timeout:
                return await self._waiting
        finally:
            self._timeout = None

    def close(self) -> None:
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        if self._timeout is not None and not self._timeout.expired():  # a read timeout, as in SDKs
            self._timeout.reschedule(asyncio.get_running_loop().time() + self._timeout_s)
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionError("closed before the answer's end"))

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"retry-after":
            self._answer.retry_after_s = float(value)
        elif name == b"x-should-retry":
            self._answer.should_retry = value == b"true"
        elif name == b"content-type":
            self._streamed = value.startswith(b"text/event-stream")

    def on_headers_complete(self) -> None:
        self._answer.status = self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        if self._streamed:
            self._answer.broken = self._answer.broken or b"event: error" in data
            self._last = (self._last + data)[-64:]

    def on_message_complete(self) -> None:
        if self._streamed and b"message_stop" not in self._last:
            self._answer.broken = True
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(self._answer)
