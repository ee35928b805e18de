"""Bodies that are JSON objects: read by hand, so that what is wrong is said precisely.

`Document` is the body of a PUT or POST, `Patch` that of a PATCH: a JSON merge patch (RFC 7396),
as `application/merge-patch+json` or plain `application/json`.
"""

import json
from collections.abc import Mapping
from typing import Annotated, Any, NoReturn, TypeAlias

from fastapi import Depends, HTTPException, Request

from gateway.domain.access import Json

MAX_BYTES = 256 * 1024
MAX_DEPTH = 16
JSON_TYPE = "application/json"
MERGE_PATCH = "application/merge-patch+json"


def merged(target: Json, patch: Json) -> Json:
    """`target` after a merge patch (RFC 7396, section 2)."""
    if not isinstance(patch, Mapping):
        return patch
    result: dict[str, Json] = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


async def _document(request: Request) -> dict[str, Any]:
    return await _read(request, {JSON_TYPE})


async def _patch(request: Request) -> dict[str, Any]:
    return await _read(request, {JSON_TYPE, MERGE_PATCH})


Document: TypeAlias = Annotated[dict[str, Any], Depends(_document)]
Patch: TypeAlias = Annotated[dict[str, Any], Depends(_patch)]


async def _read(request: Request, accepted: set[str]) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in accepted:
        raise HTTPException(415, f"The body has to be {' or '.join(sorted(accepted))}.")
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BYTES:
            raise HTTPException(413, f"The body is larger than {MAX_BYTES} bytes.")
    try:
        found = json.loads(raw, parse_constant=_no_number, object_pairs_hook=_once_each)
        _check_text(found, 0)
    except (ValueError, RecursionError) as error:
        raise HTTPException(422, f"The body is not JSON as expected here: {error}.") from None
    if not isinstance(found, dict):
        raise HTTPException(422, "The body has to be a JSON object.")
    return found


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a number in JSON")


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a name is given twice in one object")
    return found


def _check_text(value: Any, depth: int) -> None:
    """Refuse what is nested without end, and text that is no text (lone surrogates)."""
    if depth > MAX_DEPTH:
        raise ValueError(f"more than {MAX_DEPTH} levels")
    if isinstance(value, str):
        value.encode()  # raises UnicodeEncodeError, a ValueError
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name, depth)
            _check_text(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_text(inner, depth + 1)
