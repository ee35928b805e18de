import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.openai.codec import OpenAICodec
from gateway.dialects.openai.requests import IMPLICIT_CACHE_LIFETIME_S
from gateway.domain.call import BadCall, CallFacts, Endpoint, Matched

CODEC = OpenAICodec()
READ = [Endpoint.CHAT, Endpoint.RESPONSES, Endpoint.EMBEDDINGS, Endpoint.COUNT_TOKENS]


def read(endpoint: Endpoint, **body: Any) -> CallFacts:
    raw = json.dumps({"model": "m", **body}, separators=(",", ":")).encode()
    return CODEC.read(Matched(endpoint), raw)


def size(*values: object) -> int:
    return sum(len(json.dumps(value, separators=(",", ":"))) for value in values)


MESSAGES = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "Hi \u00e9"}]
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


def test_the_facts_of_a_chat_call() -> None:
    facts = read(
        Endpoint.CHAT,
        messages=MESSAGES,
        tools=TOOLS,
        stream=True,
        max_tokens=9,
        max_completion_tokens=50,
        n=3,
        prompt_cache_key="k",
        new_field_of_next_year={"x": [1]},
    )
    assert facts == CallFacts(
        "m",
        stream=True,
        max_output_tokens=50,
        choices=3,
        prompt_bytes=size(*MESSAGES, *TOOLS),
        usage_requested=False,
        session="k",
        cache_lifetime_s=IMPLICIT_CACHE_LIFETIME_S,
        tools=1,
    )


def test_the_facts_of_a_response_call() -> None:
    tools = [{"type": "image_generation"}, {"type": "web_search"}]
    facts = read(
        Endpoint.RESPONSES,
        input=MESSAGES,
        instructions="Be short.",
        tools=tools,
        stream=True,
        max_output_tokens=70,
        conversation={"id": "conv_1"},
    )
    assert facts == CallFacts(
        "m",
        stream=True,
        max_output_tokens=70,
        prompt_bytes=size(*MESSAGES, *tools, "Be short."),
        text_only_output=False,
        session="conv_1",
        server_history=True,
        cache_lifetime_s=IMPLICIT_CACHE_LIFETIME_S,
        tools=2,
    )


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("stream_options", {"include_usage": True}, {"usage_requested": True}),
        ("stream_options", {"include_usage": None}, {"usage_requested": False}),
        ("stream_options", None, {"usage_requested": False}),
        ("max_tokens", 9, {"max_output_tokens": 9}),
        ("max_tokens", 9.0, {"max_output_tokens": 9}),
        ("max_completion_tokens", 0, {"max_output_tokens": 0}),
        ("n", None, {"choices": 1}),
        ("stream", None, {"stream": False, "usage_requested": True}),
        ("modalities", ["text", "audio"], {"text_only_output": False}),
        ("modalities", 7, {"text_only_output": True}),
        ("functions", [{"name": "f"}], {"tools": 1}),
        ("messages", None, {"prompt_bytes": 0}),
        ("prompt_cache_key", 7, {"session": None}),
        ("prompt_cache_key", "", {"session": None}),
        ("prompt_cache_options", {"ttl": "12h"}, {"cache_lifetime_s": 43_200}),
        ("prompt_cache_options", {"mode": "explicit"}, {"cache_lifetime_s": 0}),
        ("prompt_cache_options", 7, {"cache_lifetime_s": 1_800}),
        ("prompt_cache_retention", "24h", {"cache_lifetime_s": 86_400}),
        ("prompt_cache_retention", "of next year", {"cache_lifetime_s": 1_800}),
    ],
)
def test_a_field_of_a_chat_stream(field: str, value: object, expected: dict[str, object]) -> None:
    facts = read(Endpoint.CHAT, **{"stream": True, field: value})
    assert {name: getattr(facts, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("input", "Hi", {"prompt_bytes": 4}),
        ("input", None, {"prompt_bytes": 0}),
        ("instructions", None, {"prompt_bytes": 0}),
        ("previous_response_id", "resp_1", {"server_history": True}),
        ("previous_response_id", None, {"server_history": False}),
        ("conversation", "conv_1", {"server_history": True, "session": "conv_1"}),
        ("prompt", {"id": "pmpt_1"}, {"server_history": True}),
        ("stream_options", {"include_obfuscation": False}, {"usage_requested": True}),
    ],
)
def test_a_field_of_a_response(field: str, value: object, expected: dict[str, object]) -> None:
    facts = read(Endpoint.RESPONSES, **{"stream": True, field: value})
    assert {name: getattr(facts, name) for name in expected} == expected


