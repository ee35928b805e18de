"""What cannot be said elsewhere is refused with the caller's field, or left out and listed."""

from typing import Any

import msgspec
import pytest

from gateway.dialects.translation.translation import ENDPOINTS, Translation, read
from gateway.dialects.translation.untranslatable import Untranslatable
from gateway.domain.call import Dialect, Endpoint, Matched

MESSAGES, CHAT, RESPONSES, GENERATE = (
    Endpoint.MESSAGES,
    Endpoint.CHAT,
    Endpoint.RESPONSES,
    Endpoint.GENERATE,
)
USER = [{"role": "user", "content": "hello"}]
TOOL = {"name": "look", "input_schema": {"type": "object"}}
FUNCTION = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
BASE: dict[Endpoint, dict[str, Any]] = {
    MESSAGES: {"model": "m", "max_tokens": 4000, "messages": USER},
    CHAT: {"model": "m", "messages": USER},
    RESPONSES: {"model": "m", "input": "hello"},
    GENERATE: {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]},
}
MODEL = {
    MESSAGES: "claude-sonnet-5",
    CHAT: "gpt-4o-mini",
    RESPONSES: "gpt-5.6-sol",
    GENERATE: "gemini-3.5-flash",
}


def put(source: Endpoint, target: Endpoint, model: str = "", **fields: Any) -> Translation:
    """A call with these fields, put to a model elsewhere."""
    body = msgspec.json.encode(BASE[source] | fields)
    matched = Matched(source, "m" if source is GENERATE else None)
    return read(matched, body).into(target, model or MODEL[target])


def there(source: Endpoint, target: Endpoint, model: str = "", **fields: Any) -> dict[str, Any]:
    """What is sent."""
    found: dict[str, Any] = msgspec.json.decode(put(source, target, model, **fields).written.body)
    return found


def image(url: str) -> list[dict[str, Any]]:
    part = {"type": "image_url", "image_url": {"url": url}}
    return [{"role": "user", "content": [part]}]


def block(kind: str, **fields: Any) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": kind, **fields}]}]


def config(**fields: Any) -> dict[str, Any]:
    return {"generationConfig": fields}


