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


_KNOWN_NAMES: dict[bytes, bytes] = {}
"""What goes before the value of a field of this name; empty if the field is not sent.

Clients use few names, so each is judged once.
"""

_MOST_KNOWN_NAMES = 1024
"""Names are the clients' to choose; beyond this many, each new one is judged every time."""


def encode_head(request: UpstreamRequest, authority: bytes) -> bytes:
    """Request line, header fields and the empty line.

    Args:
        request: What to send.
        authority: The `host` field.

    Raises:
        UnsendableRequestError: It would not be one well-formed head.
    """
    parts = [*_line(request), b" HTTP/1.1\r\nhost: ", authority]
    lines = 3  # the request line, `host`, and the empty line
    for name, value in request.headers:
        start = _KNOWN_NAMES.get(name)
        if start is None:
            start = _judge(name)
        if start:
            parts += (start, value)
            lines += 1
    framing = _framing(request)
    if framing:
        parts.append(framing)
        lines += 1
    parts.append(b"\r\n\r\n")
    head = b"".join(parts)
    if head.count(b"\n") != lines or head.count(b"\r") != lines or b"\0" in head:
        raise UnsendableRequestError("CR, LF or NUL in the target or in a header field")
    return head


def _line(request: UpstreamRequest) -> tuple[bytes, bytes, bytes]:
    """The parts of the request line before the version."""
    method, target = request.method.encode("utf-8", "replace"), request.target
    if not method or method.translate(None, _TOKEN):
        raise UnsendableRequestError("the method is not a token")
    if target.translate(None, _VISIBLE) or not target.startswith((b"/", b"*")):
        raise UnsendableRequestError("the target is not a path without blanks")
    return method, b" ", target


def _judge(name: bytes) -> bytes:
    """What `_KNOWN_NAMES` says of a name; remembered there, within bounds."""
    if not name or name.translate(None, _TOKEN):
        raise UnsendableRequestError("a field name is not a token")
    start = b"" if name.lower() in _OWNED else b"\r\n%b: " % name
    if len(_KNOWN_NAMES) < _MOST_KNOWN_NAMES:
        _KNOWN_NAMES[name] = start
    return start


def _framing(request: UpstreamRequest) -> bytes:
    """The field that delimits the body (RFC 9112, 6), with the line end before it."""
    body = request.body
    if isinstance(body, bytes):
        if body or request.method in _BODY_EXPECTED:
            return b"\r\ncontent-length: %d" % len(body)
        return b""
    if request.content_length is None:
        return b"\r\ntransfer-encoding: chunked"
    return b"\r\ncontent-length: %d" % request.content_length
