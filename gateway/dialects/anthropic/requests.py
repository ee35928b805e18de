"""What a Messages request says (provider-facts A1, A5), read without changing or copying it.

The body is decoded once, into the few fields that the gateway needs; everything below them stays
a slice of the body. Only messages which hold media are looked into.

Failure policy: what cannot be decoded at all, or has a wrong type in a field that is needed, is
the caller's error and is named; anything else that looks odd is left to the provider to judge.
"""

import re

import msgspec

from gateway.dialects.decoding import decode
from gateway.domain.call import BadCall, CallFacts

from . import prompt

MAX_TOKENS = 2**31 - 1
"""A larger `max_tokens` is read as this; the provider refuses it anyhow."""

_SESSION = re.compile(r"_session_([0-9A-Za-z-]{8,64})$")
_FIELD = re.compile(r"^(.*) - at `\$\.?(.*)`$")


class _Body(msgspec.Struct):
    model: str
    stream: bool | None = None
    max_tokens: int | float | None = None
    messages: list[msgspec.Raw] | None = None
    system: msgspec.Raw = msgspec.Raw(b"")
    tools: list[msgspec.Raw] | None = None
    metadata: msgspec.Raw = msgspec.Raw(b"null")
    thread: msgspec.Raw = msgspec.Raw(b"null")


class _Metadata(msgspec.Struct):
    user_id: str = ""


class _ClaudeCodeUser(msgspec.Struct):
    session_id: str = ""


class _Thread(msgspec.Struct):
    type: str = ""


_BODY = msgspec.json.Decoder(_Body)
_METADATA = msgspec.json.Decoder(_Metadata)
_CLAUDE_CODE_USER = msgspec.json.Decoder(_ClaudeCodeUser)
_THREAD = msgspec.json.Decoder(_Thread | None)
_UNREADABLE = (ValueError, RecursionError)  # ValueError: what msgspec and UTF-8 raise


def read(body: bytes, *, counting: bool = False) -> CallFacts:
    """The facts of a request to `/v1/messages`, or to `count_tokens` if `counting`.

    Raises:
        BadCall: The body is no JSON object, or a field that is needed has a wrong type.
    """
    fields = _decode(body)
    if not fields.model:
        raise BadCall("model: a model must be named", "model")
    messages = prompt.messages(body, fields.messages or ())
    head = prompt.head(fields.tools or (), fields.system)
    marks, lifetime_s = prompt.cache_marks(body)
    return CallFacts(
        model=fields.model,
        stream=bool(fields.stream) and not counting,
        max_output_tokens=0 if counting else _max_tokens(fields.max_tokens),
        prompt_bytes=sum(part.prompt_bytes for part in (*head, *messages)),
        media_tokens=sum(part.media_tokens for part in messages),
        session=_session(fields.metadata),
        server_history=_continues_thread(fields.thread),
        prefixes=prompt.cuts(head, messages, marks) if lifetime_s else (),
        cache_lifetime_s=lifetime_s,
        tools=len(fields.tools or ()),
    )


def _decode(body: bytes) -> _Body:
    try:
        return decode(_BODY, body)
    except msgspec.ValidationError as fault:
        raise _named(fault) from None
    except UnicodeDecodeError:
        raise BadCall("The request body is not valid UTF-8.") from None
    except RecursionError:
        raise BadCall("The request body is nested too deeply.") from None
    except msgspec.DecodeError as fault:
        raise BadCall(f"The request body is not valid JSON: {fault}") from None


def _named(fault: msgspec.ValidationError) -> BadCall:
    """Our words for a wrong type, with the field at fault."""
    text = str(fault)
    if "missing required field `model`" in text:
        return BadCall("model: field required", "model")
    found = _FIELD.match(text)
    if found is None:
        return BadCall(f"The request body must be a JSON object. {text}.")
    field = found[2].partition("[")[0]
    return BadCall(f"{field}: {found[1]}", field)


def _max_tokens(asked: float | None) -> int | None:
    return None if asked is None else int(min(max(asked, 0), MAX_TOKENS))


def _session(metadata: msgspec.Raw) -> str | None:
    """The conversation that Claude Code writes into `metadata.user_id`, in either of its forms."""
    try:
        user_id = _METADATA.decode(metadata).user_id
        if user_id.startswith("{"):
            return _CLAUDE_CODE_USER.decode(user_id).session_id or None
    except _UNREADABLE:
        return None
    found = _SESSION.search(user_id)
    return found[1] if found else None


def _continues_thread(raw: msgspec.Raw) -> bool:
    """Whether the provider holds a part of the prompt; a thread's first call brings all of it."""
    try:
        thread = _THREAD.decode(raw)
    except _UNREADABLE:
        return False
    return thread is not None and thread.type != "create"
