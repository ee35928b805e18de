"""`Idempotency-Key`: a creation that is repeated is done once and answered the same each time.

An argument `once: Once` in the route, and

    return await once.answered(body, make)

The answer is kept for a day. It may hold a secret that is kept nowhere else, so it is sealed with
what only the caller has: the bearer token and the key itself. Hence a key has at least 16
characters; use a random one (a UUID). The draft behind it: IETF httpapi, idempotency-key-header.

Failure policy: the same key with another body or at another path is 422; a request that comes
while the first is being served is 409; a first request that failed leaves nothing behind.
"""

import hashlib
import hmac
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeAlias

from fastapi import Depends, Header, HTTPException, Request
from starlette.responses import JSONResponse, Response

from gateway.ports import Replays, StillRunning

from .parts import AdminParts, parts_of

_NONCE_BYTES = 16
_SEAL_BYTES = 32
_KEPT_HEADERS = ("location", "etag")
IdempotencyKey: TypeAlias = Annotated[
    str,
    Header(
        description="A random text, such as a UUID. Whoever repeats a request with the same key "
        "and body within a day gets the first answer again, and nothing is done twice.",
        min_length=16,
        max_length=200,
        pattern=r"^[\x21-\x7e]+$",
    ),
]


@dataclass(frozen=True, slots=True)
class Repeatable:
    """One request that creates something.

    Attributes:
        key: The header; empty: none was sent.
        token: The caller's secret.
        place: Method, path and query.
        owner: The caller's token's id.
    """

    replays: Replays
    key: str
    token: str
    place: str
    owner: str

    async def answered(self, body: Any, make: Callable[[], Awaitable[JSONResponse]]) -> Response:
        """The answer of `make`, or the one that it gave to the same request before.

        Raises:
            HTTPException: 409 or 422, as the module says.
            StoreSilent: The store does not answer.
        """
        if not self.key:
            return await make()
        name = hashlib.sha256(f"{self.owner}\0{self.key}".encode()).hexdigest()
        try:
            kept = await self.replays.begin(name)
        except StillRunning:
            raise HTTPException(
                409, "A request with this Idempotency-Key is being served.", {"retry-after": "1"}
            ) from None
        if kept is not None:
            return self._again(kept, body)
        try:
            response = await make()
            await self.replays.finish(name, self._kept(response, body))
        except BaseException:
            await self.replays.abandon(name)
            raise
        return response

    def _kept(self, response: Response, body: Any) -> bytes:
        headers = {
            name: response.headers[name] for name in _KEPT_HEADERS if name in response.headers
        }
        text = bytes(response.body).decode()
        plain = json.dumps([self._fingerprint(body), response.status_code, headers, text]).encode()
        nonce = secrets.token_bytes(_NONCE_BYTES)
        sealed = _xor(plain, self._stream(nonce, len(plain)))
        return nonce + self._seal(nonce + sealed) + sealed

    def _again(self, kept: bytes, body: Any) -> Response:
        nonce, rest = kept[:_NONCE_BYTES], kept[_NONCE_BYTES:]
        seal, sealed = rest[:_SEAL_BYTES], rest[_SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(nonce + sealed)):
            raise HTTPException(409, "The token was replaced meanwhile; use another key.")
        plain = _xor(sealed, self._stream(nonce, len(sealed)))
        fingerprint, status, headers, text = json.loads(plain)
        if fingerprint != self._fingerprint(body):
            raise HTTPException(422, "This Idempotency-Key was used for another request.")
        return Response(text, status, headers, media_type="application/json")

    def _fingerprint(self, body: Any) -> str:
        text = json.dumps([self.place, body], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _secret(self, use: str) -> bytes:
        return f"agent-gateway replay {use}\0{self.token}\0{self.key}".encode()

    def _stream(self, nonce: bytes, length: int) -> bytes:
        """Key stream: SHAKE256 is a pseudo-random function of its secret, and the nonce is new."""
        return hashlib.shake_256(self._secret("stream") + b"\0" + nonce).digest(length)

    def _seal(self, what: bytes) -> bytes:
        return hmac.digest(self._secret("seal"), what, "sha256")


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _repeatable(
    request: Request,
    parts: Annotated[AdminParts, Depends(parts_of)],
    idempotency_key: IdempotencyKey = "",
) -> Repeatable:
    place = f"{request.method} {request.url.path}?{request.url.query}"
    token = request.headers.get("authorization", "")
    owner = request.state.actor.token_id
    return Repeatable(parts.replays, idempotency_key, token, place, owner)


Once: TypeAlias = Annotated[Repeatable, Depends(_repeatable)]
