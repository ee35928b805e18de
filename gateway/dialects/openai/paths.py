"""What a path of the OpenAI API does (provider-facts B1)."""

import re

from gateway.domain.call import Endpoint, Matched

VERSION_ROOT = "/v1/"
_MODELS = "/v1/models"

CHAT = Matched(Endpoint.CHAT)
RESPONSES = Matched(Endpoint.RESPONSES)
EMBEDDINGS = Matched(Endpoint.EMBEDDINGS)
COUNT_TOKENS = Matched(Endpoint.COUNT_TOKENS)
MODELS = Matched(Endpoint.MODELS)
PASSTHROUGH = Matched(Endpoint.PASSTHROUGH)

_POSTED = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    # Compaction has the body of a response and carries its usage; Codex calls it (B8).
    "/v1/responses/compact": RESPONSES,
    "/v1/responses/input_tokens": COUNT_TOKENS,
    "/v1/embeddings": EMBEDDINGS,
}

_MESSAGES = re.compile(r"/v1/(?:messages(?:/|$)|complete/?$)")
"""Anthropic's paths."""
_METHOD = re.compile(r"/v1/\w+/[^/]+:\w+$")
"""Gemini's methods on a model, which its Python SDK calls below /v1 (B9). OpenAI posts to no path
with a colon, though a fine-tuned model's name, to be read or deleted, has them."""


def match(method: str, path: str) -> Matched | None:
    """The endpoint of a path; `None` for another dialect's. Every other /v1 path passes through.

    Reading, listing or deleting what is stored below an endpoint's path passes through as well.
    """
    if not path.startswith(VERSION_ROOT) or _MESSAGES.match(path):
        return None
    plain = path.removesuffix("/")
    if method == "POST":
        if _METHOD.match(path):
            return None
        return _POSTED.get(plain, PASSTHROUGH)
    if method == "GET" and (plain == _MODELS or plain.startswith(_MODELS + "/")):
        return MODELS
    return PASSTHROUGH


def model_of(path: str) -> str | None:
    """The model that a model path names, which may hold slashes; `None` for the list."""
    name = path.removeprefix(_MODELS).strip("/")
    return name or None
