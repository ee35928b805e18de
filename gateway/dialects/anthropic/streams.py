"""How the events of a message stream are read (provider-facts A2)."""

import msgspec

from gateway.dialects import sse
from gateway.dialects.tap import Seen, StreamRules

from .responses import Account, Answer, Reported

PING = sse.encode(b'{"type":"ping"}', "ping")
"""Keeps every Anthropic client alive, SDKs and Claude Code alike."""

NEEDLES = (b"message_", b'error"', b"signature_")
"""`message_start`, `message_delta` and `message_stop`; `error`; and signatures, which are long
and are no text. All of them are names, so no text delta is without need read for its words."""

_LONGEST = b'{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":""}}'
_TEXT_DELTA = b'"text_delta"'
_TEXT_IS_SHORTER = len('input_json_delta","partial_json') - len('text_delta","text')
_PADDING = b"  "
DISCOUNTS = (
    (b"data:", len(sse.encode(_LONGEST, "content_block_delta"))),
    (_TEXT_DELTA, -_TEXT_IS_SHORTER),
    (_PADDING, len(_PADDING)),
)
"""A delta's envelope, as if it were the longest kind and then corrected for text, the usual one;
and spaces, with which events are filled up so that their length does not tell the text's. `data:`
or spaces inside a text only make the count lower."""


class _Event(msgspec.Struct):
    type: str = ""
    message: Answer | None = None
    usage: Reported | None = None


_EVENT = msgspec.json.Decoder(_Event)


class _Reader:
    """The state of one stream."""

    __slots__ = ("_account",)

    def __init__(self, long_cache: bool) -> None:
        self._account = Account(long_cache=long_cache)

    def read(self, seen: Seen, name: bytes, data: bytes) -> bool:
        """Take one event; every event is relayed."""
        if name == b"content_block_delta":
            _count_text(seen, data)
        elif name == b"error":
            seen.failed = True
        else:
            self._read(seen, name, data)
        return True

    def _read(self, seen: Seen, name: bytes, data: bytes) -> None:
        try:
            event = _EVENT.decode(data)
        except (ValueError, RecursionError):
            return
        kind = event.type or name.decode(errors="replace")
        usage = event.usage
        if kind == "message_start" and event.message is not None:
            seen.model = event.message.model
            usage = event.message.usage
        elif kind == "message_stop":
            seen.complete = True
        elif kind == "error":
            seen.failed = True
        elif kind == "content_block_delta":
            _count_text(seen, data)
        if usage is not None and kind in {"message_start", "message_delta"}:
            seen.usage = self._account.add(usage)
            seen.model = self._account.served_by or seen.model


def _count_text(seen: Seen, data: bytes) -> None:
    """A text delta in which a needle happened to be found; signatures are no text."""
    if b'"signature_delta"' not in data:
        padding = len(_PADDING) * data.count(_PADDING)
        shorter = _TEXT_IS_SHORTER if _TEXT_DELTA in data else 0
        seen.text_bytes += max(0, len(data) - len(_LONGEST) + shorter - padding)


def rules(*, long_cache: bool) -> StreamRules:
    """The rules for one stream of a call that marked its prompt for the one-hour cache, or not."""
    return StreamRules(NEEDLES, _Reader(long_cache).read, DISCOUNTS)
