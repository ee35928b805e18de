"""The model list, as the SDK reads it."""

import json

import anthropic
import httpx2
import pytest

from gateway.dialects.anthropic import models
from gateway.dialects.codec import ModelEntry, Reply

ENTRIES = [
    ModelEntry("claude-sonnet-5", "Claude Sonnet 5", 1_770_000_000, "claude"),
    ModelEntry("claude-haiku-4-5", "Claude Haiku 4.5", 0, "claude"),
]


def sdk(reply: Reply) -> anthropic.Anthropic:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(reply.status, headers=list(reply.headers), content=reply.body)

    client = httpx2.Client(transport=httpx2.MockTransport(answer))
    return anthropic.Anthropic(api_key="k", max_retries=0, http_client=client)


def test_the_sdk_lists_the_models_on_one_page() -> None:
    with sdk(models.list_models(ENTRIES, "/v1/models")) as client:
        page = client.models.list(limit=1000)
    assert [(m.id, m.display_name, m.type) for m in page.data] == [
        ("claude-sonnet-5", "Claude Sonnet 5", "model"),
        ("claude-haiku-4-5", "Claude Haiku 4.5", "model"),
    ]
    assert (page.first_id, page.last_id) == ("claude-sonnet-5", "claude-haiku-4-5")
    assert not page.has_next_page()
    assert page.data[0].created_at.timestamp() == 1_770_000_000


def test_the_sdk_gets_one_model() -> None:
    with sdk(models.list_models(ENTRIES, "/v1/models/claude-haiku-4-5")) as client:
        assert client.models.retrieve("claude-haiku-4-5").display_name == "Claude Haiku 4.5"


def test_an_unknown_model_is_not_found() -> None:
    client = sdk(models.list_models(ENTRIES, "/v1/models/gpt"))
    with client, pytest.raises(anthropic.NotFoundError, match="gpt"):
        client.models.retrieve("gpt")


def test_an_empty_list_is_a_list() -> None:
    assert json.loads(models.list_models([], "/v1/models").body) == {
        "data": [], "has_more": False, "first_id": None, "last_id": None
    }  # fmt: skip


def test_what_is_written_is_read_back() -> None:
    reply = models.list_models(ENTRIES, "/v1/models/")
    read = models.parse_models(reply.body)
    assert [(m.model, m.display_name, m.created_s) for m in read] == [
        (m.model, m.display_name, m.created_s) for m in ENTRIES
    ]


@pytest.mark.parametrize(
    ("body", "created_s"),
    [
        (b'{"data":[{"id":"a"}]}', 0),
        (b'{"data":[{"id":"a","created_at":"whenever","type":"model"}]}', 0),
        (b'{"data":[{"id":"a","created_at":"1970-01-01T00:00:09"}]}', 9),
    ],
)
def test_a_sparse_entry_is_read(body: bytes, created_s: int) -> None:
    told = body.removeprefix(b'{"data":[').removesuffix(b"]}")
    assert models.parse_models(body) == (ModelEntry("a", "a", created_s, "anthropic", told),)


@pytest.mark.parametrize("body", [b"", b"[]", b'{"data":3}', b'{"data":[{}]}', b"\xff"])
def test_what_is_no_list_gives_no_models(body: bytes) -> None:
    assert models.parse_models(body) == ()


def test_a_time_beyond_the_calendar_is_bounded() -> None:
    reply = models.list_models([ModelEntry("a", "A", 10**18, "x")], "/v1/models/a")
    assert json.loads(reply.body)["created_at"] == "9999-12-31T23:59:59Z"
