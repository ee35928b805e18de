r"""How chat and Responses streams are read (provider-facts B2, B3; vLLM: B8).

Chat: usage comes in a last chunk without choices, if it was asked for. When the gateway asked and
the client did not, exactly that chunk is left out, since some clients crash on it. The other
chunks then carry `"usage":null`; that stays. The field is nullable in OpenAI's own schema, all
SDKs take it, and cutting it out would mean rewriting every chunk. vLLM's
`continuous_usage_stats` puts cumulative counts into every chunk: the last one counts.

Responses: usage comes with the terminal event. The events before it that end an item repeat its
text, so only deltas count as text that went by.

Needles are JSON keys with both quotes: text cannot contain them, since its quotes are escaped.
"""

import re

import msgspec
from msgspec import Raw, Struct

from gateway.dialects.decoding import UNREADABLE, decode
from gateway.dialects.tap import Seen, StreamRules

from .responses import Completion, Response, note

DONE = b"[DONE]"
_STRING = rb'"([^"\\\r\n]*(?:\\[^\r\n][^"\\\r\n]*)*)"'  # within one line: no match spans two events
_CHAT_TEXT = re.compile(
    rb'"delta": ?\{[^\r\n]*?"(?:content|arguments|reasoning_content|reasoning|refusal)": ?'
    + _STRING
)
_DELTA_TEXT = re.compile(rb'"delta": ?' + _STRING)
_NULL = b"null"


class _Chunk(Completion):
    choices: list[Raw] | None = None
    error: Raw = Raw(_NULL)


class _Event(Struct):
    type: str = ""
    response: Response | None = None
    error: Raw = Raw(_NULL)


_chunk = msgspec.json.Decoder(_Chunk)
_event = msgspec.json.Decoder(_Event)

_TERMINAL = frozenset({"response.completed", "response.incomplete", "response.failed"})


def chat_text_bytes(events: bytes) -> int:
    """Bytes of the answer's text, tool arguments included, as they stand in the JSON.

    The first text of each delta counts; few have two.
    """
    size = 0
    for text in _CHAT_TEXT.findall(events):
        size += len(text)
    return size


def response_text_bytes(events: bytes) -> int:
    """The same for Responses: all deltas."""
    size = 0
    for text in _DELTA_TEXT.findall(events):
        size += len(text)
    return size


def _read_chunk(seen: Seen, data: bytes) -> bool:
    """Take note of a chunk; say whether it is the one that exists only to tell the usage."""
    if data.strip() == DONE:
        seen.complete = True
        return False
    seen.text_bytes += chat_text_bytes(data)
    try:
        chunk = decode(_chunk, data)
    except UNREADABLE:
        return False
    note(seen, chunk)
    if bytes(memoryview(chunk.error)) != _NULL:
        seen.failed = True
    return chunk.usage is not None and chunk.choices == []


def _relay_all(seen: Seen, _name: bytes, data: bytes) -> bool:
    _read_chunk(seen, data)
    return True


def _hide_usage(seen: Seen, _name: bytes, data: bytes) -> bool:
    return not _read_chunk(seen, data)


def _read_event(seen: Seen, _name: bytes, data: bytes) -> bool:
    seen.text_bytes += response_text_bytes(data)
    try:
        event = decode(_event, data)
    except UNREADABLE:
        return True
    if event.response is not None:
        note(seen, event.response)
    if event.type in _TERMINAL:
        seen.complete = True
    failed = event.type in {"response.failed", "error"} or bytes(memoryview(event.error)) != _NULL
    seen.failed = seen.failed or failed
    return True


_CHAT_NEEDLES = (b'"prompt_tokens"', DONE, b'"error"')

CHAT = StreamRules(_CHAT_NEEDLES, _relay_all, text_bytes=chat_text_bytes)
"""A chat stream whose client asked for its usage itself."""
CHAT_HIDING_USAGE = StreamRules(_CHAT_NEEDLES, _hide_usage, hides=True, text_bytes=chat_text_bytes)
"""A chat stream for which only the gateway asked."""
RESPONSES = StreamRules((b'"response"', b'"error"'), _read_event, text_bytes=response_text_bytes)
