"""Gateway keys: made once, shown once, kept as a hash.

A key reads `gw-PUBLIC-SECRET`. The public part names it in lists, logs and leak reports; the
secret part is 160 random bits. Only the SHA-256 of the whole key is stored. A slow, salted hash
(argon2, bcrypt) protects secrets that people choose, by making each guess expensive; 160 random
bits cannot be guessed at any speed, so a fast hash gives nothing away, and every call of every
agent needs one. Equal secrets, which salts would hide, do not occur.

Stored under `gw:{main}:keys`, in hashes from public id to value, of which the first is never
changed, so no edit can undo another:

    gw:{main}:keys          msgpack of agent, digest, time of creation, first expiry
    gw:{main}:keys:expires  seconds since the epoch; `never` undoes the first expiry
    gw:{main}:keys:revoked  seconds since the epoch
    gw:{main}:keys:used     seconds since the epoch, late by up to a resynchronisation

Every change is announced on the channel `gw:{main}:keys:changed` with the public id, after it was
stored.

Failure policy: redis-py's errors reach the caller; a change that raised may have been made,
and making it again is harmless. A record that makes no sense is skipped and logged; it opens nothing.
"""

import hashlib
import logging
import re
import secrets
from base64 import b32encode
from collections.abc import Mapping
from dataclasses import replace

import msgspec

from gateway.domain.keys import KeyRecord, NewKey
from gateway.ports import Clock

from .connection import ROOT, Client

_log = logging.getLogger(__name__)

KEYS = f"{ROOT}:keys"
CHANGED = f"{KEYS}:changed"
_EXPIRES = f"{KEYS}:expires"
_REVOKED = f"{KEYS}:revoked"
_USED = f"{KEYS}:used"
_HASHES = (KEYS, _EXPIRES, _REVOKED, _USED)
_NEVER = "never"

MINIMUM_SECRET_CHARS = 16
"""Of secrets that come from the configuration file."""

_PUBLIC_BYTES = 5
_SECRET_BYTES = 20
_AGENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class UnknownKey(LookupError):  # noqa: N818 - says what is the case
    """No key has this public id."""


class _Stored(msgspec.Struct, frozen=True, array_like=True):
    """The part of a record that never changes."""

    agent: str
    digest: bytes
    created_s: float
    expires_s: float | None


