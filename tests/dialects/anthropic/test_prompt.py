"""Size, media and cache cuts of a prompt."""

import base64
import json

import pytest

from gateway.dialects.anthropic import prompt, requests
from gateway.domain.call import CallFacts

PICTURE = base64.b64encode(bytes(9_000)).decode()
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PICTURE}}
LINKED = {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}}
PDF = {"type": "document", "source": {"type": "base64", "data": "A" * 400_000}}
NOTE = {"type": "document", "source": {"type": "text", "data": "plain words"}}
NESTED = {"type": "document", "source": {"type": "content", "content": [IMAGE]}}
MARK = {"type": "ephemeral"}


def read(messages: list[object], **fields: object) -> CallFacts:
    return requests.read(json.dumps({"model": "m", "messages": messages, **fields}).encode())


def user(*blocks: object) -> dict[str, object]:
    return {"role": "user", "content": list(blocks)}


def text(words: str, mark: object = None) -> dict[str, object]:
    block: dict[str, object] = {"type": "text", "text": words}
    return block | {"cache_control": mark} if mark else block


@pytest.mark.parametrize(
    ("block", "media_bytes", "media_tokens"),
    [
        (IMAGE, len(PICTURE) + 2, prompt.IMAGE_TOKENS),
        (LINKED, 0, prompt.IMAGE_TOKENS),
        (PDF, 400_002, 10_000),
        (NOTE, 0, 0),
        (NESTED, len(PICTURE) + 2, prompt.IMAGE_TOKENS),
        ({"type": "tool_result", "content": [IMAGE, LINKED]}, len(PICTURE) + 2, 3_200),
        ({"type": "tool_result", "content": "source"}, 0, 0),
        ({"type": "tool_use", "input": {"source": "x" * 50}}, 0, 0),
        (text('say "source" aloud'), 0, 0),
        ({"type": "image"}, 0, 0),
        ({"type": "image", "source": "nowhere"}, 0, 0),
    ],
)
def test_media_count_as_tokens_and_not_as_bytes(
    block: dict[str, object], media_bytes: int, media_tokens: int
) -> None:
    message = user(block)
    facts = read([message])
    assert facts.prompt_bytes == len(json.dumps(message)) - media_bytes
    assert facts.media_tokens == media_tokens


@pytest.mark.parametrize(
    ("mark", "lifetime_s"),
    [
        (None, 0),
        (MARK, 300),
        ({"type": "ephemeral", "ttl": "5m"}, 300),
        ({"type": "ephemeral", "ttl": "1h"}, 3600),
    ],
)
@pytest.mark.parametrize("place", ["message", "system", "tools", "top"])
def test_the_longest_marked_lifetime_is_found_wherever_it_stands(
    mark: object, lifetime_s: int, place: str
) -> None:
    marked: dict[str, object] = {"cache_control": mark}
    messages: list[object] = [user(text("a"))]
    places: dict[str, dict[str, object]] = {
        "message": {"messages": [user(text("a") | marked), user(text("b"))]},
        "system": {"system": [text("a") | marked]},
        "tools": {"tools": [marked | {"name": "a"}]},
        "top": marked,
    }
    fields = {"model": "m", "messages": messages} | places[place]
    facts = requests.read(json.dumps(fields).encode())
    assert facts.cache_lifetime_s == lifetime_s
    assert bool(facts.prefixes) is (lifetime_s > 0)


def test_text_about_cache_marks_is_not_a_mark() -> None:
    quoted = json.dumps({"cache_control": {"type": "ephemeral"}})
    assert read([user(text(quoted))]).cache_lifetime_s == 0


def test_cuts_stand_after_tools_after_system_and_after_each_message() -> None:
    messages: list[object] = [user(text("a")), user(text("b", MARK))]
    facts = read(messages, tools=[{"name": "t"}], system="s" * 10)
    assert [cut.prompt_bytes for cut in facts.prefixes] == [
        13, 25, 25 + len(json.dumps(messages[0])), facts.prompt_bytes
    ]  # fmt: skip
    assert len({cut.digest for cut in facts.prefixes}) == 4
    assert {len(cut.digest) for cut in facts.prefixes} == {16}


def test_only_the_last_cuts_of_a_long_conversation_are_kept() -> None:
    messages: list[object] = [user(text(str(i))) for i in range(100)]
    facts = read(messages, cache_control=MARK, system="s")
    assert len(facts.prefixes) == 1 + prompt.MAX_CUTS
    assert facts.prefixes[-1].prompt_bytes == facts.prompt_bytes
    sizes = [cut.prompt_bytes for cut in facts.prefixes]
    assert sizes == sorted(sizes)


def test_the_next_turn_shares_the_cut_at_which_the_last_one_ended() -> None:
    """Claude Code moves its marks to the newest messages, which changes older messages' bytes."""
    system = [text("You are careful.", MARK)]
    first = read([user(text("one")), user(text("two", MARK))], system=system)
    second = read([user(text("one")), user(text("two")), user(text("three", MARK))], system=system)
    shared = {cut.digest for cut in first.prefixes} & {cut.digest for cut in second.prefixes}
    assert first.prefixes[-1].digest in shared
    assert len(shared) == 3


def test_a_mark_is_overlooked_wherever_it_stands_in_its_block() -> None:
    first = read([user({"cache_control": MARK, "type": "text", "text": "a"})])
    second = read([user({"type": "text", "text": "a", "cache_control": MARK})])
    assert first.prefixes[0].digest == second.prefixes[0].digest


def test_a_changed_beginning_shares_nothing() -> None:
    first = read([user(text("a")), user(text("b", MARK))], system="x")
    second = read([user(text("a")), user(text("b", MARK))], system="y")
    assert not {c.digest for c in first.prefixes} & {c.digest for c in second.prefixes}


def test_claude_codes_attribution_does_not_part_calls_that_share_a_cache() -> None:
    """provider-facts A9: the first system block names version and more, anew in each call."""
    calls = [
        read(
            [user(text("a", MARK))],
            system=[text(f"x-anthropic-billing-header: cc_version=2.1; cch={n};"), text("Work.")],
        )
        for n in ("a1", "b2")
    ]
    assert calls[0].prefixes == calls[1].prefixes
