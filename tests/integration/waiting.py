"""Waiting for what is real, with a bound."""

import asyncio
from collections.abc import Callable

import pytest

_POLL_S = 0.005
_LIMIT_S = 10.0


async def until(done: Callable[[], bool], what: str, limit_s: float = _LIMIT_S) -> None:
    """Poll until `done` holds; fail with `what` after the limit."""
    deadline = asyncio.get_running_loop().time() + limit_s
    while not done():
        if asyncio.get_running_loop().time() > deadline:
            pytest.fail(f"waited {limit_s:g} s in vain for {what}")
        await asyncio.sleep(_POLL_S)
