"""What a request head must be, beyond what the parser checks already.

The parser (llhttp, strict) refuses conflicting lengths, bare CR and LF, folded fields, control
characters and blanks before the colon. Left to check is what it takes for granted and what two
parsers in a row may read differently: request smuggling lives on such differences (RFC 9112, 11.2).
"""

import re
from collections.abc import Iterable

_HOST = re.compile(rb"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{0,5})?")
_NEVER = frozenset({b"TRACE", b"CONNECT"})
"""TRACE would send the provider's credential back to the agent; CONNECT is for proxies."""


def flaw_of(
    method: bytes, target: bytes, version: str, headers: Iterable[tuple[bytes, bytes]]
) -> tuple[bytes, bytes] | None:
    """The status line and the reason with which a head is refused; `None` if it is sound.

    Args:
        method: As it came.
        target: As it came.
        version: `1.1` or `1.0`.
        headers: Names in lower case.
    """
    if method in _NEVER:
        return b"405 Method Not Allowed", b"this method is not offered here"
    if version not in {"1.1", "1.0"}:
        return b"505 HTTP Version Not Supported", b"only HTTP/1.1 is spoken here"
    why = _target_flaw(target) or _field_flaw(version, headers)
    return None if why is None else (b"400 Bad Request", why)


def _target_flaw(target: bytes) -> bytes | None:
    if not target.startswith(b"/") and target != b"*":
        return b"the request target must be a path"
    if b"#" in target:
        return b"a request target has no fragment"
    return None


def _field_flaw(version: str, headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    hosts = 0
    for name, value in headers:
        if name == b"host":
            hosts += 1
            if _HOST.fullmatch(value) is None:
                return b"the host field is not a host"
        elif name == b"transfer-encoding" and (version != "1.1" or value.lower() != b"chunked"):
            return b"the only transfer coding understood here is chunked, in HTTP/1.1"
    if hosts > 1 or (hosts == 0 and version == "1.1"):
        return b"one host field is needed"
    return None
