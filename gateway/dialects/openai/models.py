"""The model list in OpenAI's shape (provider-facts B8).

Codex asks for `{"models": [...]}` with about twenty fields a model, which describe its prompts
and tools; it alone knows right values for them. Given `{"data": [...]}` it fails to decode the
list and goes on with its built-in one, which works. A `models` list that we made up would replace
that one, so every client gets the same standard list.
"""

from collections.abc import Iterable

import msgspec
from msgspec import Raw, Struct

from gateway.dialects.codec import ModelEntry, Reply
from gateway.dialects.decoding import UNREADABLE, decode

from .paths import model_of
from .refusals import JSON, error_body


class _Model(Struct):
    id: str
    created: int | float | None = None
    owned_by: str | None = None


class _List(Struct):
    data: list[Raw]


_list = msgspec.json.Decoder(_List)
_entry = msgspec.json.Decoder(_Model)


def list_models(entries: Iterable[ModelEntry], path: str) -> Reply:
    """The list, or the one model in the path, or the 404 of a model that is not there."""
    wanted = model_of(path)
    if wanted is None:
        body = {"object": "list", "data": [Raw(_model(entry)) for entry in entries]}
        return Reply(200, (JSON,), msgspec.json.encode(body))
    for entry in entries:
        if entry.model == wanted:
            return Reply(200, (JSON,), _model(entry))
    message = f"The model {wanted[:200]!r} does not exist or is not among those you may use."
    body_404 = error_body(message, "invalid_request_error", "model_not_found", "model")
    return Reply(404, (JSON,), body_404)


def parse_models(body: bytes) -> tuple[ModelEntry, ...]:
    """The entries of a provider's own list; empty for what is not one."""
    try:
        told = [(decode(_entry, bytes(raw)), bytes(raw)) for raw in decode(_list, body).data]
    except UNREADABLE:
        return ()
    return tuple(
        ModelEntry(model.id, model.id, int(model.created or 0), model.owned_by or "openai", raw)
        for model, raw in told
    )


def _model(entry: ModelEntry) -> bytes:
    if entry.told:
        return entry.told
    made_up = {
        "id": entry.model,
        "object": "model",
        "created": entry.created_s,
        "owned_by": entry.owner,
    }
    return msgspec.json.encode(made_up)
