"""Bytes on the wire: what a client that is not an SDK may send, and all that comes back."""

import asyncio
import re
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.simulator import RunningSimulator
from gateway.simulator.state import CapturedRequest
from tests.fixtures.gateway import KEY, RunningGateway

_LIMIT_S = 5.0
_STATUS_LINE = re.compile(rb"HTTP/1\.1 \d{3} [A-Z][A-Za-z -]+\r\n")
BODY = b'{"model":"claude-sonnet-5","max_tokens":5,"messages":[{"role":"user","content":"hi"}]}'
VERSION = (b"anthropic-version", b"2023-06-01")


@dataclass
class Fort:
    """A gateway, and what reached the providers behind it."""

    gateway: RunningGateway
    simulator: RunningSimulator

    @property
    def url(self) -> str:
        """The gateway's."""
        return self.gateway.url

    @property
    def forwarded(self) -> int:
        """Calls that reached a provider so far, model lists left out."""
        return sum(one.path != "/v1/models" for one in self.simulator.state.ledger.log)

    @property
    def captured(self) -> list[CapturedRequest]:
        """The last whole requests that reached a provider."""
        return list(self.simulator.state.captured)


@dataclass(frozen=True)
class Answered:
    """What came back on one connection.

    Attributes:
        closed: The gateway closed the connection.
    """

    raw: bytes
    closed: bool

    @property
    def status(self) -> int:
        """Of the first response; 0 if there was none."""
        return int(self.raw[9:12]) if self.raw.startswith(b"HTTP/1.1 ") else 0

    @property
    def responses(self) -> int:
        """How many status lines were sent."""
        return len(_STATUS_LINE.findall(self.raw))

    @property
    def head(self) -> bytes:
        """Of the first response."""
        return self.raw.partition(b"\r\n\r\n")[0]


def request(
    line: bytes = b"POST /v1/messages HTTP/1.1",
    fields: Iterable[tuple[bytes, bytes]] = (),
    body: bytes = BODY,
    *,
    key: str | None = KEY,
    host: bytes | None = b"gateway",
) -> bytes:
    """A request that asks to close the connection afterwards, with a right length."""
    own = [] if host is None else [(b"host", host)]
    if key is not None:
        own.append((b"x-api-key", key.encode()))
    all_fields = [*own, VERSION, (b"connection", b"close"), *fields]
    all_fields.append((b"content-length", b"%d" % len(body)))
    return head(line, all_fields) + body


def head(line: bytes, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A request head, byte for byte."""
    return b"".join([line, b"\r\n", *(b"%b: %b\r\n" % field for field in fields), b"\r\n"])


async def talk(url: str, *pieces: bytes, limit_s: float = _LIMIT_S) -> Answered:
    """Send pieces, each in a segment of its own, and read until the gateway closes or the limit."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    raw = bytearray()
    closed = False
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        async with asyncio.timeout(limit_s):
            while chunk := await reader.read(65536):
                raw += chunk
            closed = True
    except ConnectionError:
        closed = True
    except TimeoutError:
        pass
    finally:
        writer.close()
    return Answered(bytes(raw), closed)
