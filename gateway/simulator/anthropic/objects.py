"""Files and message batches: enough for a client to create, list and fetch them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.simulator.anthropic.errors import invalid
from gateway.simulator.call import Call
from gateway.simulator.errors import ApiError


def _stamp(at: datetime) -> str:
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


async def create_batch(call: Call) -> None:
    """`POST /v1/messages/batches`."""
    body = await call.read_json()
    await call.meet(None)
    requests = body.get("requests")
    if not isinstance(requests, list) or not requests:
        raise invalid("requests: Field required")
    created = datetime.fromtimestamp(call.state.wall(), UTC)
    batch: dict[str, Any] = {
        "id": call.state.new_id("msgbatch_"),
        "type": "message_batch",
        "processing_status": "in_progress",
        "request_counts": {
            "processing": len(requests),
            "succeeded": 0,
            "errored": 0,
            "canceled": 0,
            "expired": 0,
        },
        "created_at": _stamp(created),
        "expires_at": _stamp(created + timedelta(hours=24)),
        "ended_at": None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": None,
    }
    call.state.keep(batch["id"], batch)
    await call.reply(batch)


async def list_batches(call: Call) -> None:
    """`GET /v1/messages/batches`."""
    await call.meet(None)
    await call.reply(_page(call, "msgbatch_"))


async def get_batch(call: Call) -> None:
    """`GET /v1/messages/batches/{id}`."""
    await call.meet(None)
    await call.reply(_stored(call, "msgbatch_"))


async def upload_file(call: Call) -> None:
    """`POST /v1/files`: takes any bytes; a multipart envelope is not opened."""
    data = await call.read_bytes()
    await call.meet(None)
    file: dict[str, Any] = {
        "id": call.state.new_id("file_"),
        "type": "file",
        "filename": "upload.bin",
        "mime_type": "application/octet-stream",
        "size_bytes": len(data),
        "created_at": _stamp(datetime.fromtimestamp(call.state.wall(), UTC)),
        "downloadable": False,
    }
    call.state.keep(file["id"], file)
    await call.reply(file)


async def list_files(call: Call) -> None:
    """`GET /v1/files`."""
    await call.meet(None)
    await call.reply(_page(call, "file_"))


async def get_file(call: Call) -> None:
    """`GET /v1/files/{id}`."""
    await call.meet(None)
    await call.reply(_stored(call, "file_"))


def _page(call: Call, prefix: str) -> dict[str, Any]:
    found = [value for key, value in call.state.stored.items() if key.startswith(prefix)]
    return {
        "data": found,
        "has_more": False,
        "first_id": found[0]["id"] if found else None,
        "last_id": found[-1]["id"] if found else None,
    }


def _stored(call: Call, prefix: str) -> dict[str, Any]:
    name = call.exchange.path.rsplit("/", 1)[-1]
    value = call.state.stored.get(name) if name.startswith(prefix) else None
    if value is None:
        raise ApiError(404, "not_found_error", f"Not found: {name}")
    found: dict[str, Any] = value
    return found
