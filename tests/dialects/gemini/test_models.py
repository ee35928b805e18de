import json

import pytest
from google.genai import errors as sdk

from gateway.dialects.codec import ModelEntry
from gateway.dialects.gemini.models import list_models, parse_models

from .answering import client

ENTRIES = (
    ModelEntry("gemini-3.5-flash", "Gemini 3.5 Flash", 0, "google"),
    ModelEntry("gemini-embedding-001", "", 0, "google"),
    ModelEntry("tunedModels/mine", "Mine", 0, "me"),
)


def test_the_sdk_lists_what_the_agent_may_use() -> None:
    with client(list_models(ENTRIES, "/v1beta/models")) as gemini:
        found = list(gemini.models.list())
    assert [model.name for model in found] == [
        "models/gemini-3.5-flash",
        "models/gemini-embedding-001",
        "tunedModels/mine",
    ]
    assert found[0].display_name == "Gemini 3.5 Flash"
    assert "generateContent" in (found[0].supported_actions or [])
    assert "embedContent" in (found[1].supported_actions or [])


def test_the_sdk_gets_one_model() -> None:
    with client(list_models(ENTRIES, "/v1/models/gemini-3.5-flash")) as gemini:
        assert gemini.models.get(model="gemini-3.5-flash").name == "models/gemini-3.5-flash"


def test_a_model_that_is_not_there_is_a_404() -> None:
    reply = list_models(ENTRIES, "/v1beta/models/else")
    with client(reply) as gemini, pytest.raises(sdk.ClientError) as caught:
        gemini.models.get(model="else")
    assert (caught.value.code, caught.value.status) == (404, "NOT_FOUND")


def test_a_providers_list_comes_back_as_entries() -> None:
    body = list_models(ENTRIES, "/v1beta/models").body
    assert [entry.model for entry in parse_models(body)] == [entry.model for entry in ENTRIES]
    assert parse_models(body)[1].display_name == "gemini-embedding-001"


@pytest.mark.parametrize("body", [b"", b"[]", b'{"models":[1]}', b'"\xff', b'{"data":[]}'])
def test_what_is_not_a_list_gives_no_entries(body: bytes) -> None:
    assert parse_models(body) == ()


def test_a_model_without_a_name_is_left_out() -> None:
    assert parse_models(json.dumps({"models": [{"displayName": "x"}]}).encode()) == ()
