import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.gemini.media import IMAGE_TOKENS, REFERENCE_TOKENS
from gateway.dialects.gemini.prompt import MAX_PREFIXES, implicit_cache_min_tokens
from gateway.dialects.gemini.requests import read
from gateway.domain.call import BadCall, CallFacts, Endpoint, Matched

CALL = Matched(Endpoint.GENERATE, "gemini-3.5-flash")


def facts(body: Any, matched: Matched = CALL) -> CallFacts:
    return read(matched, json.dumps(body).encode())


def said(text: str, role: str = "user") -> dict[str, Any]:
    return {"role": role, "parts": [{"text": text}]}


def test_model_and_stream_come_from_the_path() -> None:
    found = facts({"contents": [said("hi")]}, Matched(Endpoint.GENERATE, "m", stream=True))
    assert (found.model, found.stream, found.usage_requested) == ("m", True, True)


@pytest.mark.parametrize(
    "config",
    [
        {"generationConfig": {"maxOutputTokens": 100, "candidateCount": 2}},
        {"generation_config": {"max_output_tokens": 100, "candidate_count": 2}},
        {"generationConfig": {"maxOutputTokens": "100", "candidateCount": 2.0}},
        {
            "generationConfig": None,
            "generation_config": {"maxOutputTokens": 1e2, "candidateCount": 2},
        },
    ],
)
def test_both_spellings_and_all_ways_to_write_a_number_are_understood(config: Any) -> None:
    found = facts(config)
    assert (found.max_output_tokens, found.choices) == (100, 2)


@pytest.mark.parametrize(
    "body", [{}, {"generationConfig": {}}, {"generationConfig": {"maxOutputTokens": 0}}]
)
def test_an_unstated_maximum_is_none(body: Any) -> None:
    found = facts(body)
    assert (found.max_output_tokens, found.choices) == (None, 1)


def test_prompt_bytes_are_those_of_system_tools_and_contents_alone() -> None:
    system = said("be brief")
    tools: list[Any] = [{"googleSearch": {}}]
    contents = [said("é" * 10), said("b")]
    body = {
        "systemInstruction": system,
        "tools": tools,
        "contents": contents,
        "safetySettings": [{"category": "x" * 1000}],
    }
    parts = [system, tools, *contents]
    assert facts(body).prompt_bytes == sum(len(json.dumps(part)) for part in parts)
    snake = {"system_instruction": system, "tools": tools, "contents": contents}
    assert facts(snake).prompt_bytes == facts(body).prompt_bytes


def test_one_content_may_stand_for_an_array() -> None:
    assert (
        facts({"contents": said("x")}).prompt_bytes == facts({"contents": [said("x")]}).prompt_bytes
    )


@pytest.mark.parametrize(
    ("part", "encoded", "tokens"),
    [
        ({"inlineData": {"mimeType": "image/png", "data": "A" * 9000}}, 9000, IMAGE_TOKENS),
        ({"inline_data": {"mime_type": "image/png", "data": "A" * 9000}}, 9000, IMAGE_TOKENS),
        ({"inlineData": {"mimeType": "text/csv", "data": "A" * 5000}}, 5000, 1000),
        ({"inlineData": {"mimeType": "audio/mp3", "data": "A" * 6600}}, 6600, 64),
        ({"inlineData": {"data": "A" * 66_000}}, 66_000, 200),
        ({"fileData": {"fileUri": "https://x/y"}}, 0, REFERENCE_TOKENS),
        (
            {
                "functionResponse": {
                    "parts": [{"inlineData": {"mimeType": "image/x", "data": "AA"}}]
                }
            },
            2,
            IMAGE_TOKENS,
        ),
        ({"inlineData": "odd"}, 0, 0),
        ({"inlineData": {"data": 5}}, 0, 0),
        ({"text": '"inlineData"'}, 0, 0),
    ],
)
def test_media_count_as_stated_tokens_and_not_as_bytes(
    part: dict[str, Any], encoded: int, tokens: int
) -> None:
    content = {"parts": [part]}
    found = facts({"contents": [content]})
    assert found.prompt_bytes == len(json.dumps(content)) - encoded
    assert found.media_tokens == tokens


