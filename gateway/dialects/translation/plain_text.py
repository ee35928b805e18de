"""Plain-text documents: base64 in the canonical model, like every other document."""

from base64 import b64decode, b64encode
from binascii import Error


def encoded(text: str) -> str:
    """A text as base64."""
    return b64encode(text.encode(errors="replace")).decode()


def decoded(data: str) -> str | None:
    """The text of base64 data; `None` if it is none."""
    try:
        return b64decode(data, validate=True).decode()
    except (Error, UnicodeDecodeError):
        return None
