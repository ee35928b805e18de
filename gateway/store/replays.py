"""Answers kept for those who repeat a creation: `gw:{main}:replay:KEY`, for a day.

An empty value marks a request that is being served. It ends by itself should its gateway die.

Failure policy: the store does not answer: `StoreSilent`, before anything was created.
"""

from typing import Any

from gateway.ports import StillRunning

from .connection import ROOT, Client
from .silence import silence_told

KEPT_S = 86_400
CLAIMED_S = 60


class StoredReplays:
    """Implements `gateway.ports.Replays`.

    Args:
        client: An open client; stays the caller's.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def begin(self, key: str) -> bytes | None:
        """Claim a key, or the answer kept under it.

        Raises:
            StillRunning: Another request has claimed it.
        """
        with silence_told():
            if await self._client.set(_name(key), b"", nx=True, ex=CLAIMED_S):
                return None
            kept: Any = await self._client.get(_name(key))
        if not kept:
            raise StillRunning
        return bytes(kept)

    async def finish(self, key: str, answer: bytes) -> None:
        """Keep the answer."""
        with silence_told():
            await self._client.set(_name(key), answer, ex=KEPT_S)

    async def abandon(self, key: str) -> None:
        """Let the request be repeated."""
        with silence_told():
            await self._client.delete(_name(key))


def _name(key: str) -> str:
    return f"{ROOT}:replay:{key}"