REFUSED: list[tuple[Endpoint, Endpoint, str, dict[str, Any], str | None]] = [
    (MESSAGES, CHAT, "", {"container": "c"}, "container"),
    (MESSAGES, CHAT, "", {"never_heard_of": 1}, "never_heard_of"),
    (MESSAGES, GENERATE, "", {"max_tokens": 0}, "max_tokens"),
    (MESSAGES, RESPONSES, "", {"stop_sequences": ["x"]}, "stop_sequences"),
    (MESSAGES, CHAT, "gpt-5-mini", {"stop_sequences": ["x"]}, "stop_sequences"),
    (MESSAGES, CHAT, "", {"stop_sequences": list("abcde")}, "stop_sequences"),
    (MESSAGES, GENERATE, "", {"stop_sequences": list("abcdef")}, "stop_sequences"),
    (MESSAGES, CHAT, "", {"tools": [{"type": "web_search_20250305"}]}, "tools[0].type"),
    (MESSAGES, CHAT, "", {"tools": [{**TOOL, "name": "a" * 65}]}, "tools"),
    (MESSAGES, CHAT, "", {"messages": block("server_tool_use")}, "messages[0].content[0].type"),
    (
        MESSAGES,
        CHAT,
        "",
        {"messages": block("image", source={"type": "file", "file_id": "f"})},
        "messages[0].content[0].source.type",
    ),
    (
        MESSAGES,
        GENERATE,
        "",
        {"messages": block("image", source={"type": "url", "url": "https://x"})},
        "messages.content.source",
    ),
    (
        MESSAGES,
        CHAT,
        "",
        {"messages": block("document", source={"type": "text", "data": "x"})},
        "messages.content.source",
    ),
    (
        MESSAGES,
        GENERATE,
        "",
        {"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": True}},
        "tool_choice.disable_parallel_tool_use",
    ),
    (MESSAGES, CHAT, "", {"temperature": "hot"}, "temperature"),
    (CHAT, MESSAGES, "", {"n": 2}, "n"),
    (CHAT, MESSAGES, "", {"logprobs": True}, "logprobs"),
    (CHAT, MESSAGES, "", {"response_format": {"type": "json_object"}}, "response_format"),
    (CHAT, MESSAGES, "", {"messages": image("ftp://x")}, "messages[0].content[0].image_url.url"),
    (CHAT, GENERATE, "", {"messages": image("https://x/a.png")}, "messages.content.image_url"),
    (
        CHAT,
        MESSAGES,
        "claude-opus-5-5",
        {"tools": [FUNCTION], "tool_choice": "required"},
        "tool_choice",
    ),
    (
        CHAT,
        GENERATE,
        "",
        {"messages": [*USER, {"role": "system", "content": "stop"}]},
        "messages.role",
    ),
    (
        CHAT,
        GENERATE,
        "gemini-2.5-flash",
        {"tools": [FUNCTION], "response_format": {"type": "json_object"}},
        "response_format",
    ),
    (
        CHAT,
        MESSAGES,
        "",
        {"messages": [{**image("https://x/a.png")[0], "role": "system"}]},
        "messages[0].content",
    ),
    (RESPONSES, MESSAGES, "", {"previous_response_id": "r"}, "previous_response_id"),
    (RESPONSES, MESSAGES, "", {"background": True}, "background"),
    (RESPONSES, MESSAGES, "", {"tools": [{"type": "web_search"}]}, "tools[0].type"),
    (RESPONSES, GENERATE, "", {"input": [{"type": "item_reference"}]}, "input[0].type"),
    (GENERATE, CHAT, "", {"cachedContent": "c"}, "cachedContent"),
    (
        GENERATE,
        CHAT,
        "",
        {"systemInstruction": {"parts": [{"inlineData": {"mimeType": "image/png"}}]}},
        "systemInstruction.parts[0].inlineData",
    ),
    (GENERATE, CHAT, "", config(candidateCount=2), "generationConfig.candidateCount"),
    (GENERATE, CHAT, "", {"tools": [{"googleSearch": {}}]}, "tools[0].googleSearch"),
    (
        GENERATE,
        MESSAGES,
        "",
        {"contents": [{"parts": [{"fileData": {"fileUri": "x"}}]}]},
        "contents[0].parts[0].fileData",
    ),
]


@pytest.mark.parametrize(("source", "target", "model", "fields", "param"), REFUSED)
def test_a_call_that_would_be_another_elsewhere_is_refused(
    source: Endpoint, target: Endpoint, model: str, fields: dict[str, Any], param: str | None
) -> None:
    with pytest.raises(Untranslatable) as refused:
        put(source, target, model, **fields)
    assert refused.value.param == param


