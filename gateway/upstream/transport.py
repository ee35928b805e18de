"""The way of a request to a provider, and whether it may be sent a second time.

**The keep-alive race.** A server may close an idle connection in the moment in which we write the
next request to it. RFC 9112 (9.3.1) lets a client repeat a request on a new connection by itself
only if the method is idempotent (RFC 9110, 9.2.2) or if it knows that the first one was not
handled. A generation is neither: it is a POST, and a second one is billed a second time.

1. The race is made rare: an idle connection is dropped before the usual idle limits of load
   balancers, and is polled for an end of stream in the moment before it is used. If the peer's FIN
   had arrived by then, the request goes to another connection and nothing was sent.
2. GET, HEAD, OPTIONS, TRACE, PUT and DELETE are repeated, once, on a new connection, if a reused
   connection ended before the first byte of the answer, and the body is at hand.
3. Any other method is not repeated once a byte of it was written, whatever the end looked like: a
   reset does not prove that the provider did not read the request first. The caller learns it from
   `UpstreamFailure.sent` and decides.

Failure policy: each failure is an `UpstreamFailure` and costs its connection. Nothing is retried
but in case 2. A request that cannot be put on the wire is an `UnsendableRequestError` (a `ValueError`).
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from gateway.domain.outcome import Reason, UpstreamFailure
from gateway.domain.topology import Provider
from gateway.ports import UpstreamRequest, UpstreamResponse

from .failures import closing
from .origin import origin_of
from .pool import Pool
from .protocol import Connection
from .request_body import Group, groups_of
from .request_head import encode_head
from .response import HttpResponse
from .settings import TransportSettings
from .tls import TlsContexts

_IDEMPOTENT = frozenset({"GET", "HEAD", "OPTIONS", "TRACE", "PUT", "DELETE"})


@dataclass(frozen=True, slots=True)
class PoolFigures:
    """What a provider's connections are doing, for metrics and leak checks."""

    provider: str
    idle: int
    active: int
    waiting: int


class HttpUpstream:
    """Implements `gateway.ports.Upstream` over HTTP/1.1. Belongs to one event loop."""

    def __init__(self, settings: TransportSettings | None = None) -> None:
        self._settings = settings or TransportSettings()
        self._contexts = TlsContexts()
        self._pools: dict[tuple[str, str, str | None], Pool] = {}
        self._closed = False

    def figures(self) -> list[PoolFigures]:
        """One line per pool in use."""
        return [
            PoolFigures(name, pool.idle, pool.active, pool.waiting)
            for (name, _, _), pool in self._pools.items()
        ]

    async def send(self, provider: Provider, request: UpstreamRequest) -> UpstreamResponse:
        """Send a request and return once the head of the final answer has arrived.

        Cancelling the caller closes the connection. What an iterator of the request body raises
        comes out of here, or of `read()` if the answer had already begun.

        Raises:
            UpstreamFailure: No head arrived; `sent` says whether repeating it is free of risk.
            UnsendableRequestError: The request is not valid HTTP/1.1; nothing was sent.
            ValueError: The provider's base URL is not an http or https URL.
        """
        pool = self._pool(provider)
        head = encode_head(request, pool.origin.authority)
        total_at = asyncio.get_running_loop().time() + provider.timeouts.total_s
        connection = pool.take()
        if connection is None:
            connection = await pool.acquire(provider.timeouts.connect_s)
        try:
            self._begin(connection, head, provider, request, total_at)
            await connection.receive_head()
        except UpstreamFailure as failure:
            if not _may_repeat(connection, request, failure):
                pool.discard(connection)
                raise
        except BaseException:
            pool.discard(connection)
            raise
        else:
            return HttpResponse(connection, pool)
        connection = await pool.renew(connection, provider.timeouts.connect_s)
        try:
            self._begin(connection, head, provider, request, total_at)
            await connection.receive_head()
        except BaseException:
            pool.discard(connection)
            raise
        return HttpResponse(connection, pool)

    async def close(self) -> None:
        """Close all connections; requests under way fail."""
        self._closed = True
        for pool in self._pools.values():
            pool.close()
        await asyncio.sleep(0)  # noqa: TID251 - no time passes: lets the closed sockets be freed

    def _begin(
        self,
        connection: Connection,
        head: bytes,
        provider: Provider,
        request: UpstreamRequest,
        total_at: float,
    ) -> None:
        body: bytes | AsyncIterator[Group]
        if isinstance(request.body, bytes) and len(request.body) <= self._settings.slice_bytes:
            body = request.body
        else:
            body = groups_of(request, self._settings.slice_bytes)
        connection.begin(head, body, provider.timeouts, total_at, is_head=request.method == "HEAD")

    def _pool(self, provider: Provider) -> Pool:
        key = (provider.name, provider.base_url, provider.tls_ca_file)
        pool = self._pools.get(key)
        if pool is None:
            pool = self._pools[key] = self._new_pool(provider)
        pool.resize(provider.max_connections)
        return pool

    def _new_pool(self, provider: Provider) -> Pool:
        if self._closed:
            raise closing()
        for key, pool in tuple(self._pools.items()):  # left over from earlier configurations
            if not (pool.idle or pool.active or pool.waiting):
                del self._pools[key]
        origin = origin_of(provider.base_url)
        context = self._contexts.context(provider.tls_ca_file) if origin.tls else None
        return Pool(origin, context, provider.max_connections, self._settings)


def _may_repeat(connection: Connection, request: UpstreamRequest, failure: UpstreamFailure) -> bool:
    """Rule 2 of the keep-alive race."""
    return (
        failure.reason is Reason.UPSTREAM_CUT
        and connection.reused
        and connection.silent
        and request.method in _IDEMPOTENT
        and isinstance(request.body, bytes)
    )
