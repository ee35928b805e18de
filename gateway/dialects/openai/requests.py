"""The facts of a request body (provider-facts B1, B5, B6).

Only fields that the gateway needs have a type here; all others may be anything, since new ones
appear every month and OpenAI-compatible servers have their own. A field whose wrong type would
only cost the gateway a hint (`prompt_cache_key`) is then taken as absent: the provider knows
better than we do what is wrong with it.
"""

import re
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Raw, Struct

from gateway.dialects.decoding import decode
from gateway.domain.call import BadCall, CallFacts, Endpoint, Matched

from .prompt import measure

IMPLICIT_CACHE_LIFETIME_S = 30 * 60
"""provider-facts B6: the default `ttl` of `prompt_cache_options`. Older models promise less."""
CACHE_LIFETIMES_S = {"30m": 30 * 60, "12h": 12 * 3600, "24h": 24 * 3600, "in_memory": 5 * 60}
"""provider-facts B6: values of `ttl` and `prompt_cache_retention`; the page gives no length for
`in_memory`, so the shortest that is plausible."""

_MOST = 2**53 - 1
_Count = Annotated[int, Meta(ge=0, le=_MOST)] | Annotated[float, Meta(ge=0, le=_MOST)]
"""Some languages write 9 as 9.0, and servers take it."""
_Choices = Annotated[int, Meta(ge=1, le=2**20)]
_NULL = Raw(b"null")
_WHERE = re.compile(r"(.*?) - at `\$\.?(.*)`$", re.DOTALL)
_MISSING = re.compile(r"missing required field `(\w+)`")
_BREAKPOINT = b'"prompt_cache_breakpoint"'
_IMAGE_TOOL = b'"image_generation"'

_T = TypeVar("_T")


class _StreamOptions(Struct):
    include_usage: bool | None = None


class _Prompted(Struct):
    """What chat and responses have in common."""

    model: str
    stream: bool | None = None
    tools: list[Raw] | None = None
    prompt_cache_key: object = None
    prompt_cache_options: object = None
    prompt_cache_retention: object = None


class _Chat(_Prompted):
    messages: list[Raw] | None = None
    functions: list[Raw] | None = None
    max_completion_tokens: _Count | None = None
    max_tokens: _Count | None = None
    n: _Choices | None = None
    stream_options: _StreamOptions | None = None
    modalities: object = None
    response_format: Raw = _NULL


class _Responses(_Prompted):
    input: Raw = _NULL
    instructions: Raw = _NULL
    text: Raw = _NULL
    max_output_tokens: _Count | None = None
    previous_response_id: object = None
    conversation: object = None
    prompt: object = None


class _Embeddings(Struct):
    model: str
    input: Raw = _NULL


_chat = msgspec.json.Decoder(_Chat)
_responses = msgspec.json.Decoder(_Responses)
_embeddings = msgspec.json.Decoder(_Embeddings)
_list = msgspec.json.Decoder(list[Raw])


def read(matched: Matched, body: bytes) -> CallFacts:
    """The facts of a body.

    Raises:
        BadCall: Malformed, no model, or a wrong type in a field that is needed.
    """
    match matched.endpoint:
        case Endpoint.CHAT:
            return _of_chat(_decoded(_chat, body), body)
        case Endpoint.EMBEDDINGS:
            return _of_embeddings(_decoded(_embeddings, body))
        case Endpoint.RESPONSES:
            return _of_responses(_decoded(_responses, body), body, counts_only=False)
        case Endpoint.COUNT_TOKENS:
            return _of_responses(_decoded(_responses, body), body, counts_only=True)
        case _:
            raise BadCall(f"There is no body to read at an endpoint of kind {matched.endpoint}.")


def _of_chat(call: _Chat, body: bytes) -> CallFacts:
    stream = call.stream is True
    options = call.stream_options
    tools = (call.tools or []) + (call.functions or [])
    lifetime_s = _cache_lifetime_s(call, body)
    measured = measure(
        body,
        _seed(call, call.response_format),
        [memoryview(piece) for piece in (*tools, *(call.messages or []))],
        cached=lifetime_s > 0,
    )
    asked = _whole(call.max_completion_tokens, "max_completion_tokens")
    asked_before = _whole(call.max_tokens, "max_tokens")
    return CallFacts(
        model=_model(call.model),
        stream=stream,
        max_output_tokens=asked_before if asked is None else asked,
        choices=call.n or 1,
        prompt_bytes=measured.prompt_bytes,
        media_tokens=measured.media_tokens,
        text_only_output=not (isinstance(call.modalities, list) and "audio" in call.modalities),
        usage_requested=not stream or (options is not None and options.include_usage is True),
        session=_text(call.prompt_cache_key),
        prefixes=measured.prefixes,
        cache_lifetime_s=lifetime_s,
        tools=len(tools),
    )


