"""The client's side of one call: what was sent to it so far, and how it is told of its end."""

from gateway.dialects.codec import Reply
from gateway.ports import Headers

from .asgi import Send


class Responder:
    """Sends one response. Knows whether the head is out, since that ends all second thoughts."""

    __slots__ = ("_send", "bytes_sent", "ended", "started", "status")

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.ended = False
        self.status = 0
        self.bytes_sent = 0

    async def start(self, status: int, headers: Headers) -> None:
        """Send the head. If this is cancelled while it waits for the client, nothing was sent."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self.started = True
        self.status = status

    async def chunk(self, body: bytes) -> None:
        """Send a part of the body; waits while the client reads slowly."""
        self.bytes_sent += len(body)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, body: bytes = b"") -> None:
        """Send the last part of the body."""
        self.ended = True
        self.bytes_sent += len(body)
        await self._send({"type": "http.response.body", "body": body})

    async def whole(self, reply: Reply, headers: Headers) -> None:
        """Send a response of the gateway's own."""
        await self.start(
            reply.status,
            [*reply.headers, *headers, (b"content-length", str(len(reply.body)).encode())],
        )
        await self.end(reply.body)
