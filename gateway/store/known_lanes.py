"""Which lanes there are: the configured ones, and those made for models in no configured lane."""

from typing import Any

from .connection import Client

DEBTS_LANE = "~debts"
"""Without limits and without calls: there replicas tell the store what budgets are owed."""
_LIFETIME_US = 2 * 86_400 * 1_000_000
"""As the admission script has it: what was not configured again for so long is forgotten."""


async def known_lanes(redis: Client, root: str, now_s: float) -> list[str]:
    """Names of all lanes that any replica has used of late.

    Raises:
        RedisError: The store does not answer.
    """
    oldest_us = now_s * 1_000_000 - _LIFETIME_US
    names: Any = await redis.zrangebyscore(f"{root}:lanes", oldest_us, "+inf")
    return sorted(name.decode() for name in names if name != DEBTS_LANE.encode())
