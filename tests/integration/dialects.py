"""For each wire format and endpoint: a path, the least body, and answers that are whole."""

from collections.abc import Sequence
from dataclasses import dataclass

JSON, SSE = b"application/json", b"text/event-stream; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Door:
    """One endpoint with a codec.

    Attributes:
        path: Target without a query.
        members: JSON members that a body needs, as text.
        answer: A whole unary answer.
        stream: The events of a whole streamed answer; empty if there is none.
        streams: The member that asks for a stream; empty where the path does.
        credential: The header field in which the provider wants its key.
    """

    name: str
    path: bytes
    members: Sequence[str]
    answer: bytes
    stream: Sequence[bytes] = ()
    streams: Sequence[str] = ()
    credential: tuple[bytes, bytes] = (b"", b"")

    def __str__(self) -> str:
        """For test ids."""
        return self.name


def _named(name: bytes, data: bytes) -> bytes:
    return b"event: " + name + b"\ndata: " + data + b"\n\n"


_ANTHROPIC = (b"x-api-key", b"sim-anthropic-key")
_OPENAI = (b"authorization", b"Bearer sim-openai-key")
_GEMINI = (b"x-goog-api-key", b"sim-gemini-key")

_MESSAGE = (
    b'{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],'
    b'"usage":{"input_tokens":3,"output_tokens":5}}'
)
MESSAGES = Door(
    "messages",
    b"/v1/messages",
    ('"model":"claude-sonnet-5"', '"max_tokens":7', '"messages":[{"role":"user","content":"hi"}]'),
    _MESSAGE,
    (
        _named(b"message_start", b'{"type":"message_start","message":%b}' % _MESSAGE),
        _named(b"ping", b'{"type":"ping"}'),
        _named(
            b"content_block_delta",
            b'{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"hi"}}',
        ),
        _named(
            b"message_delta",
            b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},'
            b'"usage":{"output_tokens":5}}',
        ),
        _named(b"message_stop", b'{"type":"message_stop"}'),
    ),
    ('"stream":true',),
    _ANTHROPIC,
)
COUNT_TOKENS = Door(
    "count_tokens",
    b"/v1/messages/count_tokens",
    ('"model":"claude-sonnet-5"', '"messages":[{"role":"user","content":"hi"}]'),
    b'{"input_tokens":3}',
    credential=_ANTHROPIC,
)
_USAGE = b'"usage":{"prompt_tokens":3,"completion_tokens":5,"total_tokens":8}'
CHAT = Door(
    "chat",
    b"/v1/chat/completions",
    ('"model":"gpt-4o-mini"', '"messages":[{"role":"user","content":"hi"}]'),
    b'{"id":"c","object":"chat.completion","choices":[],%b}' % _USAGE,
    (
        b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"hi"}}],"usage":null}\n\n',
        b'data: {"id":"c","choices":[],%b}\n\n' % _USAGE,
        b"data: [DONE]\n\n",
    ),
    ('"stream":true', '"stream_options":{"include_usage":true}'),
    _OPENAI,
)
_RESPONSE = (
    b'{"id":"r","object":"response","output":[],'
    b'"usage":{"input_tokens":3,"output_tokens":5,"total_tokens":8}}'
)
RESPONSES = Door(
    "responses",
    b"/v1/responses",
    ('"model":"gpt-5"', '"input":"hi"'),
    _RESPONSE,
    (
        _named(b"response.created", b'{"type":"response.created","response":{"id":"r"}}'),
        _named(
            b"response.output_text.delta", b'{"type":"response.output_text.delta","delta":"hi"}'
        ),
        _named(b"response.completed", b'{"type":"response.completed","response":%b}' % _RESPONSE),
    ),
    ('"stream":true',),
    _OPENAI,
)
EMBEDDINGS = Door(
    "embeddings",
    b"/v1/embeddings",
    ('"model":"text-embedding-3-small"', '"input":"hi"'),
    b'{"object":"list","data":[],"usage":{"prompt_tokens":3,"total_tokens":3}}',
    credential=_OPENAI,
)
_CONTENT = (
    b'{"candidates":[{"content":{"parts":[{"text":"hi"}]}%b}],'
    b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":5,"totalTokenCount":8}}'
)
_STOP = b',"finishReason":"STOP"'
_CONTENTS = ('"contents":[{"parts":[{"text":"hi"}]}]',)
GENERATE = Door(
    "generate",
    b"/v1beta/models/gemini-2.5-flash:generateContent",
    _CONTENTS,
    _CONTENT % _STOP,
    credential=_GEMINI,
)
STREAM_GENERATE = Door(
    "stream_generate",
    b"/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
    _CONTENTS,
    b"[" + _CONTENT % _STOP + b"]",
    (
        b"data: " + _CONTENT % b"" + b"\r\n\r\n",
        b"data: " + _CONTENT % _STOP + b"\r\n\r\n",
    ),
    credential=_GEMINI,
)
GEMINI_COUNT = Door(
    "gemini_count",
    b"/v1beta/models/gemini-2.5-flash:countTokens",
    _CONTENTS,
    b'{"totalTokens":3}',
    credential=_GEMINI,
)
EMBED = Door(
    "embed",
    b"/v1beta/models/gemini-embedding-001:embedContent",
    ('"content":{"parts":[{"text":"hi"}]}',),
    b'{"embedding":{"values":[0.5]}}',
    credential=_GEMINI,
)
DOORS = (
    *(MESSAGES, COUNT_TOKENS, CHAT, RESPONSES, EMBEDDINGS),
    *(GENERATE, STREAM_GENERATE, GEMINI_COUNT, EMBED),
)
STREAMING = tuple(door for door in DOORS if door.stream)


def body_of(members: Sequence[str]) -> bytes:
    """A JSON object."""
    return ("{" + ",".join(members) + "}").encode()
