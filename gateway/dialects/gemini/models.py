"""The model list in Gemini's shape."""

from collections.abc import Iterable

import msgspec

from gateway.dialects.codec import ModelEntry, Reply

from .errors import JSON_TYPE, not_found
from .paths import match

_PREFIX = "models/"
_GENERATES = ["generateContent", "countTokens"]
_EMBEDS = ["embedContent", "batchEmbedContents", "countTokens"]


class _Listed(msgspec.Struct):
    name: str = ""
    display_name: str = msgspec.field(name="displayName", default="")


class _List(msgspec.Struct):
    models: list[msgspec.Raw] = []


def list_models(entries: Iterable[ModelEntry], path: str) -> Reply:
    """The whole list, or the one model that the path names; 404 if it is not among them."""
    found = match("GET", path)
    wanted = None if found is None else found.model
    if wanted is None:
        models = [msgspec.Raw(_described(entry)) for entry in entries]
        return Reply(200, (JSON_TYPE,), msgspec.json.encode({"models": models}))
    for entry in entries:
        if entry.model.removeprefix(_PREFIX) == wanted:
            return Reply(200, (JSON_TYPE,), _described(entry))
    return not_found(f"{_PREFIX}{wanted[:200]} is not found, or this agent may not use it.")


def _described(entry: ModelEntry) -> bytes:
    if entry.told:
        return entry.told
    model = entry.model.removeprefix(_PREFIX)
    made_up = {
        "name": model if model.startswith("tunedModels/") else _PREFIX + model,
        "displayName": entry.display_name or model,
        "supportedGenerationMethods": _EMBEDS if "embedding" in model else _GENERATES,
    }
    return msgspec.json.encode(made_up)


def parse_models(body: bytes) -> tuple[ModelEntry, ...]:
    """The entries of the provider's own list, without `models/`; empty for what is not one."""
    try:
        told = msgspec.json.decode(body, type=_List).models
        listed = [(msgspec.json.decode(raw, type=_Listed), bytes(raw)) for raw in told]
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return ()
    found = []
    for each, raw in listed:
        model = each.name.removeprefix(_PREFIX)
        if model:
            found.append(ModelEntry(model, each.display_name or model, 0, "google", raw))
    return tuple(found)
