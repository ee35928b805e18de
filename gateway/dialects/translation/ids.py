"""Names of answers and of tool calls, made from one another so that the same always gives the same.

Each format has a prefix and bounds of its own. What fits is kept as it is, so that a client finds
in its log what the provider has in its own.
"""

import re
from hashlib import blake2b

MAX_CALL_ID = 40
"""The shortest bound of all formats: OpenAI's on `tool_calls[].id`."""
_CALL_ID = re.compile(r"[a-zA-Z0-9_-]{1,40}")
_ANSWER_PREFIXES = ("chatcmpl-", "msg_", "resp_")
_SAFE = re.compile(r"[^a-zA-Z0-9]")
_TAIL = 24


def bare(answer_id: str) -> str:
    """An answer's id without the prefix of its format."""
    for prefix in _ANSWER_PREFIXES:
        if answer_id.startswith(prefix):
            return answer_id[len(prefix) :]
    return answer_id


def made(prefix: str, answer_id: str, number: int) -> str:
    """An id for the numbered part of an answer."""
    return f"{prefix}{_SAFE.sub('', answer_id)[-_TAIL:]}{number:02d}"


def fitted(call_id: str) -> str:
    """A tool call's id as every provider takes it."""
    if _CALL_ID.fullmatch(call_id):
        return call_id
    return "call_" + blake2b(call_id.encode(errors="replace"), digest_size=12).hexdigest()
