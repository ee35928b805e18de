"""A provider that answers at once from memory: what is measured is the proxy before it.

Run as `python -m tests.bench.canned PORT`.
"""

import asyncio
import sys
from typing import cast

import httptools
import uvloop

UNARY_BODY = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-5",'
    b'"content":[{"type":"text","text":"' + b"word " * 60 + b'"}],"stop_reason":"end_turn",'
    b'"stop_sequence":null,"usage":{"input_tokens":120,"output_tokens":60,'
    b'"cache_creation_input_tokens":0,"cache_read_input_tokens":0}}'
)
CHUNKS = 200


def _event(name: str, data: bytes) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


_START = _event(
    "message_start",
    b'{"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant",'
    b'"model":"claude-sonnet-5","content":[],"usage":{"input_tokens":120,"output_tokens":1}}}',
) + _event(
    "content_block_start",
    b'{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
)
_DELTA = _event(
    "content_block_delta",
    b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" some words"}}',
)
_STOP = (
    _event("content_block_stop", b'{"type":"content_block_stop","index":0}')
    + _event(
        "message_delta",
        b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":400}}',
    )
    + _event("message_stop", b'{"type":"message_stop"}')
)
_HEAD = b"HTTP/1.1 200 OK\r\nrequest-id: req_1\r\n"
_UNARY = (
    _HEAD
    + b"content-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(UNARY_BODY)
    + UNARY_BODY
)
_STREAM_HEAD = _HEAD + b"content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n" % len(data) + data + b"\r\n"


class Canned(asyncio.Protocol):
    """One connection."""

    def __init__(self) -> None:
        self._parser = httptools.HttpRequestParser(self)
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        stream = b'"stream":true' in self._body
        self._body.clear()
        if not stream:
            self._transport.write(_UNARY)
            return
        self._transport.write(_STREAM_HEAD + _chunk(_START))
        self._tick(CHUNKS)

    def _tick(self, left: int) -> None:
        """One chunk in each turn of the loop, so that they do not arrive in one read."""
        if left:
            self._transport.write(_chunk(_DELTA))
            asyncio.get_running_loop().call_later(0.002, self._tick, left - 1)
        else:
            self._transport.write(_chunk(_STOP) + b"0\r\n\r\n")


async def _serve(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Canned, "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