def test_counting_tokens_generates_none() -> None:
    facts = read(Endpoint.COUNT_TOKENS, input="Hi", stream=True)
    assert (facts.max_output_tokens, facts.stream, facts.cache_lifetime_s) == (0, False, 0)
    assert CODEC.max_output_default(Matched(Endpoint.COUNT_TOKENS)) == 0
    assert CODEC.max_output_default(Matched(Endpoint.CHAT)) is None


@pytest.mark.parametrize(
    ("value", "text_bytes", "tokens"),
    [
        ("Hello", 7, 0),
        (["a", "bcd"], 8, 0),
        ([1, 22, 333], 0, 3),
        ([[1, 2], [3], []], 0, 3),
        ([], 0, 0),
        (None, 0, 0),
    ],
)
def test_embeddings_take_text_or_tokens(value: object, text_bytes: int, tokens: int) -> None:
    facts = read(Endpoint.EMBEDDINGS, input=value)
    assert (facts.prompt_bytes, facts.media_tokens) == (text_bytes, tokens)
    assert facts.max_output_tokens == 0


BAD: list[tuple[Endpoint, bytes, str | None]] = [
    (Endpoint.CHAT, b"", None),
    (Endpoint.CHAT, b"{", None),
    (Endpoint.CHAT, b"[]", None),
    (Endpoint.CHAT, b'{"model":"\xff"}', None),
    (Endpoint.CHAT, b'{"model":"m","x":' + b"[" * 9_999, None),
    (Endpoint.CHAT, b"{}", "model"),
    (Endpoint.CHAT, b'{"model":null}', "model"),
    (Endpoint.CHAT, b'{"model":""}', "model"),
    (Endpoint.CHAT, b'{"model":"m","stream":1}', "stream"),
    (Endpoint.CHAT, b'{"model":"m","messages":"x"}', "messages"),
    (Endpoint.CHAT, b'{"model":"m","max_tokens":"x"}', "max_tokens"),
    (Endpoint.CHAT, b'{"model":"m","max_tokens":1.5}', "max_tokens"),
    (Endpoint.CHAT, b'{"model":"m","max_completion_tokens":-1}', "max_completion_tokens"),
    (Endpoint.CHAT, b'{"model":"m","max_tokens":99999999999999999999}', "max_tokens"),
    (Endpoint.CHAT, b'{"model":"m","n":0}', "n"),
    (
        Endpoint.CHAT,
        b'{"model":"m","stream_options":{"include_usage":"x"}}',
        "stream_options.include_usage",
    ),
    (Endpoint.RESPONSES, b'{"model":"m","input":7}', "input"),
    (Endpoint.RESPONSES, b'{"model":"m","tools":{}}', "tools"),
    (Endpoint.RESPONSES, b'{"model":"m","max_output_tokens":true}', "max_output_tokens"),
    (Endpoint.EMBEDDINGS, b'{"model":"m","input":{}}', "input"),
    (Endpoint.EMBEDDINGS, b'{"model":"m","input":[{}]}', "input"),
    (Endpoint.PASSTHROUGH, b"{}", None),
]


@pytest.mark.parametrize(("endpoint", "body", "param"), BAD)
def test_a_bad_body_names_the_field(endpoint: Endpoint, body: bytes, param: str | None) -> None:
    with pytest.raises(BadCall) as caught:
        CODEC.read(Matched(endpoint), body)
    assert caught.value.param == param
    assert param is None or param in caught.value.message


_NAMES = st.sampled_from(
    [
        *("model", "messages", "input", "stream", "stream_options", "include_usage", "n", "tools"),
        *("max_tokens", "type", "image_url", "input_audio", "file_data", "content", "output"),
        *("conversation", "prompt_cache_options", "instructions", "mode", "url", "detail"),
        *("result", "file", "data"),
    ]
)
_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=5)
    | st.sampled_from(
        ["input_image", "image_url", "input_audio", "file", "explicit", "data:;base64,A"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=5),
    max_leaves=20,
)


@settings(deadline=None)
@given(
    endpoint=st.sampled_from(READ),
    body=st.binary() | _ANY.map(lambda value: json.dumps(value).encode()),
)
def test_only_facts_or_a_bad_call_come_out_of_any_body(endpoint: Endpoint, body: bytes) -> None:
    try:
        facts = CODEC.read(Matched(endpoint), body)
    except BadCall:
        return
    assert isinstance(facts, CallFacts)


@settings(deadline=None)
@given(
    endpoint=st.sampled_from(READ),
    members=st.dictionaries(_NAMES.filter(lambda name: name != "model"), _ANY, max_size=6),
)
def test_only_facts_or_a_bad_call_come_out_of_any_object(
    endpoint: Endpoint, members: dict[str, Any]
) -> None:
    try:
        facts = read(endpoint, **members)
    except BadCall:
        return
    assert facts.prompt_bytes >= 0
    assert facts.media_tokens >= 0