def test_tools_are_counted_function_by_function() -> None:
    body = {
        "tools": [
            {"functionDeclarations": [{"name": "a"}, {"name": "b"}]},
            {"function_declarations": [{"name": "c"}], "googleSearch": {}},
            {"codeExecution": {}},
        ]
    }
    assert facts(body).tools == 5


def test_cached_content_means_that_the_provider_holds_part_of_the_prompt() -> None:
    assert facts({"cachedContent": "cachedContents/x"}).server_history
    assert facts({"cached_content": "cachedContents/x"}).server_history
    assert not facts({"cachedContent": ""}).server_history


@pytest.mark.parametrize(
    ("model", "modalities", "text_only"),
    [
        ("gemini-3.5-flash", None, True),
        ("gemini-3.5-flash", ["TEXT"], True),
        ("gemini-3.5-flash", ["TEXT", "IMAGE"], False),
        ("gemini-3.5-flash-image", None, False),
        ("gemini-3.5-flash-preview-tts", None, False),
    ],
)
def test_answers_in_other_than_text_are_marked(
    model: str, modalities: list[str] | None, text_only: bool
) -> None:
    body = {} if modalities is None else {"generationConfig": {"responseModalities": modalities}}
    assert facts(body, Matched(Endpoint.GENERATE, model)).text_only_output is text_only


def test_a_conversation_that_goes_on_shares_the_prefixes_of_the_one_before() -> None:
    turns = [said("x" * 4000) for _ in range(6)]
    system = {"systemInstruction": said("s" * 9000)}
    before = facts({**system, "contents": turns[:4]})
    after = facts({**system, "contents": turns})
    assert [p.digest for p in after.prefixes][: len(before.prefixes)] == [
        p.digest for p in before.prefixes
    ]
    sizes = [p.prompt_bytes for p in after.prefixes]
    assert sizes == sorted(sizes)
    assert sizes[-1] == after.prompt_bytes
    assert after.cache_lifetime_s > 0
    other = facts({"systemInstruction": said("t" * 9000), "contents": turns})
    assert not {p.digest for p in other.prefixes} & {p.digest for p in after.prefixes}


def test_only_the_last_prefixes_are_kept() -> None:
    found = facts({"contents": [said("x" * 9000) for _ in range(50)]})
    assert len(found.prefixes) == MAX_PREFIXES
    assert found.prefixes[-1].prompt_bytes == found.prompt_bytes


@pytest.mark.parametrize("model", ["gemini-1.5-pro", "gemma-3-27b-it"])
def test_a_model_without_implicit_cache_has_no_prefixes(model: str) -> None:
    found = facts({"contents": [said("x" * 100_000)]}, Matched(Endpoint.GENERATE, model))
    assert (found.prefixes, found.cache_lifetime_s) == ((), 0)


def test_a_short_prompt_has_no_prefixes() -> None:
    assert facts({"contents": [said("x" * 2000)]}).prefixes == ()


@pytest.mark.parametrize(
    ("model", "tokens"),
    [
        ("gemini-2.5-flash", 2048),
        ("gemini-3-flash-preview", 4096),
        ("gemini-4-argon", 4096),
        ("gemini-flash-latest", 4096),
        ("gemini-2.0-flash", None),
        ("tunedModels/x", None),
    ],
)
def test_the_shortest_cached_prompt_depends_on_the_model(model: str, tokens: int | None) -> None:
    assert implicit_cache_min_tokens(model) == tokens


def test_count_tokens_reads_both_forms_of_its_body() -> None:
    count = Matched(Endpoint.COUNT_TOKENS, "m")
    plain = facts({"contents": [said("x")]}, count)
    nested = facts(
        {"generateContentRequest": {"model": "models/m", "contents": [said("x")]}}, count
    )
    assert plain == nested
    assert (plain.max_output_tokens, plain.prompt_bytes) == (0, len(json.dumps(said("x"))))


