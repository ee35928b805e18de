"""Who is calling, and where to: the gateway key from wherever an SDK puts it, and the codec.

The key may come as `x-gateway-key`, `x-api-key`, `Authorization: Bearer`, `x-goog-api-key` or
`?key=`. Claude Code's key helper sends one value in two headers (provider-facts A9), so the first
that names an agent counts.

A gateway key is taken out of the request wherever it stood. Most providers' own credential replaces
the caller's anyway; but a provider set to `passthrough` is sent what the caller brought, and a query
goes on as it came.
"""

from collections.abc import Iterator
from urllib.parse import unquote_to_bytes

from gateway.domain.outcome import Reason
from gateway.ports import Directory, Identity

from .asgi import Arrival
from .headers import CREDENTIALS, GATEWAY_KEY
from .refused import refused

_BEARER = b"bearer "
MAX_KEY_BYTES = 512


def presented_keys(request: Arrival) -> Iterator[bytes]:
    """Every credential that the request carries, most specific first.

    Blanks after a value are no part of it (RFC 9110, 5.5), but the parser leaves them.
    """
    fields = request.fields
    if (value := fields.get(GATEWAY_KEY)) is not None:
        yield value.strip()
    if (value := fields.get(b"x-api-key")) is not None:
        yield value.strip()
    if (value := fields.get(b"authorization")) is not None and value[:7].lower() == _BEARER:
        yield value[7:].strip()
    if (value := fields.get(b"x-goog-api-key")) is not None:
        yield value.strip()
    if (value := query_key(request.query)) is not None:
        yield value


def query_key(query: bytes) -> bytes | None:
    """The value of `key` in a query string, decoded."""
    if b"key=" not in query:
        return None
    for part in query.split(b"&"):
        if part.startswith(b"key="):
            return unquote_to_bytes(part[4:].replace(b"+", b" "))
    return None


def without_query_key(query: bytes) -> bytes:
    """The query without `key`; all other bytes as they came."""
    if b"key=" not in query:
        return query
    return b"&".join(part for part in query.split(b"&") if not part.startswith(b"key="))


def identify(request: Arrival, directory: Directory) -> Identity:
    """The agent behind the request, out of which its gateway keys are taken.

    Raises:
        Refused: `unauthorized`.
    """
    seen = False
    for key in presented_keys(request):
        if not key or len(key) > MAX_KEY_BYTES:
            continue
        seen = True
        identity = directory.identify(key.decode("utf-8", "replace"))
        if identity is not None:
            _take_out(request, key, directory)
            return identity
    raise refused(
        Reason.UNAUTHORIZED,
        "This gateway key is not known, was revoked or has expired."
        if seen
        else "A gateway key is needed where the SDK puts its API key (x-api-key, "
        "Authorization: Bearer, x-goog-api-key) or in x-gateway-key. "
        "Make one with: gateway keys create NAME",
    )


def _take_out(request: Arrival, key: bytes, directory: Directory) -> None:
    """Leave no gateway key in what may be forwarded."""
    request.headers = [
        field
        for field in request.headers
        if field[0] not in CREDENTIALS or not _opens(_bare(field[1]), key, directory)
    ]
    if b"key=" in request.query:
        request.query = b"&".join(
            part
            for part in request.query.split(b"&")
            if not (part.startswith(b"key=") and _opens(query_key(part), key, directory))
        )


def _bare(value: bytes) -> bytes:
    return (value[7:] if value[:7].lower() == _BEARER else value).strip()


def _opens(value: bytes | None, key: bytes, directory: Directory) -> bool:
    """Whether a value is the gateway key that counted, or another one."""
    if value is None or value == key:
        return value == key
    return directory.identify(value.decode("utf-8", "replace")) is not None
