"""Which header fields cross the gateway, in both directions.

Everything crosses, except what belongs to one connection (RFC 9110, 7.6.1), what is the
gateway's own (`x-gateway-*`), and credentials: the agent's key never reaches a provider and the
provider's never leaves the gateway. Header names are open lists on purpose: betas and new
fields of the providers work on the day they appear (provider-facts A10).
"""

from dataclasses import replace

from gateway.domain.call import Dialect
from gateway.domain.topology import Provider
from gateway.ports import Headers, UpstreamRequest

HOP_BY_HOP = frozenset(
    {
        b"connection",
        b"keep-alive",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    }
)
CREDENTIALS = frozenset({b"authorization", b"x-api-key", b"x-goog-api-key"})
GATEWAY_KEY = b"x-gateway-key"
OWN_PREFIX = b"x-gateway-"
_NOT_FORWARDED = HOP_BY_HOP | {b"host", b"content-length", b"expect"}
_NOT_FORWARDED_OR_CREDENTIAL = _NOT_FORWARDED | CREDENTIALS
_METERABLE = (b"gzip", b"x-gzip", b"deflate", b"identity")


def upstream_headers(
    headers: Headers, provider: Provider, *, metered: bool, plain: bool = False
) -> Headers:
    """The client's fields as they go to the provider, with the provider's credential.

    Args:
        headers: As the client sent them, names in lower case.
        provider: Whose credential replaces the caller's.
        metered: The answer must be readable: content encodings that cannot be decoded here are
            taken out of `accept-encoding`.
        plain: The body was changed and is not compressed any more, and the answer may be changed
            too: no content encoding either way.
    """
    dropped = _NOT_FORWARDED if provider.passthrough else _NOT_FORWARDED_OR_CREDENTIAL
    connection = _connection_options(headers)
    out: Headers = []
    for field in headers:
        name = field[0]
        if name in dropped or name in connection or name.startswith(OWN_PREFIX):
            continue
        if name == b"accept-encoding" and metered:
            kept = None if plain else _readable(field[1])
            if kept is not None:
                out.append((name, kept))
            continue
        if name == b"content-encoding" and plain:
            continue
        out.append(field)
    if provider.api_key is not None and not provider.passthrough:
        out.append(credential(provider.dialect, provider.api_key))
    if plain:
        out.append((b"accept-encoding", b"identity"))
    return out


def in_plain(request: UpstreamRequest) -> UpstreamRequest:
    """The request, for an answer without content encoding: its head is out without one."""
    kept = [field for field in request.headers if field[0] != b"accept-encoding"]
    return replace(request, headers=[*kept, (b"accept-encoding", b"identity")])


def in_trace(request: UpstreamRequest, traceparent: bytes) -> UpstreamRequest:
    """The request, as a part of our trace instead of the caller's span (W3C Trace Context)."""
    kept = [field for field in request.headers if field[0] != b"traceparent"]
    return replace(request, headers=[*kept, (b"traceparent", traceparent)])


def credential(dialect: Dialect, api_key: str) -> tuple[bytes, bytes]:
    """The field in which a provider of this dialect wants its key."""
    match dialect:
        case Dialect.ANTHROPIC:
            return (b"x-api-key", api_key.encode())
        case Dialect.OPENAI:
            return (b"authorization", b"Bearer " + api_key.encode())
        case Dialect.GEMINI:
            return (b"x-goog-api-key", api_key.encode())


def downstream_headers(headers: Headers, *, resized: bool) -> Headers:
    """The provider's fields as they go to the client.

    Args:
        headers: As the provider sent them.
        resized: The body may be changed on its way, so its announced length no longer holds.
    """
    connection = _connection_options(headers)
    out: Headers = []
    for name, value in headers:
        lowered = name.lower()
        if lowered in HOP_BY_HOP or lowered in connection:
            continue
        if resized and lowered == b"content-length":
            continue
        out.append((lowered, value))
    return out


def value_of(headers: Headers, name: bytes) -> bytes:
    """A field's value by lower-case name, empty if absent."""
    for key, value in headers:
        if key.lower() == name:
            return value
    return b""


def _connection_options(headers: Headers) -> frozenset[bytes]:
    """Fields that the sender declares to be for this connection only."""
    for name, value in headers:
        if name.lower() == b"connection" and value.lower() not in {b"keep-alive", b"close"}:
            return frozenset(
                option
                for key, options in headers
                if key.lower() == b"connection"
                for option in (part.strip().lower() for part in options.split(b","))
            )
    return frozenset()


def _readable(accept_encoding: bytes) -> bytes | None:
    """`accept-encoding` without what cannot be decoded here; the same bytes if all can."""
    parts = [part.strip() for part in accept_encoding.split(b",")]
    kept = [part for part in parts if part.split(b";")[0].strip().lower() in _METERABLE]
    if len(kept) == len(parts):
        return accept_encoding
    return b", ".join(kept) if kept else b"identity"
