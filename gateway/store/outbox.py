"""Events for this replica that were decided in another replica's call, as they come.

Failure policy: whatever goes wrong, listening starts again after a short pause. What is lost is
found out by the next beat (see `gateway.store.admission`).
"""

import logging
from collections.abc import Callable, Sequence

import msgspec

from gateway.core.admission.messages import Event

from .background import pause
from .connection import FAILURES, Client

_log = logging.getLogger(__name__)

_BLOCK_S = 1
"""Shorter than a command may take (`connection.connect`)."""
_PAUSE_S = 0.2


async def listen(
    client: Client,
    key: str,
    take: Callable[[Sequence[Event]], None],
    back: Callable[[], None],
) -> None:
    """Hand on what arrives at `key`, for ever; call `back` when the store is back after a failure.

    A command is under way here nearly always, so that no restart of the store goes unnoticed.
    """
    lost = False
    decode = msgspec.msgpack.Decoder(list[list[object]]).decode
    while True:
        try:
            found = await client.blpop([key], timeout=_BLOCK_S)
            if lost:
                lost = False
                back()
            if found is not None:
                take(decode(found[1]))  # type: ignore[arg-type] # redis-py does not say bytes
        except FAILURES as error:
            lost = True
            _log.debug("outbox %s: %s", key, error)
            await pause(_PAUSE_S)
        except msgspec.DecodeError:
            _log.exception("outbox %s holds what is no event", key)
