"""A provider's model entries are passed on whole, fields that nobody here knows included."""

import json

import pytest

from gateway.dialects.registry import CODECS
from gateway.domain.call import Dialect

CLAUDE = {"type": "model", "id": "m", "display_name": "M", "created_at": "2026-01-01T00:00:00Z",
          "max_input_tokens": 1_000_000, "capabilities": {"vision": True}}  # fmt: skip
GPT = {"id": "m", "object": "model", "created": 9, "owned_by": "o", "max_model_len": 8192}
GEMINI = {"name": "models/m", "displayName": "M", "inputTokenLimit": 1_048_576, "thinking": True}


@pytest.mark.parametrize(
    ("dialect", "key", "entry", "one"),
    [
        (Dialect.ANTHROPIC, "data", CLAUDE, "/v1/models/m"),
        (Dialect.OPENAI, "data", GPT, "/v1/models/m"),
        (Dialect.GEMINI, "models", GEMINI, "/v1beta/models/m"),
    ],
)
def test_entries_pass_whole(dialect: Dialect, key: str, entry: dict[str, object], one: str) -> None:
    codec = CODECS[dialect]
    entries = codec.parse_models(json.dumps({key: [entry]}).encode())
    root = one.rsplit("/", 1)[0]
    assert json.loads(codec.list_models(entries, root, "").body)[key] == [entry]
    assert json.loads(codec.list_models(entries, one, "").body) == entry
