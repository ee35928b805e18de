"""Telling dialects apart on one host."""

import pytest

from gateway.dialects import registry
from gateway.domain.call import Dialect, Endpoint

CLAUDE = [(b"x-api-key", b"gw-1"), (b"anthropic-version", b"2026-10-21")]
CLAUDE_CODE = [(b"authorization", b"Bearer gw-1"), (b"anthropic-version", b"2023-06-01")]
CURL = [(b"x-api-key", b"gw-1")]
GOOGLE = [(b"x-goog-api-key", b"gw-1"), (b"x-goog-api-client", b"google-genai-sdk/3.6.1")]
OAUTH = [(b"authorization", b"Bearer gw-1"), (b"x-goog-api-client", b"google-genai-sdk/3.6.1")]
OPENAI = [(b"authorization", b"Bearer gw-1")]
ANT, OAI, GEM = Dialect.ANTHROPIC, Dialect.OPENAI, Dialect.GEMINI
Fields = list[tuple[bytes, bytes]]


@pytest.mark.parametrize(
    ("method", "path", "headers", "dialect", "endpoint"),
    [
        ("POST", "/v1/messages", CLAUDE, ANT, Endpoint.MESSAGES),
        ("POST", "/v1/messages", OPENAI, ANT, Endpoint.MESSAGES),
        ("POST", "/v1/messages/count_tokens", CLAUDE_CODE, ANT, Endpoint.COUNT_TOKENS),
        ("POST", "/v1/messages/batches", CLAUDE, ANT, Endpoint.PASSTHROUGH),
        ("POST", "/v1/chat/completions", OPENAI, OAI, Endpoint.CHAT),
        ("POST", "/v1/chat/completions", CURL, OAI, Endpoint.CHAT),
        ("POST", "/v1/responses", OPENAI, OAI, Endpoint.RESPONSES),
        ("POST", "/v1/embeddings", OPENAI, OAI, Endpoint.EMBEDDINGS),
        ("POST", "/v1/audio/speech", OPENAI, OAI, Endpoint.PASSTHROUGH),
        ("POST", "/v1/models/gemini-4-argon:generateContent", GOOGLE, GEM, Endpoint.GENERATE),
        ("POST", "/v1/models/gemini-4-argon:generateContent", OPENAI, GEM, Endpoint.GENERATE),
        ("POST", "/v1beta/models/gemini-4-argon:streamGenerateContent", [], GEM, Endpoint.GENERATE),
        ("POST", "/v1beta/models/gemini-4-argon:countTokens", GOOGLE, GEM, Endpoint.COUNT_TOKENS),
        ("GET", "/v1beta/models", [], GEM, Endpoint.MODELS),
        ("POST", "/upload/v1beta/files", GOOGLE, GEM, Endpoint.PASSTHROUGH),
        ("GET", "/v1/models", CLAUDE, ANT, Endpoint.MODELS),
        ("GET", "/v1/models", CLAUDE_CODE, ANT, Endpoint.MODELS),
        ("GET", "/v1/models", CURL, ANT, Endpoint.MODELS),
        ("GET", "/v1/models", GOOGLE, GEM, Endpoint.MODELS),
        ("GET", "/v1/models", OAUTH, GEM, Endpoint.MODELS),
        ("GET", "/v1/models", OPENAI, OAI, Endpoint.MODELS),
        ("GET", "/v1/models/ft:gpt-4o:me::1", OPENAI, OAI, Endpoint.MODELS),
        ("GET", "/v1/models/claude-sonnet-5", CLAUDE, ANT, Endpoint.MODELS),
        ("POST", "/v1/files", CLAUDE, ANT, Endpoint.PASSTHROUGH),
        ("POST", "/v1/files", OPENAI, OAI, Endpoint.PASSTHROUGH),
        ("POST", "/v1/batches", OPENAI, OAI, Endpoint.PASSTHROUGH),
        ("POST", "/v1/novelties", CLAUDE, ANT, Endpoint.PASSTHROUGH),
        ("POST", "/v1/novelties", OPENAI, OAI, Endpoint.PASSTHROUGH),
    ],
)
def test_path_and_headers_tell_the_dialect(
    method: str, path: str, headers: Fields, dialect: Dialect, endpoint: Endpoint
) -> None:
    found = registry.match(method, path, headers)
    assert found is not None
    codec, matched = found
    assert (codec.dialect, matched.endpoint) == (dialect, endpoint)


@pytest.mark.parametrize(("query", "dialect"), [(b"pageSize=5&key=gw-1", GEM), (b"monkey=1", OAI)])
def test_a_key_in_the_query_is_geminis(query: bytes, dialect: Dialect) -> None:
    found = registry.match("GET", "/v1/models", [], query)
    assert found is not None
    assert found[0].dialect is dialect


@pytest.mark.parametrize("path", ["/", "/healthz", "/api/hello", "/messages", "/v9/messages"])
def test_a_path_of_no_api_is_nobodys(path: str) -> None:
    assert registry.match("GET", path, CLAUDE) is None
    assert registry.match("GET", path, GOOGLE) is None


def test_every_dialect_has_its_codec() -> None:
    assert {dialect: codec.dialect for dialect, codec in registry.CODECS.items()} == {
        dialect: dialect for dialect in Dialect
    }
