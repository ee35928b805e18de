import pytest

from gateway.dialects.codec import Codec
from gateway.dialects.openai.codec import OpenAICodec
from gateway.dialects.openai.paths import model_of
from gateway.domain.call import Dialect, Endpoint

CODEC = OpenAICodec()

PATHS = [
    ("POST", "/v1/chat/completions", Endpoint.CHAT),
    ("POST", "/v1/chat/completions/", Endpoint.CHAT),
    ("GET", "/v1/chat/completions", Endpoint.PASSTHROUGH),
    ("GET", "/v1/chat/completions/chatcmpl-1", Endpoint.PASSTHROUGH),
    ("POST", "/v1/responses", Endpoint.RESPONSES),
    ("POST", "/v1/responses/compact", Endpoint.RESPONSES),
    ("POST", "/v1/responses/input_tokens", Endpoint.COUNT_TOKENS),
    ("GET", "/v1/responses/resp_1", Endpoint.PASSTHROUGH),
    ("POST", "/v1/responses/resp_1/cancel", Endpoint.PASSTHROUGH),
    ("POST", "/v1/embeddings", Endpoint.EMBEDDINGS),
    ("GET", "/v1/models", Endpoint.MODELS),
    ("GET", "/v1/models/gpt-4o", Endpoint.MODELS),
    ("GET", "/v1/models/meta-llama/Llama-4", Endpoint.MODELS),
    ("DELETE", "/v1/models/ft:gpt-4o:me", Endpoint.PASSTHROUGH),
    *[
        ("POST", f"/v1/{root}", Endpoint.PASSTHROUGH)
        for root in (
            "files",
            "batches",
            "audio/speech",
            "images/generations",
            "moderations",
            "videos",
            "vector_stores/vs_1/search",
            "uploads",
            "conversations",
            "completions",
            "assistants",
            "threads/t/runs",
            "fine_tuning/jobs",
            "evals",
            "containers",
            "realtime/calls",
            "something_of_next_year",
        )
    ],
    ("POST", "/v1/messages", None),
    ("POST", "/v1/messages/count_tokens", None),
    ("POST", "/v1/models/gemini-3-flash:generateContent", None),
    ("POST", "/v1beta/models/gemini-3-flash:generateContent", None),
    ("GET", "/healthz", None),
    ("GET", "/v1", None),
]


@pytest.mark.parametrize(("method", "path", "endpoint"), PATHS)
def test_a_path_is_known_by_method_and_path(
    method: str, path: str, endpoint: Endpoint | None
) -> None:
    found = CODEC.match(method, path)
    assert (found and found.endpoint) == endpoint


def test_the_model_of_a_path_may_hold_slashes() -> None:
    assert model_of("/v1/models") is None
    assert model_of("/v1/models/") is None
    assert model_of("/v1/models/org/name") == "org/name"


def test_the_codec_is_what_all_dialects_are() -> None:
    codec: Codec = CODEC
    assert codec.dialect is Dialect.OPENAI
