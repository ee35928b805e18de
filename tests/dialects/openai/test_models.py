import json

import pytest

from gateway.dialects.codec import ModelEntry
from gateway.dialects.openai.codec import OpenAICodec

CODEC = OpenAICodec()
ENTRIES = [
    ModelEntry("gpt-6-luna", "Luna", 1_700_000_000, "openai"),
    ModelEntry("org/own", "Own", 1, "local"),
]


def test_the_list_has_openais_shape_for_every_client() -> None:
    for user_agent in ("OpenAI/Python 3.57.0", "codex_cli_rs/0.169.0 (Linux)"):
        reply = CODEC.list_models(ENTRIES, "/v1/models", user_agent)
        assert reply.status == 200
        body = json.loads(reply.body)
        assert body["object"] == "list"
        assert body["data"][0] == {
            "id": "gpt-6-luna",
            "object": "model",
            "created": 1_700_000_000,
            "owned_by": "openai",
        }


def test_codex_is_not_given_a_list_that_would_replace_its_own() -> None:
    """With a `models` key Codex would take it in place of its built-in one (provider-facts B8)."""
    reply = CODEC.list_models(ENTRIES, "/v1/models", "codex_exec/0.169.0")
    assert "models" not in json.loads(reply.body)


def test_one_model_is_found_by_its_path() -> None:
    reply = CODEC.list_models(ENTRIES, "/v1/models/org/own", "")
    assert (reply.status, json.loads(reply.body)["id"]) == (200, "org/own")


def test_a_model_that_is_not_there_is_a_404_in_openais_shape() -> None:
    reply = CODEC.list_models(ENTRIES, "/v1/models/none", "")
    assert reply.status == 404
    assert json.loads(reply.body)["error"]["code"] == "model_not_found"


def test_the_list_is_read_as_it_is_written() -> None:
    found = CODEC.parse_models(CODEC.list_models(ENTRIES, "/v1/models", "").body)
    assert [(one.model, one.created_s, one.owner) for one in found] == [
        ("gpt-6-luna", 1_700_000_000, "openai"),
        ("org/own", 1, "local"),
    ]


def test_a_bare_entry_is_enough() -> None:
    found = CODEC.parse_models(b'{"object":"list","data":[{"id":"m","max_model_len":8192}]}')
    told = b'{"id":"m","max_model_len":8192}'
    assert found == (ModelEntry("m", "m", 0, "openai", told),)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":[{}]}', b'{"models":[]}', b"\xff"])
def test_what_is_no_list_has_no_models(body: bytes) -> None:
    assert CODEC.parse_models(body) == ()