DROPPED: list[tuple[Endpoint, Endpoint, str, dict[str, Any], tuple[str, ...]]] = [
    (MESSAGES, CHAT, "", {"cache_control": {"type": "ephemeral"}}, ("cache_control",)),
    (MESSAGES, CHAT, "", {"top_k": 4}, ("top_k",)),
    (MESSAGES, CHAT, "gpt-5-mini", {"temperature": 0.5}, ("temperature",)),
    (MESSAGES, CHAT, "", {"thinking": {"type": "enabled", "budget_tokens": 2000}}, ("thinking",)),
    (
        MESSAGES,
        GENERATE,
        "",
        {"system": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]},
        ("system.cache_control",),
    ),
    (
        MESSAGES,
        CHAT,
        "",
        {
            "messages": [
                {"role": "user", "content": "hello"},
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "hm", "signature": "s"},
                        {"type": "tool_use", "id": "t", "name": "look", "input": {}},
                    ],
                },
                *block("tool_result", tool_use_id="t", content="gone", is_error=True),
            ]
        },
        ("messages.content.is_error", "messages.content.thinking"),
    ),
    (CHAT, MESSAGES, "", {"seed": 7, "presence_penalty": 1}, ("seed", "presence_penalty")),
    (CHAT, MESSAGES, "", {"temperature": 1.5}, ("temperature",)),
    (CHAT, MESSAGES, "", {"temperature": 0.5, "top_p": 0.5}, ("top_p",)),
    (CHAT, MESSAGES, "", {"reasoning_effort": "low", "temperature": 0.5}, ("temperature",)),
    (CHAT, MESSAGES, "claude-opus-5-5", {"reasoning_effort": "none"}, ("reasoning_effort",)),
    (CHAT, GENERATE, "", {"user": "u", "service_tier": "flex"}, ("service_tier", "user")),
    (CHAT, GENERATE, "", {"reasoning_effort": "none"}, ("reasoning_effort",)),
    (CHAT, MESSAGES, "", {"n": 1, "logprobs": False, "store": False}, ()),
    (RESPONSES, MESSAGES, "", {"store": True, "include": ["x"]}, ("include", "store")),
    (GENERATE, CHAT, "", {"safetySettings": [{}], "labels": {}}, ("safetySettings",)),
    (CHAT, MESSAGES, "", {"functions": [], "logit_bias": {}, "metadata": {}}, ()),
    (GENERATE, RESPONSES, "", config(seed=7), ("generationConfig.seed",)),
]


@pytest.mark.parametrize(("source", "target", "model", "fields", "names"), DROPPED)
def test_what_an_answer_is_as_good_without_is_left_out_and_listed(
    source: Endpoint, target: Endpoint, model: str, fields: dict[str, Any], names: tuple[str, ...]
) -> None:
    assert sorted(put(source, target, model, **fields).dropped) == sorted(names)


def test_claude_is_asked_for_a_maximum_and_thinks_as_each_model_does() -> None:
    wish = {"reasoning_effort": "medium"}
    assert there(CHAT, MESSAGES)["max_tokens"] == 32_000
    new = there(CHAT, MESSAGES, **wish)
    assert new["thinking"] == {"type": "adaptive", "display": "omitted"}
    assert new["output_config"] == {"effort": "medium"}
    old = there(CHAT, MESSAGES, "claude-haiku-4-5", **wish)
    assert old["thinking"]["budget_tokens"] == 8192
    assert "output_config" not in old
    small = there(CHAT, MESSAGES, "claude-haiku-4-5", max_completion_tokens=500, **wish)
    assert "thinking" not in small
    forced = there(CHAT, MESSAGES, tools=[FUNCTION], tool_choice="required", **wish)
    assert "thinking" not in forced
    assert there(CHAT, MESSAGES, reasoning_effort="none")["thinking"] == {"type": "disabled"}


@pytest.mark.parametrize(
    ("source", "target", "model", "most"),
    [
        (MESSAGES, CHAT, "gpt-4o-mini", 16_384),
        (MESSAGES, CHAT, "gpt-4o-2024-11-20", 16_384),
        (MESSAGES, CHAT, "gpt-4.1-mini", 32_768),
        (MESSAGES, CHAT, "gpt-6-luna", 128_000),
        (MESSAGES, CHAT, "llama-70b", 500_000),
        (CHAT, MESSAGES, "claude-haiku-4-5", 64_000),
        (CHAT, MESSAGES, "claude-opus-4-1-20250805", 32_000),
        (CHAT, MESSAGES, "claude-opus-4-8", 128_000),
        (CHAT, GENERATE, "gemini-2.0-flash", 8_192),
        (CHAT, GENERATE, "gemini-2.5-flash", 65_536),
    ],
)
def test_nobody_is_asked_for_more_than_it_can(
    source: Endpoint, target: Endpoint, model: str, most: int
) -> None:
    name = "max_tokens" if source is MESSAGES else "max_completion_tokens"
    found = there(source, target, model, **{name: 500_000})
    told = found.get("generationConfig", found)
    limits = ("max_tokens", "max_completion_tokens", "maxOutputTokens")
    assert [told[one] for one in limits if one in told] == [most]