def digest_of(secret: str) -> bytes:
    """SHA-256 of a whole key: what is stored and looked up."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class KeyStore:
    """Keys in the store, for the command line and the admin API.

    Args:
        client: An open client; stays the caller's.
        clock: For stamps.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def create(self, agent: str, *, expires_in_s: float | None = None) -> NewKey:
        """Make a key for an agent, which need not be in the configuration.

        Raises:
            ValueError: The name is not one an agent may have.
        """
        if not _AGENT_NAME.fullmatch(agent):
            raise ValueError(
                f"{agent!r} cannot be an agent's name: letters, digits, '.', '_' and '-', at most "
                "64, starting with a letter or digit"
            )
        now_s = self._clock.wall()
        expires_s = None if expires_in_s is None else now_s + expires_in_s
        while True:
            public_id = _random_text(_PUBLIC_BYTES)
            secret = f"gw-{public_id}-{_random_text(_SECRET_BYTES)}"
            stored = _Stored(agent, digest_of(secret), now_s, expires_s)
            if await self._client.hsetnx(KEYS, public_id, msgspec.msgpack.encode(stored)):
                break
        await self._announce(public_id)
        record = KeyRecord(public_id, agent, stored.digest, now_s, expires_s)
        return NewKey(record, secret)

    async def all(self) -> list[KeyRecord]:
        """Every key ever made, oldest first, those that no longer work included."""
        return sorted((await self.load()).values(), key=lambda key: (key.created_s, key.public_id))

    async def load(self) -> dict[str, KeyRecord]:
        """Every key ever made, by public id."""
        keys, expires, revoked, used = [
            {_text(field): value for field, value in (await self._client.hgetall(name)).items()}
            for name in _HASHES
        ]
        records = (
            _record(key, raw, expires.get(key), revoked.get(key), used.get(key))
            for key, raw in keys.items()
        )
        return {record.public_id: record for record in records if record is not None}

    async def get(self, public_id: str) -> KeyRecord | None:
        """One key, or `None` if there never was one of this id."""
        raw, expires, revoked, used = [await self._client.hget(name, public_id) for name in _HASHES]
        return None if raw is None else _record(public_id, raw, expires, revoked, used)

    async def revoke(self, public_id: str) -> KeyRecord:
        """End a key for good, at once. Revoking twice keeps the first time.

        Raises:
            UnknownKey: There is no such key.
        """
        record = await self._existing(public_id)
        now_s = self._clock.wall()
        await self._client.hsetnx(_REVOKED, public_id, repr(now_s))
        await self._announce(public_id)
        return record if record.revoked_s is not None else replace(record, revoked_s=now_s)

    async def expire(self, public_id: str, *, in_s: float | None) -> KeyRecord:
        """Let a key end after a time; `None` lets it live until it is revoked.

        Raises:
            UnknownKey: There is no such key.
        """
        record = await self._existing(public_id)
        expires_s = None if in_s is None else self._clock.wall() + in_s
        await self._client.hset(
            _EXPIRES, public_id, _NEVER if expires_s is None else repr(expires_s)
        )
        await self._announce(public_id)
        return replace(record, expires_s=expires_s)

    async def rotate(
        self, public_id: str, *, overlap_s: float, expires_in_s: float | None = None
    ) -> NewKey:
        """Make a new key for the same agent; the old one works on for the overlap at most.

        Raises:
            UnknownKey: There is no such key.
            ValueError: The old key no longer works, so there is nothing to rotate.
        """
        old = await self._existing(public_id)
        now_s = self._clock.wall()
        if not old.works_at(now_s):
            raise ValueError(f"key {public_id} no longer works; create a new one for {old.agent}")
        new = await self.create(old.agent, expires_in_s=expires_in_s)
        if old.expires_s is None or old.expires_s > now_s + overlap_s:
            await self.expire(public_id, in_s=overlap_s)
        return new

    async def note_used(self, seen_s: Mapping[str, float]) -> None:
        """Remember when keys were last seen: public id to seconds since the epoch."""
        if seen_s:
            await self._client.hset(_USED, mapping={key: repr(at) for key, at in seen_s.items()})

    async def _existing(self, public_id: str) -> KeyRecord:
        record = await self.get(public_id)
        if record is None:
            raise UnknownKey(f"no key has the public id {public_id!r}")
        return record

    async def _announce(self, public_id: str) -> None:
        await self._client.publish(CHANGED, public_id)


def _random_text(of_bytes: int) -> str:
    """Lower-case base32 of random bytes: no dashes, nothing to mistake when read aloud."""
    return b32encode(secrets.token_bytes(of_bytes)).decode("ascii").lower().rstrip("=")


def _record(
    public_id: str,
    raw: bytes | str,
    expires: bytes | str | None,
    revoked: bytes | str | None,
    used: bytes | str | None,
) -> KeyRecord | None:
    """One record from the four values stored of it; `None` and a warning if they make no sense."""
    try:
        stored = msgspec.msgpack.decode(raw.encode() if isinstance(raw, str) else raw, type=_Stored)
        return KeyRecord(
            public_id=public_id,
            agent=stored.agent,
            digest=stored.digest,
            created_s=stored.created_s,
            expires_s=stored.expires_s if expires is None else _time(expires),
            revoked_s=_time(revoked),
            last_used_s=_time(used),
        )
    except ValueError as error:  # msgspec's errors are ValueErrors too
        _log.warning("key %s is stored in a form that is not understood: %s", public_id, error)
        return None


def _time(reply: bytes | str | None) -> float | None:
    return None if reply is None or _text(reply) == _NEVER else float(reply)


def _text(reply: bytes | str) -> str:
    return reply.decode() if isinstance(reply, bytes) else reply
