"""Signals of prompts: the same facts from each dialect's own way of writing them."""

import json
from typing import Any

import pytest

from gateway.dialects.registry import CODECS
from gateway.domain.call import Dialect
from gateway.domain.signals import Need, Signals

_PATHS = {
    "messages": (Dialect.ANTHROPIC, "/v1/messages"),
    "chat": (Dialect.OPENAI, "/v1/chat/completions"),
    "responses": (Dialect.OPENAI, "/v1/responses"),
    "gemini": (Dialect.GEMINI, "/v1beta/models/gemini-2.5-flash:generateContent"),
}
DOORS = list(_PATHS)


def read(door: str, body: dict[str, Any] | bytes) -> Signals:
    dialect, path = _PATHS[door]
    codec = CODECS[dialect]
    matched = codec.match("POST", path)
    assert matched is not None
    raw = body if isinstance(body, bytes) else json.dumps({"model": "m", **body}).encode()
    if door == "gemini" and isinstance(body, dict):
        raw = json.dumps(body).encode()
    return codec.signals(matched, raw)


TALKS: dict[str, dict[str, Any]] = {
    "messages": {
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2"},
            {"type": "text", "text": "You are terse."},
        ],
        "tools": [{"name": "ls", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "list it"},
            {"role": "assistant", "content": [
                {"type": "text", "text": "So be it."},
                {"type": "tool_use", "id": "1", "name": "ls", "input": {"path": "."}}]},
            {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "1", "content": "a.txt"}]},
            {"role": "assistant", "content": "There is a.txt."},
            {"role": "user", "content": "show it"},
        ],
    },
    "chat": {
        "tools": [{"type": "function", "function": {"name": "ls"}}],
        "messages": [
            {"role": "system", "content": "You are terse."},
            {"role": "user", "content": "list it"},
            {"role": "assistant", "content": "So be it.", "tool_calls": [
                {"id": "1", "type": "function",
                 "function": {"name": "ls", "arguments": '{"path": "."}'}}]},
            {"role": "tool", "tool_call_id": "1", "content": "a.txt"},
            {"role": "assistant", "content": "There is a.txt."},
            {"role": "user", "content": "show it"},
        ],
    },
    "responses": {
        "instructions": "You are terse.",
        "tools": [{"type": "function", "name": "ls"}],
        "input": [
            {"role": "user", "content": [{"type": "input_text", "text": "list it"}]},
            {"type": "function_call", "call_id": "1", "name": "ls", "arguments": '{"path": "."}'},
            {"type": "function_call_output", "call_id": "1", "output": "a.txt"},
            {"role": "assistant", "content": [{"type": "output_text", "text": "There is a.txt."}]},
            {"role": "user", "content": "show it"},
        ],
    },
    "gemini": {
        "system_instruction": {"parts": [{"text": "You are terse."}]},
        "tools": [{"functionDeclarations": [{"name": "ls"}]}],
        "contents": [
            {"role": "user", "parts": [{"text": "list it"}]},
            {"role": "model", "parts": [{"functionCall": {"name": "ls", "args": {"path": "."}}}]},
            {"role": "user", "parts": [
                {"function_response": {"name": "ls", "response": {"result": "a.txt"}}}]},
            {"role": "model", "parts": [{"text": "There is a.txt."}]},
            {"role": "user", "parts": [{"text": "show it"}]},
        ],
    },
}  # fmt: skip
_LISTS = {"messages": "messages", "chat": "messages", "responses": "input", "gemini": "contents"}


def cut(door: str, count: int) -> dict[str, Any]:
    """The talk without its last items."""
    name = _LISTS[door]
    return {**TALKS[door], name: TALKS[door][name][:-count]}


@pytest.mark.parametrize("door", DOORS)
def test_a_talk_is_read_from_both_ends(door: str) -> None:
    found = read(door, TALKS[door])
    assert found.system == "You are terse."
    assert (found.ask, found.ask_bytes) == ("show it", 7)
    assert (found.turns, found.continues) == (2, False)
    assert found.last_answer == "There is a.txt."
    assert not found.last_answer_used_tools
    assert [use.sound for use in found.tool_uses] == [True]
    assert found.needs == {Need.TOOLS, Need.PARALLEL_TOOLS}
    assert found.unknown == ()


@pytest.mark.parametrize("door", DOORS)
def test_a_tool_result_continues_and_every_turn_has_one_opening(door: str) -> None:
    whole, result = read(door, TALKS[door]), read(door, cut(door, 2))
    assert (result.continues, result.ask, result.turns) == (True, "", 1)
    assert result.last_answer_used_tools
    first = read(door, cut(door, 4))
    assert first.opening == result.opening == whole.opening != b""
    assert (first.ask, first.turns) == ("list it", 0)


