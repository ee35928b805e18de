r"""JSON decoding that takes what the provider takes.

A client in JavaScript that cuts a text inside an emoji sends half of a surrogate pair, such as
`\ud83d`. RFC 8259 allows it and msgspec does not. Whether to accept that is for the provider to
say, so such bodies are read from a copy in which these escapes are replaced, length by length.
"""

import re
from typing import TypeVar

import msgspec

UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What `decode` raises for a body that is no JSON of the expected type."""

_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F][0-9a-fA-F]{2}")
_REPLACEMENT = rb"\\ufffd"  # as a template of `re`

_T = TypeVar("_T")


def decode(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    """The decoded body.

    Raises:
        msgspec.DecodeError: No JSON; as `ValidationError`: JSON of another type.
        UnicodeDecodeError: Not UTF-8.
        RecursionError: Nested too deeply.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        copy = without_surrogates(body)
        if copy is body:
            raise
    return decoder.decode(copy)


def without_surrogates(body: bytes) -> bytes:
    """A copy of a JSON text without surrogate escapes; the same object if it has none."""
    copy, replaced = _SURROGATE.subn(_REPLACEMENT, body)
    return copy if replaced else body
