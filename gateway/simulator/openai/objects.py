"""Embeddings, models, files and batches of the OpenAI API."""

import struct
from base64 import b64encode
from typing import Any

from gateway.simulator.caching import CacheUse
from gateway.simulator.call import Call
from gateway.simulator.embedding import vector
from gateway.simulator.errors import ApiError
from gateway.simulator.limits import Demand
from gateway.simulator.models import Model
from gateway.simulator.openai.errors import invalid, limit_headers, unknown_model
from gateway.simulator.settings import OPENAI
from gateway.simulator.tokenizer import count_tokens

_CREATED = 1_767_225_600
_DIMENSIONS = {"text-embedding-3-large": 3072}


async def embeddings(call: Call) -> None:
    """`POST /v1/embeddings`; limits are charged by the estimate from characters."""
    body = await call.read_json()
    await call.meet(body.get("model"))
    model = call.model
    if model is None:
        raise unknown_model(body.get("model"))
    texts = _inputs(body.get("input"))
    tokens = sum(n for _, n in texts)
    estimate = sum(-(-len(text) // 4) for text, _ in texts)
    lane = call.admit(model, Demand(tokens=max(1, estimate)))
    call.read_input(CacheUse(uncached=tokens))
    dimensions = body.get("dimensions") or _DIMENSIONS.get(model.id, 1536)
    if not isinstance(dimensions, int) or not 1 <= dimensions <= 4096:
        raise invalid("Invalid 'dimensions'.", "dimensions")
    packed = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": _written(text, dimensions, packed=packed)}
        for i, (text, _) in enumerate(texts)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    answer = {"object": "list", "data": data, "model": call.record.model, "usage": usage}
    await call.reply(answer, limit_headers(call, lane))


def _written(text: str, dimensions: int, *, packed: bool) -> list[float] | str:
    values = vector(text, dimensions)
    if not packed:
        return values
    return b64encode(struct.pack(f"<{dimensions}f", *values)).decode()


def _inputs(value: Any) -> list[tuple[str, int]]:
    """Texts with their tokens; token ids count as they are."""
    if isinstance(value, str):
        return [(value, count_tokens(value))]
    if not isinstance(value, list) or not value:
        raise invalid("'$.input' is invalid.", "input")
    if all(isinstance(v, int) for v in value):
        return [(str(value), len(value))]
    found = []
    for part in value:
        if isinstance(part, str):
            found.append((part, count_tokens(part)))
        elif isinstance(part, list):
            found.append((str(part), len(part)))
        else:
            raise invalid("'$.input' is invalid.", "input")
    return found


async def list_models(call: Call) -> None:
    """`GET /v1/models`."""
    await call.meet(None)
    data = [_model(m) for m in call.state.catalogue.of(OPENAI)]
    await call.reply({"object": "list", "data": data})


async def get_model(call: Call) -> None:
    """`GET /v1/models/{id}`."""
    await call.meet(None)
    name = call.exchange.path.rsplit("/", 1)[-1]
    model = call.state.catalogue.find(OPENAI, name)
    if model is None:
        raise unknown_model(name)
    await call.reply(_model(model))


def _model(model: Model) -> dict[str, Any]:
    return {"id": model.id, "object": "model", "created": _CREATED, "owned_by": "simulator"}


async def upload_file(call: Call) -> None:
    """`POST /v1/files`: takes any bytes; a multipart envelope is not opened."""
    data = await call.read_bytes()
    await call.meet(None)
    file: dict[str, Any] = {
        "id": call.state.new_id("file-"),
        "object": "file",
        "bytes": len(data),
        "created_at": int(call.state.wall()),
        "filename": "upload.bin",
        "purpose": "batch",
        "status": "processed",
    }
    call.state.keep(file["id"], file)
    await call.reply(file)


async def create_batch(call: Call) -> None:
    """`POST /v1/batches`."""
    body = await call.read_json()
    await call.meet(None)
    for name in ("input_file_id", "endpoint", "completion_window"):
        if not isinstance(body.get(name), str):
            message = f"Missing required parameter: '{name}'."
            raise invalid(message, name, "missing_required_parameter")
    now = int(call.state.wall())
    batch: dict[str, Any] = {
        "id": call.state.new_id("batch_"),
        "object": "batch",
        "endpoint": body["endpoint"],
        "input_file_id": body["input_file_id"],
        "completion_window": body["completion_window"],
        "status": "validating",
        "created_at": now,
        "expires_at": now + 86_400,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
        "metadata": body.get("metadata"),
    }
    call.state.keep(batch["id"], batch)
    await call.reply(batch)


async def list_objects(call: Call) -> None:
    """`GET /v1/files` and `GET /v1/batches`."""
    await call.meet(None)
    prefix = "file-" if call.exchange.path.endswith("/files") else "batch_"
    data = [v for k, v in call.state.stored.items() if k.startswith(prefix)]
    page = {
        "object": "list",
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }
    await call.reply(page)


async def get_object(call: Call) -> None:
    """`GET /v1/files/{id}` and `GET /v1/batches/{id}`."""
    await call.meet(None)
    name = call.exchange.path.rsplit("/", 1)[-1]
    value = call.state.stored.get(name)
    if not isinstance(value, dict):
        raise ApiError(404, "invalid_request_error", f"No such object: {name}", param="id")
    await call.reply(value)
