"""A channel of the store, followed for ever.

Failure policy: the connection is lost: it is made again, sooner at first and then every second.
Messages may have been missed then, so `caught_up` is called whenever the channel is (re)subscribed.
A channel that falls silent although the connection is open gets a ping; one that does not answer
it is subscribed anew.
"""

from collections.abc import Awaitable, Callable

from redis.exceptions import ConnectionError

from .background import pause
from .connection import FAILURES, Client

_FIRST_PAUSE_S = 0.1
_LONGEST_PAUSE_S = 1.0


async def follow(
    client: Client,
    channel: str,
    caught_up: Callable[[], Awaitable[None]],
    lost: Callable[[Exception], None],
    silence_s: float = 5.0,
) -> None:
    """Call `caught_up` at each message, and whenever some may have been missed.

    Args:
        client: An open client; stays the caller's.
        channel: Its name.
        caught_up: Reads what is announced; what it raises counts as a lost connection.
        lost: Told why the connection was lost.
        silence_s: Ping after so long without a message.
    """
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            await _listen(client, channel, caught_up, silence_s)
        except FAILURES as error:
            lost(error)
        await pause(pause_s)
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


async def _listen(
    client: Client, channel: str, caught_up: Callable[[], Awaitable[None]], silence_s: float
) -> None:
    async with client.pubsub() as messages:
        await messages.subscribe(channel)
        pinged = False
        while True:
            message = await messages.get_message(timeout=silence_s)
            if message is not None:
                pinged = False
                if message["type"] in {"subscribe", "message"}:
                    await caught_up()
            elif pinged:
                raise ConnectionError(f"the channel {channel} does not answer")
            else:
                pinged = True
                await messages.ping()
