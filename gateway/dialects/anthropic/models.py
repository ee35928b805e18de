"""The model list in Anthropic's shape, written and read (provider-facts A9)."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from gateway.dialects.codec import ModelEntry, Reply

from .errors import body as error_body

ROOT = "/v1/models"
_JSON = ((b"content-type", b"application/json"),)
_LAST_SECOND = 253_402_300_799  # of the year 9999


class _Model(msgspec.Struct):
    id: str
    display_name: str
    created_at: str
    type: str = "model"


class _List(msgspec.Struct):
    data: list[_Model]
    has_more: bool
    first_id: str | None
    last_id: str | None


class _Told(msgspec.Struct):
    id: str
    display_name: str | None = None
    created_at: str | None = None


class _ToldList(msgspec.Struct):
    data: list[_Told]


_TOLD = msgspec.json.Decoder(_ToldList)


def list_models(entries: Iterable[ModelEntry], path: str) -> Reply:
    """All models on one page; or the one that the path names."""
    models = [_model(entry) for entry in entries]
    wanted = path.removeprefix(ROOT).strip("/")
    if not wanted:
        ids = [model.id for model in models]
        page = _List(models, False, ids[0] if ids else None, ids[-1] if ids else None)
        return Reply(200, _JSON, msgspec.json.encode(page))
    for model in models:
        if model.id == wanted:
            return Reply(200, _JSON, msgspec.json.encode(model))
    return Reply(404, _JSON, error_body("not_found_error", f"model: {wanted}", None, ""))


def parse_models(body: bytes) -> tuple[ModelEntry, ...]:
    """The entries of Anthropic's own list; empty for what is not one."""
    try:
        told = _TOLD.decode(body).data
    except (ValueError, RecursionError):
        return ()
    return tuple(
        ModelEntry(one.id, one.display_name or one.id, _seconds(one.created_at), "anthropic")
        for one in told
    )


def _model(entry: ModelEntry) -> _Model:
    created = datetime.fromtimestamp(min(max(0, entry.created_s), _LAST_SECOND), UTC)
    return _Model(entry.model, entry.display_name, created.strftime("%Y-%m-%dT%H:%M:%SZ"))


def _seconds(created_at: str | None) -> int:
    try:
        created = datetime.fromisoformat(created_at or "")
    except ValueError:
        return 0
    return int((created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp())