def test_efforts_budgets_and_levels_stand_for_one_another() -> None:
    budget: dict[str, Any] = {"thinking": {"type": "enabled", "budget_tokens": 3000}}
    assert there(MESSAGES, CHAT, "gpt-5.6-sol", **budget)["reasoning_effort"] == "medium"
    assert there(MESSAGES, RESPONSES, **budget)["reasoning"] == {
        "effort": "medium",
        "summary": "auto",
    }
    thinking = there(MESSAGES, GENERATE, **budget)["generationConfig"]["thinkingConfig"]
    assert thinking == {"includeThoughts": True, "thinkingLevel": "MEDIUM"}
    older = there(MESSAGES, GENERATE, "gemini-2.5-pro", **budget)["generationConfig"]
    assert older["thinkingConfig"] == {"includeThoughts": True, "thinkingBudget": 3000}
    assert there(CHAT, RESPONSES, "o4-mini", reasoning_effort="xhigh")["reasoning"] == {
        "effort": "high"
    }


def test_gemini_is_told_that_a_call_came_from_elsewhere_and_whose_a_result_is() -> None:
    calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": "look", "arguments": "{}"}}
        for i in range(2)
    ]
    results = [{"role": "tool", "tool_call_id": f"c{i}", "content": "here"} for i in range(2)]
    messages = [*USER, {"role": "assistant", "tool_calls": calls}, *results]
    contents = there(CHAT, GENERATE, messages=messages)["contents"]
    signs = [part.get("thoughtSignature") for part in contents[1]["parts"]]
    assert signs == ["skip_thought_signature_validator", None]
    assert [part["functionResponse"]["name"] for part in contents[2]["parts"]] == ["look", "look"]
    older = there(CHAT, GENERATE, "gemini-2.5-pro", messages=messages)["contents"]
    assert "thoughtSignature" not in older[1]["parts"][0]
    lost = [*USER, {"role": "tool", "tool_call_id": "c9", "content": "here"}]
    with pytest.raises(Untranslatable):
        put(CHAT, GENERATE, messages=lost)


def test_a_picture_in_a_tools_result_is_not_lost() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    shown = {**image("https://x/a.png")[0], "role": "tool", "tool_call_id": "c"}
    messages = [*USER, {"role": "assistant", "tool_calls": [call]}, shown]
    found = there(CHAT, MESSAGES, messages=messages)["messages"][2]["content"][0]
    assert found["content"][0]["source"] == {"type": "url", "url": "https://x/a.png"}


