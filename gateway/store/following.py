"""A channel of the store, followed for ever.

Failure policy: the connection is lost: it is made again, sooner at first and then every second.
Messages may have been missed then, so whoever follows is told whenever the channel is (re)subscribed.
A channel that falls silent although the connection is open gets a ping; one that does not answer
it is subscribed anew.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeAlias

from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError

from .background import pause
from .connection import FAILURES, Client

Heed: TypeAlias = Callable[[bytes | None], Awaitable[None]]
"""Takes a message, or `None` where some may have been missed: at the start, and after each loss."""

SILENCE_S = 5.0
_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0


async def follow(
    client: Client,
    channel: str,
    heed: Heed,
    lost: Callable[[Exception], None],
    silence_s: float = SILENCE_S,
) -> None:
    """Hear a channel until cancelled.

    Args:
        client: An open client; stays the caller's.
        channel: Its name.
        heed: What it raises counts as a lost connection.
        lost: Told why the connection was lost.
        silence_s: Ping after so long without a message.
    """
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            async with client.pubsub() as messages:
                await messages.subscribe(channel)
                async for told in _arriving(messages, channel, silence_s):
                    await heed(told)
                    pause_s = _FIRST_PAUSE_S
        except FAILURES as error:
            lost(error)
        await pause(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _arriving(
    messages: PubSub, channel: str, silence_s: float
) -> AsyncIterator[bytes | None]:
    pinged = False
    while True:
        message = await messages.get_message(timeout=silence_s)
        if message is not None:
            pinged = False
            if message["type"] == "message":
                yield message["data"]
            elif message["type"] == "subscribe":  # also after a reconnection within redis-py
                yield None
        elif pinged:
            raise ConnectionError(f"the channel {channel} does not answer")
        else:
            pinged = True
            await messages.ping()
