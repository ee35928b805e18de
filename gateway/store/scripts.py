"""Lua scripts: joined from their parts, called by digest, loaded again when the server lost them."""

import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import TypeAlias

from redis.exceptions import NoScriptError

from .connection import Client

Argument: TypeAlias = str | bytes | int | float

ADMISSION_PARTS = (
    "state",
    "ramp",
    "lane",
    "budget",
    "queue",
    "predict",
    "pump",
    "inspect",
    "operations",
)
"""In the order in which they must be joined: Lua knows only what stands above."""


class Script:
    """One script.

    Args:
        source: Its text.
    """

    __slots__ = ("digest", "source")

    def __init__(self, source: str) -> None:
        self.source = source
        self.digest = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()

    async def call(
        self, client: Client, keys: Sequence[str], arguments: Sequence[Argument]
    ) -> object:
        """Run it; the source travels only when the server does not have it.

        Raises:
            RedisError: The server could not be reached, or the script failed. It may have run.
        """
        try:
            reply: object = await client.evalsha(self.digest, len(keys), *keys, *arguments)
        except NoScriptError:
            reply = await client.eval(self.source, len(keys), *keys, *arguments)
        return reply


def admission_script() -> Script:
    """The admission engine."""
    folder = files(__package__) / "lua" / "admission"
    return Script("\n".join((folder / f"{part}.lua").read_text() for part in ADMISSION_PARTS))
