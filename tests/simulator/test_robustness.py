"""Whatever JSON arrives is answered in the dialect's shape; nothing breaks an endpoint."""

import asyncio
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator import SimulatorSettings, create_app
from gateway.simulator.exchange import Message

SCALARS = st.none() | st.booleans() | st.integers(-5, 9000) | st.text(max_size=8)
WORDS = st.sampled_from(
    ["text", "type", "role", "content", "name", "user", "assistant", "function", "tool_result",
     "tool_use", "parts", "functionCall", "functionResponse", "thinking", "ephemeral", "image"]
)  # fmt: skip
JSON = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=4),
    max_leaves=8,
)
CALLS: dict[str, tuple[str, dict[bytes, bytes], dict[str, Any], list[str]]] = {
    "messages": (
        "/v1/messages",
        {b"x-api-key": b"sim-anthropic-key", b"anthropic-version": b"2026-10-21"},
        {"model": "claude-opus-4-6", "max_tokens": 10, "messages": [{"role": "user", "content": "x"}]},
        ["messages", "max_tokens", "system", "tools", "tool_choice", "thinking", "stop_sequences",
         "cache_control", "stream", "output_config", "speed", "metadata"],
    ),
    "chat": (
        "/v1/chat/completions",
        {b"authorization": b"Bearer sim-openai-key"},
        {"model": "gpt-4o", "max_tokens": 10, "messages": [{"role": "user", "content": "x"}]},
        ["messages", "max_tokens", "tools", "tool_choice", "stop", "n", "stream", "stream_options",
         "response_format", "reasoning_effort", "prompt_cache_key"],
    ),
    "responses": (
        "/v1/responses",
        {b"authorization": b"Bearer sim-openai-key"},
        {"model": "gpt-4o", "max_output_tokens": 16, "input": "x"},
        ["input", "instructions", "tools", "tool_choice", "reasoning", "text", "stream", "include",
         "previous_response_id", "max_output_tokens"],
    ),
    "embeddings": (
        "/v1/embeddings",
        {b"authorization": b"Bearer sim-openai-key"},
        {"model": "text-embedding-3-small", "input": "x", "dimensions": 3},
        ["input", "dimensions", "encoding_format"],
    ),
    "generate": (
        "/v1beta/models/gemini-3.8-flash:generateContent",
        {b"x-goog-api-key": b"sim-gemini-key"},
        {"contents": [{"parts": [{"text": "x"}]}], "generationConfig": {"maxOutputTokens": 9}},
        ["contents", "generationConfig", "tools", "toolConfig", "systemInstruction"],
    ),
    "embed": (
        "/v1beta/models/gemini-embedding-001:embedContent",
        {b"x-goog-api-key": b"sim-gemini-key"},
        {"content": {"parts": [{"text": "x"}]}, "outputDimensionality": 3},
        ["content", "outputDimensionality"],
    ),
}  # fmt: skip


async def ask(path: str, headers: dict[bytes, bytes], body: bytes) -> tuple[int, bytes]:
    app = create_app(SimulatorSettings(limits={}))
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "query_string": b"",
        "headers": list(headers.items()),
    }
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    assert app.state.ledger.in_flight == 0
    return sent[0]["status"], b"".join(m.get("body", b"") for m in sent[1:])


@pytest.mark.parametrize("name", list(CALLS))
@given(data=st.data())
def test_any_field_of_any_type_gets_an_answer(name: str, data: st.DataObject) -> None:
    path, headers, body, fields = CALLS[name]
    changes = data.draw(st.dictionaries(st.sampled_from(fields), JSON, max_size=3))
    status, answer = asyncio.run(ask(path, headers, msgspec.json.encode(body | changes)))
    assert status in {200, 400}
    assert answer
