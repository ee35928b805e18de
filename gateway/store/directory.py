"""Who may call: the keys of all agents, in this process's memory, kept as fresh as the store's.

`identify` never waits: it hashes the presented key and looks the hash up in a dict. What a caller
can learn from its timing is at most something about the SHA-256 of what it sent, which says
nothing about any other key; no secret is ever compared byte by byte.

How it stays fresh. At the start everything is loaded. Then one task follows the channel on which
changes are announced and re-reads the key named; whenever it has (re)subscribed it loads
everything, since announcements may have been missed. A second task loads everything at intervals,
as a safety net. Reads are applied one at a time, so that an older one never covers a newer one.

Failure policy:
    * The store is lost at run time: the last known keys go on working, revocations wait until it
      is back; said once in the log, and once more when it is back.
    * The store is lost at the start: entering the context raises what redis-py raises.
    * The channel falls silent although the connection is open (a half-open connection, a paused
      server): a ping that is not answered in time makes a new connection.
    * A stored record that cannot be read is skipped and logged; it opens nothing.
"""

import asyncio
import logging
from collections.abc import Mapping, Set
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from gateway.domain.keys import KeyRecord
from gateway.domain.topology import Agent, Topology
from gateway.ports import Clock, Identity

from .background import pause, running
from .connection import FAILURES, Client
from .following import SILENCE_S, follow
from .keys import CHANGED, KeyStore, digest_of

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refreshing:
    """How often the directory checks that it is up to date, in seconds.

    Attributes:
        resync_s: Load everything this often, whatever was announced.
        silence_s: Ping the channel after so long without a message; as long again without an
            answer makes a new connection.
    """

    resync_s: float = 30.0
    silence_s: float = SILENCE_S


class CachedDirectory:
    """Implements `gateway.ports.Directory`; use as an async context manager.

    Args:
        client: An open client; stays the caller's.
        topology: The configured snapshot; agents who only have keys are added to it.
        configured_keys: Agent name to secret, from the configuration file; never stored.
        clock: For the expiry of keys.
        refreshing: Intervals.
    """

    def __init__(
        self,
        client: Client,
        topology: Topology,
        configured_keys: Mapping[str, str],
        clock: Clock,
        refreshing: Refreshing = Refreshing(),
    ) -> None:
        self._client = client
        self._keys = KeyStore(client, clock)
        self._clock = clock
        self._refreshing = refreshing
        self._configured = topology
        self._topology = topology
        self._fixed = _identities(configured_keys)
        self._barred: Set[str] = frozenset()
        self._records: dict[str, KeyRecord] = {}
        self._by_digest: dict[bytes, tuple[Identity, KeyRecord]] = {}
        self._used_s: dict[str, float] = {}
        self._reading = asyncio.Lock()
        self._lost = False
        self._stack = AsyncExitStack()

    @property
    def topology(self) -> Topology:
        """The snapshot in force; swapped whole when an agent appears or goes."""
        return self._topology

    def identify(self, secret: str) -> Identity | None:
        """The owner of a gateway key that works now, or `None`."""
        digest = digest_of(secret)
        fixed = self._fixed.get(digest)
        if fixed is not None:
            return fixed
        found = self._by_digest.get(digest)
        if found is None:
            return None
        identity, record = found
        now_s = self._clock.wall()
        if not record.works_at(now_s):
            return None
        self._used_s[record.public_id] = now_s
        return identity

    def configure(
        self, topology: Topology, configured_keys: Mapping[str, str], barred: Set[str]
    ) -> None:
        """Put another configuration in force, at once.

        Args:
            topology: The configured snapshot.
            configured_keys: Agent name to secret.
            barred: Agents that were deleted: their keys open nothing.
        """
        self._configured, self._barred = topology, barred
        self._fixed = _identities(configured_keys)
        self._adopt(self._records)

    async def __aenter__(self) -> Self:
        """Load everything, then keep it fresh until the context ends."""
        await self.reload()
        async with AsyncExitStack() as stack:
            following = follow(
                self._client, CHANGED, self._heed, self._report_lost, self._refreshing.silence_s
            )
            await stack.enter_async_context(
                running("directory", following, self._resync_for_ever())
            )
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop following; what was loaded stays usable."""
        await self._stack.aclose()

    async def reload(self) -> None:
        """Load all keys now, and store when keys were last used.

        Raises:
            RedisError: The store cannot be read; what was known is kept.
        """
        async with self._reading:
            used_s, self._used_s = self._used_s, {}
            try:
                await self._keys.note_used(used_s)
                records = await self._keys.load()
            except BaseException:
                self._used_s = used_s | self._used_s
                raise
            self._adopt(records)

    async def _refresh(self, public_id: str) -> None:
        """Read one key again."""
        async with self._reading:
            record = await self._keys.get(public_id)
            if record is not None:
                self._adopt({**self._records, public_id: record})

    def _adopt(self, records: dict[str, KeyRecord]) -> None:
        """Swap in what was read."""
        self._records = records
        self._by_digest = {
            record.digest: (Identity(record.agent, record.public_id), record)
            for record in records.values()
            if record.revoked_s is None and record.agent not in self._barred
        }
        agents = {
            record.agent: Agent(record.agent)
            for record in records.values()
            if record.works_at(self._clock.wall()) and record.agent not in self._barred
        } | dict(self._configured.agents)
        topology = replace(self._configured, agents=agents)
        if topology != self._topology:
            self._topology = topology

    async def _heed(self, public_id: bytes | None) -> None:
        if public_id is None:
            await self.reload()
            self._report_back()
        else:
            await self._refresh(public_id.decode("utf-8", "replace"))

    async def _resync_for_ever(self) -> None:
        while True:
            await pause(self._refreshing.resync_s)
            try:
                await self.reload()
            except FAILURES as error:
                self._report_lost(error)

    def _report_lost(self, error: Exception) -> None:
        if not self._lost:
            self._lost = True
            _log.warning("the store cannot be reached; going on with the keys known: %s", error)

    def _report_back(self) -> None:
        if self._lost:
            self._lost = False
            _log.warning("the store is back; keys are up to date")


def _identities(configured_keys: Mapping[str, str]) -> dict[bytes, Identity]:
    return {
        digest_of(secret): Identity(agent, f"config-{agent}")
        for agent, secret in configured_keys.items()
    }
