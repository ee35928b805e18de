"""Puts cache breakpoints into a Messages body that has none (provider-facts A5).

A mark is one more member at the end of a block. A system prompt or a message that is plain text
becomes the one text block which it is short for. Every other byte stays, since signatures and cache
prefixes depend on them (provider-facts A10): taking the additions away gives the client's bytes.

Where a part stands is found by its bytes, and a change counts only if the body, read again, then
has the marked part: equal bytes elsewhere do not mislead this. What might be refused is left alone:
blocks that take no mark (thinking, empty text, tools that load later), Claude Code's attribution
(provider-facts A9), bodies of which the provider holds a part, and, where thinking is signed, texts
that would have to become blocks, since signatures are bound to what came before (provider-facts A6).
"""

import re
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from gateway.dialects.codec import Outline
from gateway.dialects.decoding import UNREADABLE, decode

from . import prompt

MARK = b',"cache_control":{"type":"ephemeral"}'
TEXT_OPENS = b'[{"type":"text","text":'
TEXT_CLOSES = MARK + b"}]"
UNKNOWN_LEAST_TOKENS = 4_096
MOST_PLACES = 8
"""So many equal places are tried: each try reads the body again."""
_NAMED = b'"cache_control"'
_SIGNED = re.compile(rb'"signature"[ \t\r\n]*:|"redacted_thinking"')
_DATE = re.compile(r"-\d{8}$")
_ATTRIBUTION = "x-anthropic-billing-header"
_MARKABLE = frozenset({"text", "image", "document", "tool_use", "tool_result", "search_result"})
_LEAST_TOKENS = {
    "claude-opus-5": 512,
    "claude-fable-5": 512,
    "claude-fable-5-1": 512,
    "claude-mythos-5": 512,
    "claude-opus-4-8": 1_024,
    "claude-sonnet-5": 1_024,
    "claude-sonnet-4-6": 1_024,
    "claude-sonnet-4-5": 1_024,
    "claude-opus-4-7": 2_048,
}
"""provider-facts A5; what it does not know for certain gets the largest."""


class _Body(msgspec.Struct):
    model: str = ""
    system: msgspec.Raw = msgspec.Raw(b"")
    tools: list[msgspec.Raw] | None = None
    messages: list[msgspec.Raw] | None = None
    thread: msgspec.Raw = msgspec.Raw(b"")
    container: msgspec.Raw = msgspec.Raw(b"")


class _Message(msgspec.Struct):
    role: str = ""
    content: msgspec.Raw = msgspec.Raw(b"")


class _Block(msgspec.Struct):
    type: str = ""
    text: str | None = None


class _Tool(msgspec.Struct):
    name: str = ""
    defer_loading: bool = False


_BODY = msgspec.json.Decoder(_Body)
_MESSAGE = msgspec.json.Decoder(_Message)
_BLOCK = msgspec.json.Decoder(_Block)
_TOOL = msgspec.json.Decoder(_Tool)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_TEXT = msgspec.json.Decoder(str)


def least_tokens(model: str) -> int:
    """The shortest prefix that the provider caches for a model."""
    return _LEAST_TOKENS.get(_DATE.sub("", model), UNKNOWN_LEAST_TOKENS)


def outline(body: bytes) -> Outline | None:
    """Where a prompt might be marked; `None` if it is marked, or must not be."""
    if _NAMED in body:
        return None
    try:
        fields = decode(_BODY, body)
    except UNREADABLE:
        return None
    if not fields.messages or _holds(fields.thread) or _holds(fields.container):
        return None
    head = prompt.head(fields.tools or (), fields.system)
    cuts = prompt.cuts(head, prompt.messages(body, fields.messages), 0)
    return Outline(cuts[len(head) - 1] if head else None, cuts, least_tokens(fields.model))


