"""What keeps a conversation at its model or its account (provider-facts A6, B10, B14)."""

import json
from typing import Any

import pytest

from gateway.dialects.registry import CODECS
from gateway.domain.call import Dialect, Endpoint, Matched

ANTHROPIC, OPENAI, GEMINI = Dialect.ANTHROPIC, Dialect.OPENAI, Dialect.GEMINI
MESSAGES, CHAT, RESPONSES = Endpoint.MESSAGES, Endpoint.CHAT, Endpoint.RESPONSES


def said(*blocks: Any) -> dict[str, Any]:
    return {"messages": [{"role": "assistant", "content": list(blocks)}]}


CASES: list[tuple[Dialect, Endpoint, dict[str, Any], bool | None]] = [
    (ANTHROPIC, MESSAGES, said({"type": "text", "text": '{"type":"thinking"}'}), None),
    (ANTHROPIC, MESSAGES, {"thinking": {"type": "enabled", "budget_tokens": 1024}}, None),
    (ANTHROPIC, MESSAGES, said({"type": "thinking", "thinking": "", "signature": "x"}), True),
    (ANTHROPIC, MESSAGES, said({"type": "redacted_thinking", "data": "x"}), True),
    (ANTHROPIC, MESSAGES, said({"type": "image", "source": {"file_id": "f"}}), False),
    (ANTHROPIC, MESSAGES, {"container": "c"}, False),
    (ANTHROPIC, MESSAGES, {"thread": {"type": "continue", "id": "t"}}, False),
    (OPENAI, CHAT, {"messages": []}, None),
    (OPENAI, RESPONSES, {"input": "x", "include": ["reasoning.encrypted_content"]}, None),
    (OPENAI, RESPONSES, {"input": "x", "previous_response_id": "r"}, False),
    (OPENAI, RESPONSES, {"input": "x", "conversation": "c"}, False),
    (OPENAI, RESPONSES, {"input": [{"type": "reasoning", "encrypted_content": "x"}]}, True),
    (OPENAI, CHAT, {"messages": [{"role": "user", "content": [{"file": {"file_id": "f"}}]}]}, False),
    (GEMINI, Endpoint.GENERATE, {"contents": []}, None),
    (GEMINI, Endpoint.GENERATE, {"contents": [{"parts": [{"thoughtSignature": "x"}]}]}, True),
    (GEMINI, Endpoint.GENERATE, {"contents": [{"parts": [{"thought_signature": "x"}]}]}, True),
    (GEMINI, Endpoint.GENERATE, {"contents": [], "cachedContent": "cachedContents/x"}, True),
    (
        GEMINI,
        Endpoint.GENERATE,
        {"contents": [{"parts": [{"fileData": {"fileUri": "https://generativelanguage.x/f"}}]}]},
        False,
    ),
]  # fmt: skip


@pytest.mark.parametrize("spaced", [False, True])
@pytest.mark.parametrize(("dialect", "endpoint", "fields", "to_model"), CASES)
def test_what_ties(
    dialect: Dialect,
    endpoint: Endpoint,
    fields: dict[str, Any],
    to_model: bool | None,
    spaced: bool,
) -> None:
    body = json.dumps({"model": "m", **fields}, indent=1 if spaced else None).encode()
    codec = CODECS[dialect]
    tie = codec.tie(codec.read(Matched(endpoint, "m"), body), body)
    assert (None if tie is None else tie.to_model) == to_model
    assert tie is None or tie.what
