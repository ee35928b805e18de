"""The proxy that one writes in an afternoon: uvicorn, raw ASGI and httpx2. For comparison.

Run as `python -m tests.bench.bare_proxy PORT UPSTREAM_URL`.
"""

import sys
from typing import Any

import httpx2
import uvicorn

_HOP = {b"connection", b"transfer-encoding", b"host", b"content-length"}


class BareProxy:
    """Forwards everything, understands nothing."""

    def __init__(self, upstream: str) -> None:
        self._client = httpx2.AsyncClient(
            base_url=upstream, limits=httpx2.Limits(max_connections=None), timeout=60
        )

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        headers = [(k, v) for k, v in scope["headers"] if k not in _HOP]
        request = self._client.build_request(
            scope["method"], scope["raw_path"].decode(), headers=headers, content=body
        )
        response = await self._client.send(request, stream=True)
        out = [(k, v) for k, v in response.headers.raw if k.lower() not in _HOP]
        await send({"type": "http.response.start", "status": response.status_code, "headers": out})
        async for chunk in response.aiter_raw():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        await response.aclose()


if __name__ == "__main__":
    uvicorn.run(
        BareProxy(sys.argv[2]),
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        log_level="error",
        lifespan="off",
    )
