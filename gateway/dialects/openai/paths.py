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

_OTHERS = re.compile(r"/v1/(?:messages(?:/|$)|complete/?$|(?:models|tunedModels)/[^/]+:\w+$)")
"""Anthropic's messages, and Gemini's methods, which its Python SDK calls below /v1 (B9)."""


def match(method: str, path: str) -> Matched | None:
    """The endpoint of a path; `None` for another dialect's. Every other /v1 path passes through.

    Reading, listing or deleting what is stored below an endpoint's path passes through as well.
    """
    if not path.startswith(VERSION_ROOT) or _OTHERS.match(path):
        return None
    plain = path.removesuffix("/")
    if method == "POST":
        return _POSTED.get(plain, PASSTHROUGH)
    if method == "GET" and (plain == _MODELS or plain.startswith(_MODELS + "/")):
        return MODELS
    return PASSTHROUGH


def model_of(path: str) -> str | None:
    """The model that a model path names, which may hold slashes; `None` for the list."""
    name = path.removeprefix(_MODELS).strip("/")
    return name or None