@pytest.mark.parametrize("door", DOORS)
def test_what_is_not_understood_is_named_and_nothing_raises(door: str) -> None:
    assert read(door, {**TALKS[door], "brand_new": 1}).unknown == ("brand_new",)
    for body in (b"", b"[]", b"{", b'{"messages":{"a":1},"contents":7,"input":{"b":2}}'):
        assert read(door, body).unknown


def user(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


HI = user("hi")
PICTURE = "data:image/png;base64,AAAA"
NEEDS: list[tuple[str, dict[str, Any], set[Need]]] = [
    ("messages", {**HI, "thinking": {"type": "adaptive"}}, {Need.THINKING_ADAPTIVE}),
    ("messages", {**HI, "thinking": {"type": "enabled", "budget_tokens": 9}},
     {Need.THINKING_BUDGET}),
    ("messages", {**HI, "thinking": {"type": "disabled"}}, {Need.THINKING_OFF}),
    ("messages", {**HI, "output_config": {"effort": "low", "format": {"type": "json_schema"}}},
     {Need.EFFORT, Need.STRUCTURED}),
    ("messages", {**HI, "tools": [{"name": "a"}], "tool_choice":
                  {"type": "tool", "name": "a", "disable_parallel_tool_use": True}},
     {Need.TOOLS, Need.FORCED_TOOL}),
    ("messages", user([{"type": "image", "source": {"type": "url", "url": "u"}}]), {Need.VISION}),
    ("messages", user([{"type": "document", "source": {}}]), {Need.DOCUMENTS}),
    ("messages", user([{"type": "thinking", "thinking": "", "signature": "s"}]),
     {Need.SIGNATURES}),
    ("chat", {**HI, "n": 2, "response_format": {"type": "json_object"}},
     {Need.CHOICES, Need.STRUCTURED}),
    ("chat", {**HI, "tools": [{"type": "function"}], "tool_choice": "required",
              "parallel_tool_calls": False}, {Need.TOOLS, Need.FORCED_TOOL}),
    ("chat", {**HI, "reasoning_effort": "high"}, {Need.EFFORT}),
    ("chat", user([{"type": "image_url", "image_url": {"url": PICTURE}}]), {Need.VISION}),
    ("responses", {"input": "hi", "reasoning": {"effort": "low"},
                   "text": {"format": {"type": "json_schema"}}}, {Need.EFFORT, Need.STRUCTURED}),
    ("responses", {"input": [{"type": "reasoning", "encrypted_content": "x"}]},
     {Need.SIGNATURES}),
    ("gemini", {"contents": [], "generation_config": {
        "thinking_config": {"thinking_budget": 5}, "response_schema": {"type": "OBJECT"}}},
     {Need.THINKING_BUDGET, Need.STRUCTURED}),
    ("gemini", {"contents": [{"parts": [{"inline_data": {"mime_type": "audio/mp3"}}]}],
                "toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
     {Need.AUDIO, Need.FORCED_TOOL}),
    ("gemini", {"contents": [{"role": "model", "parts": [{"text": "", "thoughtSignature": "x"}]}]},
     {Need.SIGNATURES}),
]  # fmt: skip


@pytest.mark.parametrize(("door", "body", "needs"), NEEDS)
def test_a_call_needs_what_it_uses(door: str, body: dict[str, Any], needs: set[Need]) -> None:
    assert read(door, body).needs == needs


def test_what_a_client_inserts_is_no_ask_and_can_tell_that_the_agent_plans() -> None:
    reminder = "<system-reminder>\nPlan mode is active. Do not edit.\n</system-reminder>"
    found = read("messages", user([{"type": "text", "text": reminder},
                                   {"type": "text", "text": "add a cache"}]))  # fmt: skip
    assert (found.ask, found.plan_mode) == ("add a cache", True)
    assert not read("messages", user("add a cache")).plan_mode


def test_arguments_that_are_none_and_tools_that_say_so() -> None:
    bad = {"id": "1", "type": "function", "function": {"name": "ls", "arguments": "{path"}}
    body = {"messages": [{"role": "user", "content": "x"},
                         {"role": "assistant", "tool_calls": [bad]},
                         {"role": "tool", "tool_call_id": "1",
                          "content": "Error: invalid arguments"}]}  # fmt: skip
    found = read("chat", body)
    assert ([use.sound for use in found.tool_uses], found.tool_errors) == ([False], 1)


def test_a_cache_mark_does_not_change_how_a_talk_begins() -> None:
    marked = [{"type": "text", "text": "hi", "cache_control": {"type": "ephemeral"}}]
    assert read("messages", user("hi")).opening == read("messages", user(marked)).opening


def test_a_long_ask_is_read_at_its_ends() -> None:
    found = read("messages", user("a" * 20_000 + "b" * 20_000))
    assert found.ask_bytes == 40_000
    assert len(found.ask) < 17_000
    assert (found.ask[0], found.ask[-1]) == ("a", "b")
