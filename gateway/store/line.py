"""A connection of its own for the admission script, past the pool and the wrappers of the client.

One call is in flight at a time, so there is nothing to share; what redis-py does around each command
(taking a connection out of the pool and giving it back, retries, hooks) costs as much again as the
command. Behind a cluster, calls go through its client, which knows the way.

Failure policy: whatever goes wrong, cancellation included, closes the connection, since a late reply
would be taken for the next one's; the next call opens another.
"""

import asyncio
from collections.abc import Iterable
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import NoScriptError

from .connection import Client
from .scripts import Script

_PATIENCE_S = 2.0
"""As long as `connection.connect` lets a command take."""


class ScriptLine:
    """Calls one script.

    Args:
        client: Says where and how to connect; stays the caller's.
        script: What is called.
        key: The one key that it gets.
        patience_s: How long a call may take.
    """

    __slots__ = ("_client", "_connection", "_key", "_patience_s", "_script")

    def __init__(
        self, client: Client, script: Script, key: str, patience_s: float = _PATIENCE_S
    ) -> None:
        self._client = client
        self._script = script
        self._key = key
        self._patience_s = patience_s
        self._connection: Any = None
        if isinstance(client, Redis):
            self._connection = client.connection_pool.make_connection()  # type: ignore[no-untyped-call] # redis-py does not say
            self._connection.socket_timeout = None  # one time-out for both ways is set here

    async def call(self, *arguments: str | bytes) -> object:
        """Run the script.

        Raises:
            RedisError: The server could not be reached, or the script failed. It may have run.
            TimeoutError: It took too long.
        """
        if self._connection is None:
            return await self._script.call(self._client, (self._key,), arguments)
        try:
            return await self._command("EVALSHA", self._script.digest, "1", self._key, *arguments)
        except NoScriptError:
            return await self._command("EVAL", self._script.source, "1", self._key, *arguments)

    async def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            await self._connection.disconnect(nowait=True)

    async def _command(self, *parts: str | bytes) -> object:
        async with asyncio.timeout(self._patience_s):
            await self._connection.send_packed_command([packed(parts)], check_health=False)
            reply: object = await self._connection.read_response(disable_decoding=True)
        return reply


def packed(parts: Iterable[str | bytes]) -> bytes:
    """A command as it goes on the wire (RESP, an array of bulk strings)."""
    plain = [part if isinstance(part, bytes) else part.encode() for part in parts]
    pieces = [b"*%d\r\n" % len(plain)]
    pieces += [b"$%d\r\n%b\r\n" % (len(part), part) for part in plain]
    return b"".join(pieces)