def test_geminis_own_schemas_and_spellings_become_json_schema() -> None:
    own = {
        "type": "OBJECT",
        "properties": {"a": {"type": "ARRAY", "items": {"type": "STRING"}, "min_items": "1"}},
        "property_ordering": ["a"],
        "nullable": True,
    }
    found = there(
        GENERATE,
        CHAT,
        tools=[{"function_declarations": [{"name": "look", "parameters": own}]}],
        tool_config={"function_calling_config": {"mode": "any"}},
        generation_config={"max_output_tokens": 5},
    )
    assert found["tools"][0]["function"]["parameters"] == {
        "type": ["object", "null"],
        "properties": {"a": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
    }
    assert (found["tool_choice"], found["max_completion_tokens"]) == ("required", 5)


def test_calls_without_an_id_get_one_and_their_results_find_it() -> None:
    call = {"functionCall": {"name": "look", "args": {"a": 1}}}
    result = {"functionResponse": {"name": "look", "response": {"error": "gone"}}}
    contents = [
        {"role": "user", "parts": [{"text": "hello"}]},
        {"role": "model", "parts": [call, call]},
        {"role": "user", "parts": [result, result]},
    ]
    messages = there(GENERATE, MESSAGES, contents=contents)["messages"]
    ids = [block["id"] for block in messages[1]["content"]]
    assert len(set(ids)) == 2
    assert [block["tool_use_id"] for block in messages[2]["content"]] == ids
    assert messages[2]["content"][0]["is_error"] is True


def test_ids_and_user_names_are_made_to_fit() -> None:
    call = {"type": "tool_use", "id": "x" * 80, "name": "look", "input": {}}
    result = block("tool_result", tool_use_id="x" * 80, content="here")
    messages = [*USER, {"role": "assistant", "content": [call]}, *result]
    found = there(MESSAGES, CHAT, messages=messages, metadata={"user_id": "u" * 100})
    made = found["messages"][1]["tool_calls"][0]["id"]
    assert found["messages"][2]["tool_call_id"] == made
    assert len(made) <= 40
    assert len(found["user"]) == 64


def test_a_schema_is_closed_for_claude_and_strict_for_openai_where_it_can_be() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    claude = there(CHAT, MESSAGES, response_format=form)["output_config"]["format"]["schema"]
    assert claude["additionalProperties"] is False
    open_one = there(GENERATE, CHAT, **_json(schema))["response_format"]["json_schema"]
    closed = there(GENERATE, CHAT, **_json(claude))["response_format"]["json_schema"]
    assert (open_one["strict"], closed["strict"]) == (False, True)


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return config(responseMimeType="application/json", responseJsonSchema=schema)


def test_each_dialect_has_a_place_where_it_is_called() -> None:
    paths = {
        dialect: put(CHAT, endpoint).written.path
        for dialect, endpoint in ENDPOINTS.items()
        if endpoint is not CHAT
    }
    assert paths == {
        Dialect.ANTHROPIC: "/v1/messages",
        Dialect.GEMINI: "/v1beta/models/gemini-3.5-flash:generateContent",
    }
    assert (
        put(MESSAGES, GENERATE, "a/b?c").written.path == "/v1beta/models/a%2Fb%3Fc:generateContent"
    )


CLAUDE_CODE: dict[str, Any] = {
    "max_tokens": 32_000,
    "stream": True,
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.331"},
        {"type": "text", "text": "You are Claude Code.", "cache_control": {"type": "ephemeral"}},
    ],
    "messages": [
        {"role": "user", "content": "Fix the bug."},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
                {"type": "text", "text": "I look."},
                {
                    "type": "tool_use",
                    "id": "toolu_01",
                    "name": "Read",
                    "input": {"file_path": "/a.py"},
                },
            ],
        },
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "toolu_01", "content": "1\tpass"},
                {
                    "type": "text",
                    "text": "<system-reminder>Be brief.</system-reminder>",
                    "cache_control": {"type": "ephemeral", "ttl": "1h"},
                },
            ],
        },
    ],
    "tools": [
        {
            "name": "Read",
            "description": "Reads a file.",
            "input_schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {"file_path": {"type": "string"}},
                "required": ["file_path"],
                "additionalProperties": False,
            },
            "eager_input_streaming": True,
        }
    ],
    "thinking": {"type": "adaptive"},
    "output_config": {"effort": "high"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "metadata": {"user_id": '{"device_id":"d","account_uuid":"","session_id":"s"}'},
}


@pytest.mark.parametrize(
    ("target", "more"),
    [(CHAT, ["thinking"]), (RESPONSES, []), (GENERATE, ["metadata.user_id"])],
)
def test_what_claude_code_sends_can_be_sent_elsewhere(target: Endpoint, more: list[str]) -> None:
    found = put(MESSAGES, target, **CLAUDE_CODE)
    assert sorted(found.dropped) == sorted(
        [
            "context_management",
            "messages.content.cache_control",
            "messages.content.thinking",
            "system.cache_control",
            "tools.eager_input_streaming",
            *more,
        ]
    )
    assert b"c2ln" not in found.written.body
