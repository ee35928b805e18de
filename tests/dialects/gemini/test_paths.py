import pytest

from gateway.dialects.gemini.paths import match
from gateway.domain.call import Endpoint, Matched

GENERATE = Endpoint.GENERATE
PASS = Endpoint.PASSTHROUGH


@pytest.mark.parametrize("version", ["v1", "v1beta", "v1alpha", "v1beta2"])
@pytest.mark.parametrize(
    ("action", "endpoint", "stream"),
    [
        ("generateContent", GENERATE, False),
        ("streamGenerateContent", GENERATE, True),
        ("countTokens", Endpoint.COUNT_TOKENS, False),
        ("embedContent", Endpoint.EMBEDDINGS, False),
        ("batchEmbedContents", Endpoint.EMBEDDINGS, False),
        ("batchGenerateContent", PASS, False),
    ],
)
def test_a_model_path_says_model_and_action(
    version: str, action: str, endpoint: Endpoint, stream: bool
) -> None:
    found = match("POST", f"/{version}/models/gemini-3.5-flash:{action}")
    assert found == Matched(endpoint, "gemini-3.5-flash", stream)


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("/v1beta/models/gemini%2D3.5-flash:generateContent", "gemini-3.5-flash"),
        ("/v1beta/models/gemini-3.5-flash%3AgenerateContent", "gemini-3.5-flash"),
        ("/v1beta/models/org%2Fname:generateContent", "org/name"),
        ("/v1beta/models/a:b:generateContent", "a:b"),
        ("/v1beta/tunedModels/mine:generateContent", "tunedModels/mine"),
        ("/v1/dynamic/one:generateContent", "dynamic/one"),
    ],
)
def test_model_ids_are_decoded_and_tuned_models_keep_their_name(path: str, model: str) -> None:
    assert match("POST", path) == Matched(GENERATE, model)


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v1beta/models", Matched(Endpoint.MODELS)),
        ("GET", "/v1/models/", Matched(Endpoint.MODELS)),
        ("GET", "/v1/models/gemini-4-argon", Matched(Endpoint.MODELS, "gemini-4-argon")),
        ("GET", "/v1beta/tunedModels", Matched(PASS)),
        ("POST", "/v1beta/models/m:predict", Matched(PASS, "m")),
        ("GET", "/v1beta/models/m:generateContent", Matched(PASS, "m")),
        ("POST", "/v1beta/models/:generateContent", Matched(PASS)),
        ("POST", "/v1beta/cachedContents", Matched(PASS)),
        ("DELETE", "/v1beta/files/abc", Matched(PASS)),
        ("POST", "/upload/v1beta/files", Matched(PASS)),
        ("GET", "/download/v1beta/files/abc:download", Matched(PASS)),
        ("POST", "/v1beta/batches/b:cancel", Matched(PASS)),
        ("POST", "/v1beta/interactions", Matched(PASS)),
        ("POST", "/v1/interactions", Matched(PASS)),
        ("POST", "/v1beta/openai/chat/completions", Matched(PASS)),
        ("POST", "/v1beta/whatever/comes:next", Matched(PASS)),
    ],
)
def test_other_paths_of_gemini_are_listed_or_pass_through(
    method: str, path: str, expected: Matched
) -> None:
    assert match(method, path) == expected


@pytest.mark.parametrize(
    "path",
    [
        "/v1/messages",
        "/v1/chat/completions",
        "/v1/responses",
        "/v1",
        "/",
        "",
        "/v2/models/m:generateContent",
        "/upload/v1/else",
        "/upload",
    ],
)
def test_paths_of_others_are_not_claimed(path: str) -> None:
    assert match("POST", path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/v1beta/models/cheap/../dear:generateContent",
        "/v1beta/files/%2e%2e/models/dear:generateContent",
        "/v1beta/files/..%2Fmodels/dear:generateContent",
        "/v1beta/./models/dear:generateContent",
        "/v1beta//models/dear:generateContent",
        "//v1beta/models/dear:generateContent",
    ],
)
def test_a_path_that_a_provider_might_resolve_to_another_is_refused(path: str) -> None:
    assert match("POST", path) is None


@pytest.mark.parametrize(
    ("query", "in_array"),
    [
        (b"", True),
        (b"alt=sse", False),
        (b"key=k&alt=SSE", False),
        (b"%24alt=sse&x=1", False),
        (b"$alt=sse", False),
        (b"alt=json", True),
        (b"salt=sse", True),
        (b"alt=sse2", True),
    ],
)
def test_the_query_says_whether_a_stream_is_events_or_an_array(
    query: bytes, in_array: bool
) -> None:
    found = match("POST", "/v1/models/m:streamGenerateContent", query)
    assert found is not None
    assert found.in_array is in_array
    whole = match("POST", "/v1/models/m:generateContent", query)
    assert whole is not None
    assert not whole.in_array
