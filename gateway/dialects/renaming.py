"""Puts another model's name into a request, and changes no other byte.

Used when another model than the one asked for answers a call. Prompt caches and signatures depend
on the bytes of a body (provider-facts A10), so it is not written anew. Where the name stands is
found by its bytes, and a change counts only if the body, read again, then names the new model: an
equal key in a nested object does not mislead this.
"""

import re
from itertools import islice
from urllib.parse import quote

import msgspec

from .decoding import UNREADABLE, decode

_NAME = re.compile(rb'("model"[ \t\r\n]*:[ \t\r\n]*)"(?:[^"\\]|\\.)*"')
_PATH = re.compile(rb"^(.*/)(?:models|tunedModels|dynamic)/.+((?::|%3[aA])[A-Za-z]+)$")


MOST_PLACES = 32
"""So many equal keys are tried: each try reads the body again."""


class _Body(msgspec.Struct):
    model: str


_BODY = msgspec.json.Decoder(_Body)


def in_body(body: bytes, model: str) -> bytes:
    """A JSON body with another value of its own field `model`.

    Raises:
        ValueError: The body has no such field, or none that can be changed.
    """
    if _named(body) == model:
        return body
    new = msgspec.json.encode(model)
    for hit in islice(_NAME.finditer(body), MOST_PLACES):
        changed = b"".join((body[: hit.end(1)], new, body[hit.end() :]))
        if _named(changed) == model:
            return changed
    raise ValueError("the body names no model that can be changed")


def in_path(raw_path: bytes, model: str) -> bytes:
    """A Gemini path with another model.

    Raises:
        ValueError: The path names no model.
    """
    found = _PATH.match(raw_path)
    if found is None:
        raise ValueError("the path names no model that can be changed")
    root = "" if model.startswith("tunedModels/") else "models/"
    return found[1] + f"{root}{quote(model)}".encode() + found[2]


def _named(body: bytes) -> str | None:
    try:
        return decode(_BODY, body).model
    except UNREADABLE:
        return None
