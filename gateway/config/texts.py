"""Kinds of text: names, globs, addresses, URLs, files, credentials."""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import SplitResult, urlsplit

from gateway.domain.signals import Need

from .faults import quoted, suggestion
from .kinds import Kind, Unfit

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_GLOB = re.compile(r"[^\s\x00-\x1f\x7f]{1,200}")
_CREDENTIAL = re.compile(r"[\x21-\x7e]+")
LOOPBACK_HOST = "127.0.0.1"
MIN_KEY_CHARS = 8
MAX_KEY_CHARS = 512


@dataclass(frozen=True, slots=True)
class Listen:
    """Where the gateway listens. Port 0 takes a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        """As it is written in a configuration."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class Special(StrEnum):
    """Words that stand where a provider's credential would."""

    NONE = "none"
    PASSTHROUGH = "passthrough"


def check_name(text: str) -> str:
    """A name of a provider, lane, team or agent.

    Raises:
        Unfit: It cannot be used in paths, metric labels and store keys.
    """
    if not _NAME.fullmatch(text):
        raise Unfit(
            f"{quoted(text)} cannot be a name",
            "Use up to 64 letters, digits, '.', '_' and '-', starting with a letter or digit.",
        )
    return text


def name_of(what: str) -> Kind[str]:
    """The name of something defined elsewhere in the file."""
    return Kind(f"{what} name", check_name, {"type": "string"})


def glob() -> Kind[str]:
    """A model name in which `*`, `?` and `[...]` match."""

    def parse(text: str) -> str:
        if not _GLOB.fullmatch(text):
            raise Unfit(f"{quoted(text)} is not a model pattern", "Write it like claude-sonnet-*.")
        return text

    return Kind("model pattern", parse, {"type": "string"})


def model() -> Kind[str]:
    """The name of one model."""

    def parse(text: str) -> str:
        if not _GLOB.fullmatch(text) or "*" in text:
            raise Unfit(f"{quoted(text)} is not one model", "Write it like gpt-4o-mini.")
        return text

    return Kind("model", parse, {"type": "string"})


def tag() -> Kind[str]:
    """A tag that a call carries."""

    def parse(text: str) -> str:
        key, equals, rest = text.partition("=")
        if not (key and equals and rest) or not text.isprintable():
            raise Unfit(f"{quoted(text)} is not a tag", "Write it like team=search.")
        return text

    return Kind("tag", parse, {"type": "string"})


def ability() -> Kind[str]:
    """Something that a model can do."""
    known = [need.value for need in Need]

    def parse(text: str) -> str:
        if text not in known and not text.startswith(("beta:", "field:")):
            remedy = suggestion(text, known, f"Write one of: {', '.join(known)}.")
            raise Unfit(f"{quoted(text)} is no capability", remedy)
        return text

    return Kind("capability", parse, {"type": "string"})


def address() -> Kind[Listen]:
    """`HOST:PORT`, `[IPV6]:PORT`, or a port on loopback."""

    def parse(text: str) -> Listen:
        match = re.fullmatch(r"(?:(\[[0-9A-Fa-f:.%]+\]|[^\s:\[\]/]+)?:)?(\d{1,5})", text)
        if match is None or int(match[2]) > 65535:
            raise Unfit(
                f"{quoted(text)} is not an address",
                "Write HOST:PORT, such as 127.0.0.1:8080, or [::1]:8080 for IPv6.",
            )
        if match[1] is None and text.startswith(":"):
            raise Unfit("the address has no host", f"Write 0.0.0.0{text} for all interfaces.")
        return Listen((match[1] or LOOPBACK_HOST).strip("[]"), int(match[2]))

    schema = {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 0, "maximum": 65535}]}
    return Kind("address", parse, schema)


def origin() -> Kind[str]:
    """The origin of a web page, as browsers send it: scheme, host and port."""

    def parse(text: str) -> str:
        parts = _url(text, ("http", "https"), "https://ops.example.com")
        if f"{parts.scheme}://{parts.netloc}" != text or "@" in text:
            raise Unfit("an origin ends after the host and port", "Write https://HOST[:PORT].")
        return text.lower()

    return Kind("origin", parse, {"type": "string", "format": "uri"})


def base_url() -> Kind[str]:
    """An HTTP base URL without credentials, query or trailing slash."""

    def parse(text: str) -> str:
        parts = _url(text, ("http", "https"), "https://api.example.com")
        if parts.username is not None or parts.password is not None:
            raise Unfit("a credential inside the URL would be logged", "Move it to api_key.")
        if parts.query or parts.fragment:
            raise Unfit("a base URL has no query and no fragment", "End it after the path.")
        return text.rstrip("/")

    return Kind("URL", parse, {"type": "string", "format": "uri"})


def store_url() -> Kind[str]:
    """The URL of a Redis or Valkey server."""

    def parse(text: str) -> str:
        if text.startswith("unix:///"):
            return text
        parts = _url(text.replace("valkey", "redis", 1), ("redis", "rediss"), "redis://HOST:6379/0")
        if parts.path not in {"", "/"} and not re.fullmatch(r"/\d{1,4}", parts.path):
            raise Unfit("the path of a Redis URL is its database number", "End it with /0.")
        return text

    return Kind("URL", parse, {"type": "string"})


def _url(text: str, schemes: tuple[str, ...], example: str) -> SplitResult:
    remedy = f"Write it like {example}."
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise Unfit("the URL cannot be understood", remedy) from None
    if re.search(r"\s", text):
        raise Unfit("the URL holds white space", remedy)
    if parts.scheme not in schemes:
        raise Unfit(f"the URL must start with {schemes[0]}:// or {schemes[1]}://", remedy)
    if not parts.hostname or port == 0:
        raise Unfit("the URL has no host or no port number", remedy)
    return parts


def file_path() -> Kind[str]:
    """A file or folder; relative to the folder of the configuration file."""

    def parse(text: str) -> str:
        if not text.strip() or "\0" in text:
            raise Unfit("the path is empty", "Write a path.")
        return text

    return Kind("path", parse, {"type": "string"})


def credential(minimum: int = 1, *, name: str = "secret") -> Kind[str]:
    """A secret: its value is never part of a message."""

    def parse(text: str) -> str:
        if not _CREDENTIAL.fullmatch(text):
            raise Unfit(
                "the secret is empty, or holds white space or characters outside ASCII",
                "Check for a stray space or line break.",
            )
        if not minimum <= len(text) <= MAX_KEY_CHARS:
            raise Unfit(
                f"the secret must have {minimum} to {MAX_KEY_CHARS} characters",
                "Make one with `gateway keys create AGENT`.",
            )
        return text

    return Kind(name, parse, {"type": "string", "minLength": minimum})


def provider_credential() -> Kind[str | Special]:
    """A provider's credential, `none` or `passthrough`."""
    secret = credential()

    def parse(text: str) -> str | Special:
        if text in set(Special):
            return Special(text)
        return secret.parse(text)

    return Kind("secret, `none` or `passthrough`", parse, {"type": "string", "minLength": 1})
