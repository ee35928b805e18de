"""Makes a chat stream report its usage, with the smallest change to the client's bytes.

Without `stream_options` in the body the option is put right behind the opening brace. With it,
one value inside it changes. Every other byte stays, order and spacing included, since prompt
caches and signatures depend on them (provider-facts B2; field-notes 24).

Where a key stands is found by its bytes, and a change counts only if the body, read again, then
has the option: an equal key in a nested object does not mislead this.
"""

import re
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Raw, Struct

from gateway.dialects.decoding import UNREADABLE, decode

OPTION = b'"include_usage":true'
_ASKED = b'{"include_usage":true}'
_KEY = re.compile(rb'"stream_options"[ \t\r\n]*:[ \t\r\n]*')
_FLAG = re.compile(rb'("include_usage"[ \t\r\n]*:[ \t\r\n]*)(?:false|null)')
_OPEN = re.compile(rb"\{[ \t\r\n]*")


class _Options(Struct):
    include_usage: bool | None = None


class _Head(Struct):
    stream: bool | None = None
    stream_options: Raw = Raw()


class _Asked(Struct):
    stream_options: _Options | None = None


_head = msgspec.json.Decoder(_Head)
_asked = msgspec.json.Decoder(_Asked)


def with_usage(body: bytes) -> bytes:
    """The body of a chat completion with `stream_options.include_usage` set.

    The same object if it is no stream (the provider would reject the option), already asks, or
    cannot be read.
    """
    try:
        head = decode(_head, body)
    except UNREADABLE:
        return body
    if head.stream is not True:
        return body
    options = bytes(memoryview(head.stream_options))
    if not options:
        return _inserted(body, b'"stream_options":' + _ASKED)
    if _asks(body):
        return body
    for change in _changes(options):
        if (changed := _with_value(body, options, change)) is not None:
            return changed
    return body


def _changes(options: bytes) -> Iterator[bytes]:
    """Candidates for the new value, the one that keeps most bytes first."""
    if options == b"null":
        yield _ASKED
    if not options.startswith(b"{"):
        return
    # A key of the same name in an object further in is no hit: the result is read again.
    yield from _substituted(options, _FLAG, lambda hit: hit[1] + b"true")
    yield _inserted(options, OPTION)


def _with_value(body: bytes, old: bytes, new: bytes) -> bytes | None:
    """The body with the value of its `stream_options` replaced; `None` if that does not ask."""
    for hit in reversed(list(_KEY.finditer(body))):
        if not body.startswith(old, hit.end()):
            continue
        changed = body[: hit.end()] + new + body[hit.end() + len(old) :]
        if _asks(changed):
            return changed
    return None


def _substituted(
    text: bytes, pattern: re.Pattern[bytes], new: Callable[[re.Match[bytes]], bytes]
) -> Iterator[bytes]:
    for hit in pattern.finditer(text):
        yield text[: hit.start()] + new(hit) + text[hit.end() :]


def _asks(body: bytes) -> bool:
    try:
        options = decode(_asked, body).stream_options
    except UNREADABLE:
        return False
    return options is not None and options.include_usage is True


def _inserted(text: bytes, member: bytes) -> bytes:
    """A JSON object with one more member, right behind its opening brace."""
    start = text.index(b"{") + 1
    opening = _OPEN.match(text, start - 1)
    empty = opening is not None and text[opening.end() : opening.end() + 1] == b"}"
    view = memoryview(text)  # bodies are large: copied once
    return b"".join((view[:start], member, b"" if empty else b",", view[start:]))
