"""Marks are additions: without them the body is the client's, and the provider's rules hold."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic import breakpoints
from gateway.dialects.anthropic.breakpoints import MARK, TEXT_CLOSES, TEXT_OPENS, marked, outline

MARKED = {"type": "ephemeral"}
SIGNED = {"type": "thinking", "thinking": "hm", "signature": "c2lt"}

texts = st.text(max_size=30)
blocks = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text}, texts),
    st.just({"type": "image", "source": {"type": "url", "url": "u"}}),
    st.builds(lambda text: {"type": "tool_result", "tool_use_id": "t", "content": text}, texts),
    st.just({"type": "tool_use", "id": "t", "name": "f", "input": {}}),
    st.just(SIGNED),
)
contents = st.one_of(texts, st.lists(blocks, max_size=4))
messages = st.lists(
    st.builds(
        lambda role, content: {"role": role, "content": content},
        st.sampled_from(["user", "assistant", "system"]),
        contents,
    ),
    min_size=1,
    max_size=5,
)
tools = st.lists(
    st.builds(
        lambda name, deferred: {"name": name, "input_schema": {}} | deferred,
        st.sampled_from(["f", "g"]),
        st.sampled_from([{}, {"defer_loading": True}]),
    ),
    max_size=3,
)
bodies = st.fixed_dictionaries(
    {"model": st.just("claude-sonnet-4-6"), "messages": messages},
    optional={"system": contents, "tools": tools, "max_tokens": st.just(9)},
)
layouts = st.sampled_from([{"separators": (",", ":")}, {"indent": 1}, {"ensure_ascii": False}])


def unmarked(body: bytes) -> bytes:
    """The body with every addition taken away; texts that became blocks are texts again."""
    while (close := body.find(TEXT_CLOSES)) >= 0:
        opening = body.rfind(TEXT_OPENS, 0, close)
        if opening < 0 or b'"' + MARK not in body[opening : close + len(MARK)]:
            break
        inner = body[opening + len(TEXT_OPENS) : close]
        if not _is_text(inner):  # a block of the client's own, marked in place
            break
        body = body[:opening] + inner + body[close + len(TEXT_CLOSES) :]
    return body.replace(MARK, b"")


def _is_text(inner: bytes) -> bool:
    try:
        return isinstance(json.loads(inner), str)
    except ValueError:
        return False


def marks_of(value: Any) -> list[dict[str, Any]]:
    """Every object that is marked."""
    if isinstance(value, dict):
        inner = [found for one in value.values() for found in marks_of(one)]
        return [value, *inner] if "cache_control" in value else inner
    return [found for one in value for found in marks_of(one)] if isinstance(value, list) else []


@given(bodies, layouts, st.booleans(), st.none() | st.integers(0, 5), st.booleans())
def test_without_the_additions_the_body_is_the_clients(
    fields: dict[str, Any], layout: dict[str, Any], head: bool, stem: int | None, tail: bool
) -> None:
    body = json.dumps(fields, **layout).encode("utf-8", "surrogatepass")
    changed = marked(body, head=head, stem=stem, tail=tail)
    found = marks_of(json.loads(changed))
    assert len(found) <= head + (stem is not None) + tail
    assert changed is body or found
    for block in found:
        assert block["cache_control"] == MARKED
        assert block.get("type") != "thinking"
        assert block.get("type") != "text" or block["text"].strip()
        assert not block.get("defer_loading")
    # Client blocks `[{"type":"text","text":"..."}]` look like a text that was made one.
    assert body in {unmarked(changed), changed.replace(MARK, b"")}


def body_of(**fields: Any) -> bytes:
    return json.dumps({"model": "claude-sonnet-4-6"} | fields).encode()


ASKS = {"role": "user", "content": "why"}


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"system": "be brief"}, ["system", 0]),
        ({"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}, ["system", 1]),
        ({"system": "s", "tools": [{"name": "f"}]}, ["system", 0]),
        ({"tools": [{"name": "f"}, {"name": "g"}]}, ["tools", 1]),
        ({"tools": [{"name": "g", "defer_loading": True}]}, None),
        ({"system": "x-anthropic-billing-header: cc_version=2"}, None),
        ({"system": " \n"}, None),
        ({}, None),
        # The same text elsewhere, before and after, misleads nobody.
        ({"metadata": {"system": "why"}, "system": "why"}, ["system", 0]),
    ],
)
def test_the_head_is_marked_at_its_end(fields: dict[str, Any], where: list[Any] | None) -> None:
    body = body_of(**fields, messages=[ASKS, {"role": "assistant", "content": "why"}])
    changed = marked(body, head=True)
    found = marks_of(json.loads(changed))
    if where is None:
        assert changed is body
        return
    place = json.loads(changed)
    for step in where:
        place = place[step]
    assert found == [place]


@pytest.mark.parametrize(
    ("messages", "index"),
    [
        ([ASKS], 0),
        ([ASKS, {"role": "assistant", "content": "b"}, ASKS], 2),
        ([ASKS, {"role": "assistant", "content": "{"}], 0),
        ([ASKS, {"role": "assistant", "content": "a"}, {"role": "system", "content": "b"}], None),
        ([{"role": "user", "content": ""}], None),
        ([{"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t"}]}], 0),
    ],
)
def test_the_newest_message_of_the_user_is_marked(
    messages: list[dict[str, Any]], index: int | None
) -> None:
    body = body_of(messages=messages)
    changed = marked(body, tail=True)
    if index is None:
        assert changed is body
    else:
        assert json.loads(changed)["messages"][index]["content"][-1]["cache_control"] == MARKED
        assert len(marks_of(json.loads(changed))) == 1


def test_any_message_can_be_marked() -> None:
    said = [ASKS, {"role": "assistant", "content": "because"}, ASKS]
    for stem, index in ((0, 2), (1, 1), (2, 0), (3, None)):
        changed = marked(body_of(messages=said), stem=stem)
        found = json.loads(changed)["messages"]
        places = [n for n, message in enumerate(found) if isinstance(message["content"], list)]
        assert places == ([] if index is None else [index])
    changed = marked(body_of(messages=said), stem=0, tail=True)
    assert len(marks_of(json.loads(changed))) == 1


def test_a_text_stays_a_text_where_thinking_is_signed() -> None:
    answer = {"role": "assistant", "content": [SIGNED, {"type": "text", "text": "a"}]}
    body = body_of(system="be brief", messages=[ASKS, answer, ASKS])
    assert marked(body, head=True, tail=True) is body
    result = {"role": "user", "content": [{"type": "text", "text": "b"}]}
    body = body_of(system="be brief", messages=[ASKS, answer, result])
    assert len(marks_of(json.loads(marked(body, head=True, tail=True)))) == 1


@pytest.mark.parametrize(
    "more",
    [
        {"cache_control": MARKED},
        {"system": [{"type": "text", "text": "s", "cache_control": MARKED}]},
        {"thread": {"type": "continue", "id": "t"}},
        {"container": "c"},
        {"messages": []},
        {"messages": "no list"},
    ],
)
def test_bodies_that_are_marked_or_not_whole_are_left_alone(more: dict[str, Any]) -> None:
    assert outline(body_of(**{"messages": [ASKS]} | more)) is None


def test_the_outline_has_the_cuts_that_an_unmarked_turn_has_later() -> None:
    first = outline(body_of(system="be brief", tools=[{"name": "f"}], messages=[ASKS]))
    answer = {"role": "assistant", "content": "a"}
    later = outline(
        body_of(system="be brief", tools=[{"name": "f"}], messages=[ASKS, answer, ASKS])
    )
    assert first is not None
    assert later is not None
    assert first.head == later.head == first.cuts[1]
    assert first.cuts == later.cuts[:3]
    bare = outline(body_of(messages=[ASKS]))
    assert bare is not None
    assert bare.head is None


@pytest.mark.parametrize(
    ("model", "least"),
    [
        ("claude-opus-5", 512),
        ("claude-sonnet-4-5-20250929", 1_024),
        ("claude-opus-4-7", 2_048),
        ("claude-haiku-4-5", 4_096),
        ("claude-sonnet-5-5", 4_096),
        ("claude-of-tomorrow", 4_096),
    ],
)
def test_each_model_has_its_shortest_prefix(model: str, least: int) -> None:
    assert breakpoints.least_tokens(model) == least