def test_embeddings_measure_every_content() -> None:
    embed = Matched(Endpoint.EMBEDDINGS, "gemini-embedding-001")
    one = facts({"content": said("x")}, embed)
    two = facts({"requests": [{"content": said("x")}, {"content": said("x")}]}, embed)
    assert two.prompt_bytes == 2 * one.prompt_bytes > 0
    assert one.max_output_tokens == 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"", None),
        (b"[]", None),
        (b"{", None),
        (b'{"contents": [}', None),
        (b"[" * 100_000, None),
        (b'{"contents": ' + b"[" * 100_000, None),
        (b'{"\xff": 1}', None),
        (b'{"contents": 5}', "contents"),
        (b'{"contents": "hello"}', "contents"),
        (b'{"contents": [{"inlineData": {"data": "\xff"}}]}', "contents"),
        (b'{"systemInstruction": "be brief"}', "systemInstruction"),
        (b'{"tools": 1}', "tools"),
        (b'{"tools": [1]}', "tools[]"),
        (b'{"tools": [{"functionDeclarations": 1}]}', "tools[].functionDeclarations"),
        (b'{"generationConfig": []}', "generationConfig"),
        (b'{"generationConfig": {"maxOutputTokens": "many"}}', "generationConfig.maxOutputTokens"),
        (b'{"generationConfig": {"maxOutputTokens": -1}}', "generationConfig.maxOutputTokens"),
        (b'{"generationConfig": {"max_output_tokens": 1e30}}', "generationConfig.maxOutputTokens"),
        (b'{"generationConfig": {"maxOutputTokens": true}}', "generationConfig.maxOutputTokens"),
        (b'{"generationConfig": {"candidateCount": 1.5}}', "generationConfig.candidateCount"),
        (b'{"generationConfig": {"responseModalities": 1}}', "generationConfig.responseModalities"),
        (b'{"cachedContent": 1}', "cachedContent"),
    ],
)
def test_a_wrong_body_is_refused_with_the_field_named(body: bytes, param: str | None) -> None:
    with pytest.raises(BadCall) as caught:
        read(CALL, body)
    assert caught.value.param == param
    assert (param or "The request body") in caught.value.message


def test_wrong_nested_requests_are_refused() -> None:
    for body, param in [({"requests": [1]}, "requests[]"), ({"content": "x"}, "content")]:
        with pytest.raises(BadCall) as caught:
            facts(body, Matched(Endpoint.EMBEDDINGS, "m"))
        assert caught.value.param == param
    with pytest.raises(BadCall):
        facts({"generateContentRequest": 1}, Matched(Endpoint.COUNT_TOKENS, "m"))


def test_a_path_without_a_model_is_refused() -> None:
    with pytest.raises(BadCall) as caught:
        read(Matched(Endpoint.GENERATE), b"{}")
    assert caught.value.param == "model"


NAMES = st.sampled_from(
    [
        "contents",
        "systemInstruction",
        "system_instruction",
        "tools",
        "generationConfig",
        "generation_config",
        "maxOutputTokens",
        "max_output_tokens",
        "candidateCount",
        "cachedContent",
        "parts",
        "inlineData",
        "data",
        "mimeType",
        "fileData",
        "functionDeclarations",
        "responseModalities",
        "requests",
        "content",
        "generateContentRequest",
    ]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=12,
)
ENDPOINTS = st.sampled_from([Endpoint.GENERATE, Endpoint.COUNT_TOKENS, Endpoint.EMBEDDINGS])


@settings(max_examples=300)
@given(endpoint=ENDPOINTS, body=st.dictionaries(NAMES, VALUES, max_size=5) | VALUES)
def test_any_json_gives_facts_or_a_bad_call(endpoint: Endpoint, body: Any) -> None:
    _reads_or_refuses(endpoint, json.dumps(body).encode())


@given(endpoint=ENDPOINTS, body=st.binary(max_size=60))
def test_any_bytes_give_facts_or_a_bad_call(endpoint: Endpoint, body: bytes) -> None:
    _reads_or_refuses(endpoint, body)
    _reads_or_refuses(endpoint, b'{"contents":[{"inlineData":{"data":"' + body + b'"}}]}')


def _reads_or_refuses(endpoint: Endpoint, body: bytes) -> None:
    try:
        found = read(Matched(endpoint, "gemini-3.5-flash"), body)
    except BadCall:
        return
    assert found.prompt_bytes >= 0
    assert found.choices >= 1
