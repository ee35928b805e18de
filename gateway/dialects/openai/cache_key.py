"""Names a conversation to OpenAI's prompt cache, where its client has not (provider-facts B6).

Calls are sent to a machine by the first tokens of their prompt and this key, and a machine takes
about 15 calls of one prompt and key in a minute before others get the rest, which have nothing in
their caches. With a key for each conversation its turns meet again, however many conversations
begin alike.
"""

import re

import msgspec

from gateway.dialects.decoding import UNREADABLE, decode

_OWN = re.compile(r"(?:gpt-(?!oss)|o\d|chatgpt-|codex-)")
"""OpenAI's own models: servers of others may refuse a field that they do not know."""


class _Body(msgspec.Struct):
    model: str = ""
    prompt_cache_key: msgspec.Raw = msgspec.Raw(b"")


_BODY = msgspec.json.Decoder(_Body)


def with_key(body: bytes, key: str) -> bytes:
    """The body with a `prompt_cache_key`, right behind its opening brace.

    The same object if it has one, `null` included, or is not for a model of OpenAI's own.
    """
    try:
        fields = decode(_BODY, body)
    except UNREADABLE:
        return body
    if bytes(fields.prompt_cache_key) or _OWN.match(fields.model) is None:
        return body
    start = body.index(b"{") + 1
    view = memoryview(body)
    member = b'"prompt_cache_key":' + msgspec.json.encode(key) + b","
    return b"".join((view[:start], member, view[start:]))
