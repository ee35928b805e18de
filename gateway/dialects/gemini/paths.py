"""What a path does in the Gemini API, and which paths are Gemini's at all (provider-facts B9)."""

import re
from dataclasses import replace
from urllib.parse import unquote

from gateway.domain.call import Endpoint, Matched

_ALPHA_OR_BETA = re.compile(r"v\d+(?:alpha|beta)\d*")
_V1_ROOTS = frozenset(
    {
        "batches",
        "cachedContents",
        "corpora",
        "dynamic",
        "fileSearchStores",
        "files",
        "interactions",
        "models",
        "openai",
        "operations",
        "tunedModels",
    }
)
"""What is Gemini's below `/v1/`, which the other dialects use as well."""
_EVENTS = re.compile(rb"(?:^|&)(?:\$|%24)?alt=sse(?:&|$)", re.IGNORECASE)
_MODEL_ROOTS = frozenset({"models", "tunedModels", "dynamic"})
_ACTIONS = {
    "generateContent": (Endpoint.GENERATE, False),
    "streamGenerateContent": (Endpoint.GENERATE, True),
    "countTokens": (Endpoint.COUNT_TOKENS, False),
    "embedContent": (Endpoint.EMBEDDINGS, False),
    "batchEmbedContents": (Endpoint.EMBEDDINGS, False),
}


def match(method: str, path: str, query: bytes = b"") -> Matched | None:
    """What a path does, or `None` if it is not Gemini's.

    Models below `models/` are named without it; tuned ones keep their `tunedModels/`. Paths with
    empty, `.` or `..` segments, plain or encoded, are nobody's: a provider might resolve them to
    another model than the one that was checked.
    """
    segments = unquote(path).split("/")[1:]
    if "" in segments[:-1] or not {".", ".."}.isdisjoint(segments):
        return None
    if len(segments) > 2 and segments[0] in {"upload", "download"}:
        return Matched(Endpoint.PASSTHROUGH) if _is_own(segments[1], segments[2]) else None
    if len(segments) < 2 or not _is_own(segments[0], segments[1]):
        return None
    if segments[1] not in _MODEL_ROOTS:
        return Matched(Endpoint.PASSTHROUGH)
    found = _match_model(method, segments[1], "/".join(segments[2:]))
    return replace(found, events=True) if found.stream and _EVENTS.search(query) else found


def _is_own(version: str, root: str) -> bool:
    if version == "v1":
        return root.partition(":")[0] in _V1_ROOTS
    return _ALPHA_OR_BETA.fullmatch(version) is not None


def _match_model(method: str, root: str, rest: str) -> Matched:
    name, colon, action = rest.rpartition(":")
    if not colon:
        name, action = rest, ""
    model = (name if root == "models" else f"{root}/{name}") if name else None
    if method in {"GET", "HEAD"} and root == "models" and not action:
        return Matched(Endpoint.MODELS, model)
    known = _ACTIONS.get(action)
    if method == "POST" and known is not None and model is not None:
        return Matched(known[0], model, known[1])
    return Matched(Endpoint.PASSTHROUGH, model)
