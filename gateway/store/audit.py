"""The audit: an append-only stream, `gw:{main}:audit`, with one JSON document an entry.

Nothing here changes or removes an entry. Only a configured retention trims the stream, from its
old end, by the time that each entry's id carries; the store's persistence keeps it over restarts.

Failure policy: the store does not answer: `StoreSilent`. An entry that cannot be read (another
version of the gateway wrote it) is left out and logged.
"""

import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import msgspec

from gateway.domain.access import AuditEntry, AuditQuery
from gateway.ports import Clock

from .connection import ROOT, Client
from .silence import silence_told

_log = logging.getLogger(__name__)

STREAM = f"{ROOT}:audit"
FIELD = "entry"
_CHUNK = 500


class _Stored(msgspec.Struct, frozen=True):
    """An entry as JSON has it."""

    at_s: float
    actor: str
    role: str
    address: str
    action: str
    subject: str
    before: Any
    after: Any
    request_id: str


def encoded(entry: AuditEntry) -> bytes:
    """An entry as the stream holds it."""
    return msgspec.json.encode(replace(entry, entry_id=""))


class StoredAudit:
    """Implements `gateway.ports.Audit`.

    Args:
        client: An open client; stays the caller's.
        clock: For the retention.
        keep_s: How long entries are kept; `None`: for good.
    """

    def __init__(self, client: Client, clock: Clock, keep_s: float | None = None) -> None:
        self._client = client
        self._clock = clock
        self._keep_s = keep_s

    async def record(self, entry: AuditEntry) -> str:
        """Append an entry; gives its id."""
        with silence_told():
            entry_id: Any = await self._client.xadd(STREAM, {FIELD: encoded(entry)})
            await self.trim()
        return str(entry_id.decode())

    async def trim(self) -> None:
        """Let go of what is older than the retention, if there is one."""
        if self._keep_s is not None:
            oldest_ms = int((self._clock.wall() - self._keep_s) * 1000)
            with silence_told():
                await self._client.xtrim(STREAM, minid=str(max(0, oldest_ms)), approximate=False)

    async def entries(
        self, query: AuditQuery, *, limit: int, before: str = ""
    ) -> Sequence[AuditEntry]:
        """The newest entries that are wanted, newest first."""
        end = f"({before}" if before else _id_before(query.until_s, "+")
        found: list[AuditEntry] = []
        while len(found) < limit:
            with silence_told():
                rows: Any = await self._client.xrevrange(
                    STREAM, end, _id_from(query.since_s), count=_CHUNK
                )
            found += [
                one
                for one in _read(rows)
                if query.wants(one) and (query.until_s is None or one.at_s < query.until_s)
            ]
            if len(rows) < _CHUNK:
                break
            end = f"({rows[-1][0].decode()}"
        return found[:limit]

    async def export(self, query: AuditQuery) -> AsyncIterator[AuditEntry]:
        """All entries that are wanted, oldest first."""
        start = _id_from(query.since_s)
        while True:
            with silence_told():
                rows: Any = await self._client.xrange(
                    STREAM, start, _id_before(query.until_s, "+"), count=_CHUNK
                )
            for one in _read(rows):
                if query.wants(one):
                    yield one
            if len(rows) < _CHUNK:
                return
            start = f"({rows[-1][0].decode()}"


def _id_from(since_s: float | None) -> str:
    return "-" if since_s is None else str(max(0, int(since_s * 1000)))


def _id_before(until_s: float | None, otherwise: str) -> str:
    return otherwise if until_s is None else f"({max(0, int(until_s * 1000))}"


def _read(rows: Any) -> list[AuditEntry]:
    found: list[AuditEntry] = []
    for raw_id, fields in rows:
        entry_id = raw_id.decode()
        try:
            stored = msgspec.json.decode(fields[FIELD.encode()], type=_Stored)
        except (KeyError, ValueError) as error:  # msgspec's errors are ValueErrors
            _log.warning("audit entry %s is not understood: %s", entry_id, error)
            continue
        found.append(AuditEntry(**msgspec.structs.asdict(stored), entry_id=entry_id))
    return found
