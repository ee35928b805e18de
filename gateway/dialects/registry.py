"""All dialects, and how they are told apart on one host.

The anthropic and google-genai SDKs are pointed at `http://HOST:8080`, openai at
`http://HOST:8080/v1`, so all three ask for paths below `/v1/`. Most paths belong to one API only.
Where two share one (models, files, batches, anything new), the headers decide: each SDK sends some
that no other does, and what shows no sign is taken for OpenAI's, whose clients are the plainest.
"""

from gateway.domain.call import Dialect, Matched

from .anthropic.codec import AnthropicCodec
from .codec import Codec, RawHeaders
from .gemini.codec import GeminiCodec
from .openai.codec import OpenAICodec

CODECS: dict[Dialect, Codec] = {
    Dialect.ANTHROPIC: AnthropicCodec(),
    Dialect.OPENAI: OpenAICodec(),
    Dialect.GEMINI: GeminiCodec(),
}

_GEMINI_ROOTS = ("/v1beta", "/v1alpha", "/upload/", "/download/", "/v1/upload/")
_OWNERS = {
    **dict.fromkeys(("messages", "complete", "skills", "organizations"), Dialect.ANTHROPIC),
    **dict.fromkeys(
        (
            *("chat", "completions", "responses", "conversations", "embeddings", "moderations"),
            *("audio", "images", "videos", "uploads", "vector_stores", "fine_tuning", "realtime"),
            *("assistants", "threads", "containers", "evals"),
        ),
        Dialect.OPENAI,
    ),
    **dict.fromkeys(
        ("cachedContents", "tunedModels", "operations", "interactions", "corpora"), Dialect.GEMINI
    ),
}
_SIGNS = {
    b"anthropic-version": Dialect.ANTHROPIC,
    b"anthropic-beta": Dialect.ANTHROPIC,
    b"x-api-key": Dialect.ANTHROPIC,
    b"x-goog-api-key": Dialect.GEMINI,
    b"x-goog-api-client": Dialect.GEMINI,
}


def match(
    method: str, path: str, headers: RawHeaders, query: bytes = b""
) -> tuple[Codec, Matched] | None:
    """Which dialect a request speaks and what its path does; `None` if nobody knows the path.

    Args:
        method: Upper case.
        path: Without the query.
        headers: Names in lower case, as ASGI has them.
        query: The query string; only a `key` in it tells the dialect, Gemini's way to send one.
    """
    codec = CODECS[_dialect(method, path, headers, query)]
    matched = codec.match(method, path, query)
    return None if matched is None else (codec, matched)


def _dialect(method: str, path: str, headers: RawHeaders, query: bytes) -> Dialect:
    if path.startswith(_GEMINI_ROOTS):
        return Dialect.GEMINI
    first, _, rest = path.removeprefix("/v1/").partition("/")
    owner = _OWNERS.get(first)
    if owner is not None:
        return owner
    # `models/M:generateContent`; a colon in a GET may be part of a name (OpenAI's `ft:…`).
    if method == "POST" and ":" in rest:
        return Dialect.GEMINI
    return _signed(headers, query)


def _signed(headers: RawHeaders, query: bytes) -> Dialect:
    found = {_SIGNS[name] for name, _ in headers if name in _SIGNS}
    for dialect in (Dialect.ANTHROPIC, Dialect.GEMINI):
        if dialect in found:
            return dialect
    has_key = any(part.startswith(b"key=") for part in query.split(b"&"))
    return Dialect.GEMINI if has_key else Dialect.OPENAI
