"""Where a base URL points: scheme, host and port. Its path is the business of the data plane."""

from dataclasses import dataclass
from urllib.parse import urlsplit

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Origin:
    """One place to connect to.

    Attributes:
        host: As given to the resolver and, with TLS, as server name (SNI).
        tls: Whether to speak TLS.
        authority: The `host` header.
    """

    host: str
    port: int
    tls: bool
    authority: bytes

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def origin_of(base_url: str) -> Origin:
    """The origin of a base URL.

    Raises:
        ValueError: Not an absolute http or https URL.
    """
    parts = urlsplit(base_url)
    default_port = _DEFAULT_PORTS.get(parts.scheme)
    if default_port is None or not parts.hostname:
        raise ValueError(f"not an http or https URL: {parts.scheme}://{parts.hostname or ''}")
    host = parts.hostname
    if ":" not in host:
        host = host.encode("idna").decode("ascii")  # refuses what no resolver takes
    port = parts.port or default_port
    authority = f"[{host}]" if ":" in host else host
    if port != default_port:
        authority = f"{authority}:{port}"
    return Origin(host, port, tls=parts.scheme == "https", authority=authority.encode("ascii"))
