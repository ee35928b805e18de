"""The head of a response as bytes, assembled with one join and checked as a whole.

Checking is done on the finished block: each field brings one CR and one LF, so any further one
was smuggled in, whichever field it hid in (response splitting).
"""

import http
from collections.abc import Iterable
from typing import NamedTuple

_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CONNECTION = frozenset({b"connection", b"transfer-encoding", b"content-length"})
_STATUS_LINES = {
    status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in http.HTTPStatus
}
_KNOWN_NAMES: dict[bytes, bytes] = {}
"""What goes before the value of a field of this name: few names are used, each is judged once."""
_MOST_KNOWN_NAMES = 1024
"""Names come from providers too; beyond this many, each new one is judged every time."""


class Head(NamedTuple):
    """An encoded head.

    Attributes:
        block: Status line and fields, without the line end of the last one.
        length: The `content-length`, if there is one.
        closes: The application wants the connection closed; the field itself is left out, as is
            `transfer-encoding`, since both belong to the connection.
    """

    block: bytes
    length: int | None
    closes: bool


def encode(status: int, headers: Iterable[tuple[bytes, bytes]]) -> Head:
    """Assemble a head.

    Raises:
        ValueError: It would not be one well-formed head.
    """
    parts = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status]
    length: int | None = None
    closes = False
    known = _KNOWN_NAMES
    for name, value in headers:
        start = known.get(name)
        if start is None:
            lowered = name.lower()
            if lowered in _CONNECTION:
                if lowered == b"connection":
                    closes = closes or b"close" in value.lower()
                    continue
                if lowered == b"transfer-encoding":
                    continue
                length = int(value)
            start = _judge(name, lowered)
        parts += (start, value)
    block = b"".join(parts)
    lines = len(parts) // 2
    if block.count(b"\n") != lines or block.count(b"\r") != lines or b"\0" in block:
        raise ValueError("CR, LF or NUL in a field of a response")
    return Head(block, length, closes)


def _judge(name: bytes, lowered: bytes) -> bytes:
    """What `_KNOWN_NAMES` says of a name; remembered there, within bounds."""
    if not name or name.translate(None, _TOKEN):
        raise ValueError("the name of a response field is not a token")
    start = b"\r\n%b: " % lowered
    if lowered not in _CONNECTION and len(_KNOWN_NAMES) < _MOST_KNOWN_NAMES:
        _KNOWN_NAMES[name] = start
    return start