def _of_responses(call: _Responses, body: bytes, *, counts_only: bool) -> CallFacts:
    tools = call.tools or []
    lifetime_s = 0 if counts_only else _cache_lifetime_s(call, body)
    instructions = memoryview(call.instructions)
    pieces = [memoryview(tool) for tool in tools]
    if bytes(instructions) != b"null":
        pieces.append(instructions)
    pieces.extend(_input_items(call.input))
    measured = measure(body, _seed(call, call.text), pieces, cached=lifetime_s > 0)
    conversation = call.conversation
    if isinstance(conversation, dict):
        conversation = conversation.get("id")
    most = _whole(call.max_output_tokens, "max_output_tokens")
    held = (call.previous_response_id, conversation, call.prompt)
    return CallFacts(
        model=_model(call.model),
        stream=call.stream is True and not counts_only,
        max_output_tokens=0 if counts_only else most,
        prompt_bytes=measured.prompt_bytes,
        media_tokens=measured.media_tokens,
        text_only_output=not any(_IMAGE_TOOL in bytes(tool) for tool in tools),
        session=_text(call.prompt_cache_key) or _text(conversation),
        server_history=any(part is not None for part in held),
        prefixes=measured.prefixes,
        cache_lifetime_s=lifetime_s,
        tools=len(tools),
    )


def _of_embeddings(call: _Embeddings) -> CallFacts:
    """Text counts as bytes; token arrays are an exact count, which goes into `media_tokens`."""
    text_bytes = tokens = 0
    pieces = _input_items(call.input)
    for piece in pieces:
        first = piece[:1].tobytes()
        if first == b'"':
            text_bytes += len(piece)
        elif first == b"[":
            tokens += len(_list.decode(piece))
        elif first.isdigit():
            tokens += 1
        else:
            raise BadCall("input must be text, a list of texts, or tokens.", "input")
    return CallFacts(
        model=_model(call.model),
        max_output_tokens=0,
        prompt_bytes=text_bytes,
        media_tokens=tokens,
    )


def _input_items(value: Raw) -> list[memoryview]:
    """The pieces of `input`: one text, or the items of a list."""
    view = memoryview(value)
    match view[:1].tobytes():
        case b'"':
            return [view]
        case b"[":
            return [memoryview(item) for item in _list.decode(value)]
        case b"n":
            return []
        case _:
            raise BadCall("input must be a text or a list.", "input")


def _seed(call: _Prompted, output_format: Raw) -> bytes:
    """What a cache entry depends on besides the prompt (provider-facts B6).

    Calls with different keys are routed to different caches; the schema of a structured answer
    is put before the prompt.
    """
    key = _text(call.prompt_cache_key) or ""
    return key.encode(errors="replace") + b"\0" + bytes(output_format)


def _cache_lifetime_s(call: _Prompted, body: bytes) -> int:
    """How long this prompt will be cached; 0 if it will not."""
    options = call.prompt_cache_options
    ttl = None
    if isinstance(options, dict):
        if options.get("mode") == "explicit" and _BREAKPOINT not in body:
            return 0
        ttl = _text(options.get("ttl"))
    named = ttl or _text(call.prompt_cache_retention)
    return CACHE_LIFETIMES_S.get(named or "", IMPLICIT_CACHE_LIFETIME_S)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _whole(value: int | float | None, param: str) -> int | None:
    if value is None or isinstance(value, int):
        return value
    if not value.is_integer():
        raise BadCall(f"{param} must be a whole number.", param)
    return int(value)


def _model(name: str) -> str:
    if not name:
        raise BadCall("model must not be empty.", "model")
    return name


def _decoded(decoder: msgspec.json.Decoder[_T], body: bytes) -> _T:
    try:
        return decode(decoder, body)
    except msgspec.ValidationError as fault:
        raise _bad_field(str(fault)) from None
    except msgspec.DecodeError as fault:
        raise BadCall(f"The body is not valid JSON: {fault}.") from None
    except UnicodeDecodeError:
        raise BadCall("The body is not valid UTF-8.") from None
    except RecursionError:
        raise BadCall("The body is nested too deeply.") from None


def _bad_field(fault: str) -> BadCall:
    """A message that names the field, from msgspec's."""
    if missing := _MISSING.search(fault):
        return BadCall(f"{missing[1]} is missing.", missing[1])
    if where := _WHERE.match(fault):
        what, param = where[1], where[2]
        return BadCall(f"{param}: {what[:1].lower()}{what[1:]}.", param)
    return BadCall(f"The body is not understood: {fault}.")
