"""The key is one member more, behind the opening brace, and only where it cannot be refused."""

import json

import pytest

from gateway.dialects.openai.cache_key import with_key

ADDED = b'"prompt_cache_key":"k",'


@pytest.mark.parametrize("model", ["gpt-5.6", "gpt-4o-mini", "o4-mini"])
def test_a_conversation_is_named(model: str) -> None:
    body = b' {"model": "' + model.encode() + b'", "messages": []}'
    changed = with_key(body, "k")
    assert json.loads(changed)["prompt_cache_key"] == "k"
    assert changed.replace(ADDED, b"") == body


@pytest.mark.parametrize(
    "body",
    [
        b'{"model": "gpt-4o", "prompt_cache_key": "mine"}',
        b'{"model": "gpt-4o", "prompt_cache_key": null}',
        b'{"model": "gpt-oss-120b"}',
        b'{"model": "llama-4"}',
        b"[]",
        b"{",
    ],
)
def test_any_other_body_stays_the_same_object(body: bytes) -> None:
    assert with_key(body, "k") is body
