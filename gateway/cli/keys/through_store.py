"""Keys in the store, for whoever is at the machine where the gateway runs: no gateway is needed.

What is done so stands in the audit, too, by the name of the user: `cli:USER`.

Failure policy: a store that cannot be used is `Failure` 4, an unknown key or one that makes no sense
`Failure` 1. A change that was made but could not be noted in the audit is `Failure` 4 and says so.
"""

import asyncio
import os
import pwd
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from redis.exceptions import RedisError

from gateway.cli.failing import ExitCode, Failure
from gateway.cli.store_access import open_store
from gateway.config import Settings
from gateway.domain.access import AuditEntry, Role
from gateway.domain.keys import KeyRecord, NewKey
from gateway.ports import StoreSilent
from gateway.store.audit import StoredAudit
from gateway.store.connection import Client
from gateway.store.keys import KeyStore, UnknownKey
from gateway.wiring.clock import SystemClock

from .desk import Key, MadeKey, Plain, time_of

T = TypeVar("T")
_CLOCK = SystemClock()
_ELSEWHERE = "Where it cannot be reached, ask the gateway: --url URL, with GATEWAY_ADMIN_TOKEN set."


@dataclass(frozen=True)
class StoreDesk:
    """Implements `Desk`."""

    settings: Settings

    def create(self, agent: str, expires_in_s: float | None) -> MadeKey:
        """Make a key."""

        async def make(keys: KeyStore, client: Client) -> NewKey:
            new = await keys.create(agent, expires_in_s=expires_in_s)
            await _note(client, "create", None, new.record)
            return new

        return _made(self._with(make))

    def all(self) -> list[Key]:
        """All keys ever made, oldest first."""

        async def read(keys: KeyStore, client: Client) -> list[KeyRecord]:
            del client
            return list(await keys.all())

        return [_shown(one) for one in self._with(read)]

    def find(self, key_id: str) -> Key:
        """One key that must be there."""

        async def read(keys: KeyStore, client: Client) -> KeyRecord | None:
            del client
            return await keys.get(key_id)

        record = self._with(read)
        if record is None:
            raise Failure(f"no key has the public id {key_id!r}. See: gateway keys list")
        return _shown(record)

    def given(self) -> str:
        """Which agents have a key in the file."""
        named = ", ".join(self.settings.agent_keys)
        return f"Keys of {named} are in {self.settings.file}." if named else ""

    def without_budget(self, agent: str) -> str:
        """That an agent is not configured."""
        known = self.settings.topology.agents
        if not known or agent in known:
            return ""
        return (
            f"Note: {self.settings.file} names no agent {agent}, so it has no budget. "
            f"It names: {', '.join(known)}."
        )

    def revoke(self, key_id: str) -> Key:
        """End a key for good."""
        return self._changed("revoke", key_id, lambda keys: keys.revoke(key_id))

    def expire(self, key_id: str, in_s: float | None) -> Key:
        """Let a key end after a time, or never."""
        return self._changed("expire", key_id, lambda keys: keys.expire(key_id, in_s=in_s))

    def rotate(self, key_id: str, overlap_s: float, expires_in_s: float | None) -> MadeKey:
        """Make another key for the same agent."""

        async def replace(keys: KeyStore, client: Client) -> NewKey:
            before = await keys.get(key_id)
            new = await keys.rotate(key_id, overlap_s=overlap_s, expires_in_s=expires_in_s)
            await _note(client, "rotate", before, await keys.get(key_id))
            await _note(client, "create", None, new.record)
            return new

        return _made(self._with(replace))

    def _changed(
        self, verb: str, key_id: str, do: Callable[[KeyStore], Awaitable[KeyRecord]]
    ) -> Key:
        async def change(keys: KeyStore, client: Client) -> KeyRecord:
            before = await keys.get(key_id)
            after = await do(keys)
            await _note(client, verb, before, after)
            return after

        return _shown(self._with(change))

    def _with(self, do: Callable[[KeyStore, Client], Awaitable[T]]) -> T:
        async def work() -> T:
            async with open_store(self.settings) as client:
                return await do(KeyStore(client, _CLOCK), client)

        try:
            return asyncio.run(work())
        except Failure as failure:
            if failure.code is not ExitCode.UNREACHABLE:
                raise
            raise Failure(f"{failure} {_ELSEWHERE}", failure.code) from None
        except UnknownKey as error:
            raise Failure(f"{error.args[0]}. See: gateway keys list") from None
        except ValueError as error:
            raise Failure(f"{error}.") from None
        except RedisError as error:
            raise Failure(f"the store failed: {error}. Try again.", ExitCode.UNREACHABLE) from None


async def _note(
    client: Client, verb: str, before: KeyRecord | None, after: KeyRecord | None
) -> None:
    """Let the audit know."""
    one = after or before
    if one is None:
        return
    entry = AuditEntry(
        at_s=_CLOCK.wall(),
        actor=f"cli:{_user()}",
        role=Role.ADMIN,
        address="",
        action=f"keys.{verb}",
        subject=f"keys/{one.public_id}",
        before=_plain(before),
        after=_plain(after),
        request_id=f"cli_{secrets.token_hex(8)}",
    )
    try:
        await StoredAudit(client, _CLOCK).record(entry)
    except StoreSilent as error:
        raise Failure(
            f"done, but it does not stand in the audit: {error}.", ExitCode.UNREACHABLE
        ) from None


def _user() -> str:
    number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _made(new: NewKey) -> MadeKey:
    return MadeKey(_shown(new.record), new.secret)


def _shown(record: KeyRecord) -> Key:
    state = "active" if record.works_at(_CLOCK.wall()) else "expired"
    return Key(
        id=record.public_id,
        agent=record.agent,
        state="revoked" if record.revoked_s is not None else state,
        created=time_of(record.created_s),
        expires=time_of(record.expires_s),
        revoked=time_of(record.revoked_s),
        last_used=time_of(record.last_used_s),
    )


def _plain(record: KeyRecord | None) -> Any:
    """As the admin API notes it."""
    if record is None:
        return None
    shown = _shown(record)
    noted: Plain = {"id": shown.id, "agent": shown.agent, "origin": "runtime"}
    return noted | {
        "created_at": shown.created,
        "expires_at": shown.expires,
        "revoked_at": shown.revoked,
    }
