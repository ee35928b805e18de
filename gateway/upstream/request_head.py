"""The head of a request as bytes, assembled with one join and checked as a whole.

The transport owns the connection, so `host`, framing and hop-by-hop fields are its own: such
fields in the request are ignored. Checking is done on the finished block: each line brings one CR
and one LF, so any further one was smuggled in, whichever field it hid in.
"""

from gateway.ports import UpstreamRequest

from .failures import UnsendableRequestError

_OWNED = frozenset(
    {
        b"connection",
        b"content-length",
        b"expect",  # we never wait for 100
        b"host",
        b"keep-alive",
        b"proxy-connection",
        b"te",
        b"trailer",  # we never send one
        b"transfer-encoding",
        b"upgrade",
    }
)
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_VISIBLE = bytes(byte for byte in range(256) if byte > 0x20 and byte != 0x7F)
_BODY_EXPECTED = frozenset({"POST", "PUT", "PATCH"})


def encode_head(request: UpstreamRequest, authority: bytes) -> bytes:
    """Request line, header fields and the empty line.

    Args:
        request: What to send.
        authority: The `host` field.

    Raises:
        UnsendableRequestError: It would not be one well-formed head.
    """
    method, target = request.method.encode("latin-1", "replace"), request.target
    names = [method]
    lines = [b"%b %b HTTP/1.1\r\nhost: %b\r\n" % (method, target, authority)]
    for name, value in request.headers:
        if name.lower() not in _OWNED:
            names.append(name)
            lines.append(b"%b: %b\r\n" % (name, value))
    framing = _framing(request)
    lines.append(framing)
    head = b"".join(lines)
    count = len(lines) + 1 + (framing != b"\r\n")
    if head.count(b"\n") != count or head.count(b"\r") != count or b"\0" in head:
        raise UnsendableRequestError("CR, LF or NUL in the target or in a header field")
    _check_line(target, names)
    return head


def _framing(request: UpstreamRequest) -> bytes:
    """The field that delimits the body, and the end of the head (RFC 9112, 6)."""
    body = request.body
    if isinstance(body, bytes):
        if body or request.method in _BODY_EXPECTED:
            return b"content-length: %d\r\n\r\n" % len(body)
        return b"\r\n"
    if request.content_length is None:
        return b"transfer-encoding: chunked\r\n\r\n"
    return b"content-length: %d\r\n\r\n" % request.content_length


def _check_line(target: bytes, names: list[bytes]) -> None:
    if b"".join(names).translate(None, _TOKEN) or b"" in names:
        raise UnsendableRequestError("the method or a field name is not a token")
    if target.translate(None, _VISIBLE) or not target.startswith((b"/", b"*")):
        raise UnsendableRequestError("the target is not a path without blanks")