def marked(
    body: bytes, *, head: bool = False, stem: int | None = None, tail: bool = False
) -> bytes:
    """The body with a mark at the end of its head, a message, its newest user message, or more.

    The same object if there is no place for a mark.

    Args:
        body: Without marks.
        head: Mark tools and system prompt.
        stem: Mark the message that so many others follow.
        tail: Mark the newest message of the user.
    """
    try:
        fields = decode(_BODY, body)
        texts_may_change = _SIGNED.search(body) is None
        if head:
            body = _marked_head(body, fields, texts_may_change)
        messages = fields.messages or ()
        wanted = {None if stem is None else len(messages) - 1 - stem}
        wanted.add(_newest_of_user(messages) if tail else None)
        for index in wanted:
            if index is not None and 0 <= index < len(messages):
                body = _marked_message(body, bytes(messages[index]), index, texts_may_change)
    except UNREADABLE:
        return body
    return body


def _marked_head(body: bytes, fields: _Body, texts_may_change: bool) -> bytes:
    """The system prompt comes after the tools, so a mark there covers both."""
    if _holds(fields.system):
        system = bytes(fields.system)
        new = _content(system, texts_may_change)
        return body if new is None else _spliced(body, system, new, _system)
    if not fields.tools:
        return body
    last = bytes(fields.tools[-1])
    tool = _TOOL.decode(last)
    if not tool.name or tool.defer_loading:
        return body
    return _spliced(body, last, _with_mark(last), _last_tool)


def _newest_of_user(messages: Sequence[msgspec.Raw]) -> int | None:
    """The last message, or the one before a prefill."""
    for index in range(len(messages) - 1, max(-1, len(messages) - 3), -1):
        if _MESSAGE.decode(messages[index]).role == "user":
            return index
    return None


def _marked_message(body: bytes, old: bytes, index: int, texts_may_change: bool) -> bytes:
    content = bytes(_MESSAGE.decode(old).content)
    new = _content(content, texts_may_change)
    if new is None:
        return body
    changed = _spliced(old, content, new, _content_of)
    return _spliced(body, old, changed, partial(_message, index=index))


def _content(raw: bytes, texts_may_change: bool) -> bytes | None:
    """System prompt or content of a message with a mark at its end; `None` if it takes none."""
    if raw.startswith(b'"'):
        text = _TEXT.decode(raw)
        if not texts_may_change or not text.strip() or text.startswith(_ATTRIBUTION):
            return None
        return TEXT_OPENS + raw + TEXT_CLOSES
    if not raw.startswith(b"["):
        return None
    blocks = _LIST.decode(raw)
    for index in range(len(blocks) - 1, -1, -1):
        old = bytes(blocks[index])
        if _takes_mark(_BLOCK.decode(old)):
            changed = _spliced(raw, old, _with_mark(old), partial(_block, index=index))
            return None if changed is raw else changed
    return None


def _takes_mark(block: _Block) -> bool:
    if block.type != "text":
        return block.type in _MARKABLE
    text = block.text or ""
    return bool(text.strip()) and not text.startswith(_ATTRIBUTION)


def _with_mark(block: bytes) -> bytes:
    """A JSON object, which is not empty, with one more member at its end."""
    return block[:-1] + MARK + b"}"


def _spliced(whole: bytes, old: bytes, new: bytes, read: Callable[[bytes], bytes]) -> bytes:
    """The whole with `new` in place of `old` where `read` finds it then; unchanged if nowhere."""
    view = memoryview(whole)
    at = whole.rfind(old)
    for _ in range(MOST_PLACES):
        if at < 0:
            break
        changed = b"".join((view[:at], new, view[at + len(old) :]))
        if read(changed) == new:
            return changed
        at = whole.rfind(old, 0, at + len(old) - 1)
    return whole


def _system(body: bytes) -> bytes:
    return bytes(decode(_BODY, body).system)


def _last_tool(body: bytes) -> bytes:
    return bytes((decode(_BODY, body).tools or [msgspec.Raw(b"")])[-1])


def _message(body: bytes, index: int) -> bytes:
    return bytes((decode(_BODY, body).messages or [])[index])


def _content_of(message: bytes) -> bytes:
    return bytes(_MESSAGE.decode(message).content)


def _block(content: bytes, index: int) -> bytes:
    return bytes(_LIST.decode(content)[index])


def _holds(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:5]) not in {b"", b"null"}
