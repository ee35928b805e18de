"""Tokens of the admin API: made once, shown once, kept as a hash.

A token reads `gwa-ID-SECRET`; the secret part is 256 random bits, so that its SHA-256 gives nothing
away (`keys` says why). All are in one hash, `gw:{main}:admin-tokens`, from id to JSON. The admin
API is asked seldom, so nothing is cached: what was deleted opens nothing from the same moment on.

Failure policy: the store does not answer: `StoreSilent`, and only the configured token opens. A
record that makes no sense is skipped and logged; it opens nothing.
"""

import hmac
import logging
import secrets
from base64 import b32encode
from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.domain.access import AdminToken, NewToken, Role
from gateway.ports import Clock

from .connection import ROOT, Client
from .keys import digest_of
from .silence import silence_told

_log = logging.getLogger(__name__)

TOKENS = f"{ROOT}:admin-tokens"
PREFIX = "gwa-"
_ID_BYTES = 5
_SECRET_BYTES = 32
_PARTS = 3


class StoredTokens:
    """Implements `gateway.ports.Tokens`.

    Args:
        client: An open client; stays the caller's.
        clock: For stamps and expiry.
    """

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    async def find(self, secret: str) -> AdminToken | None:
        """The token that a secret opens with now."""
        parts = secret.split("-")
        if not secret.startswith(PREFIX) or len(parts) != _PARTS:
            return None
        with silence_told():
            raw: Any = await self._client.hget(TOKENS, parts[1])
        token = None if raw is None else _read(parts[1], raw)
        if token is None or not token.works_at(self._clock.wall()):
            return None
        return token if hmac.compare_digest(token.digest, digest_of(secret)) else None

    async def create(self, name: str, role: Role, *, expires_s: float | None) -> NewToken:
        """Make one."""
        while True:
            token_id = _random_text(_ID_BYTES)
            secret = f"{PREFIX}{token_id}-{_random_text(_SECRET_BYTES)}"
            token = AdminToken(
                token_id, name, role, digest_of(secret), self._clock.wall(), expires_s
            )
            with silence_told():
                if await self._client.hsetnx(TOKENS, token_id, msgspec.json.encode(token).decode()):
                    return NewToken(token, secret)

    async def all(self) -> Sequence[AdminToken]:
        """All there are, oldest first."""
        with silence_told():
            raw: Any = await self._client.hgetall(TOKENS)
        tokens = (_read(token_id.decode(), one) for token_id, one in raw.items())
        return sorted(
            (one for one in tokens if one is not None),
            key=lambda one: (one.created_s, one.token_id),
        )

    async def delete(self, token_id: str) -> AdminToken | None:
        """End one for good."""
        with silence_told():
            raw: Any = await self._client.hget(TOKENS, token_id)
            gone = await self._client.hdel(TOKENS, token_id)
        return _read(token_id, raw) if raw is not None and gone else None


def _read(token_id: str, raw: bytes) -> AdminToken | None:
    try:
        return msgspec.json.decode(raw, type=AdminToken)
    except ValueError as error:
        _log.warning("admin token %s is stored in a form not understood: %s", token_id, error)
        return None


def _random_text(of_bytes: int) -> str:
    return b32encode(secrets.token_bytes(of_bytes)).decode("ascii").lower().rstrip("=")
