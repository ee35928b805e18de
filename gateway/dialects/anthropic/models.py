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
    data: list[msgspec.Raw]
    has_more: bool
    first_id: str | None
    last_id: str | None


class _Told(msgspec.Struct):
    id: str
    display_name: str | None = None
    created_at: str | None = None


class _ToldList(msgspec.Struct):
    data: list[msgspec.Raw]


_LIST = msgspec.json.Decoder(_ToldList)
_TOLD = msgspec.json.Decoder(_Told)


def list_models(entries: Iterable[ModelEntry], path: str) -> Reply:
    """All models on one page; or the one that the path names."""
    known = list(entries)
    wanted = path.removeprefix(ROOT).strip("/")
    if not wanted:
        first, last = (known[0].model, known[-1].model) if known else (None, None)
        page = _List([msgspec.Raw(_model(entry)) for entry in known], False, first, last)
        return Reply(200, _JSON, msgspec.json.encode(page))
    for entry in known:
        if entry.model == wanted:
            return Reply(200, _JSON, _model(entry))
    return Reply(404, _JSON, error_body("not_found_error", f"model: {wanted}", None, ""))


def parse_models(body: bytes) -> tuple[ModelEntry, ...]:
    """The entries of Anthropic's own list; empty for what is not one."""
    try:
        told = [(_TOLD.decode(raw), bytes(raw)) for raw in _LIST.decode(body).data]
    except (ValueError, RecursionError):
        return ()
    return tuple(
        ModelEntry(one.id, one.display_name or one.id, _seconds(one.created_at), "anthropic", raw)
        for one, raw in told
    )


def _model(entry: ModelEntry) -> bytes:
    if entry.told:
        return entry.told
    created = datetime.fromtimestamp(min(max(0, entry.created_s), _LAST_SECOND), UTC)
    stamp = created.strftime("%Y-%m-%dT%H:%M:%SZ")
    return msgspec.json.encode(_Model(entry.model, entry.display_name, stamp))


def _seconds(created_at: str | None) -> int:
    try:
        created = datetime.fromisoformat(created_at or "")
    except ValueError:
        return 0
    return int((created if created.tzinfo else created.replace(tzinfo=UTC)).timestamp())
