"""Facts of Messages requests."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.anthropic import requests
from gateway.domain.call import BadCall, CallFacts

UUID = "0f8fad5b-d9cb-469f-a165-70867728950e"


def body(**fields: object) -> bytes:
    base = {"model": "claude-sonnet-5", "max_tokens": 64, "messages": []}
    return json.dumps(base | fields).encode()


def test_all_facts_of_a_usual_agent_call_are_found() -> None:
    facts = requests.read(
        body(
            stream=True,
            system=[{"type": "text", "text": "Be brief."}],
            tools=[{"name": "a"}, {"name": "b"}],
            messages=[{"role": "user", "content": "Hi"}],
            metadata={"user_id": f"user_1a2b_account_{UUID}_session_{UUID}"},
            output_config={"effort": "low"},
        )
    )
    assert (facts.model, facts.stream, facts.max_output_tokens) == ("claude-sonnet-5", True, 64)
    assert (facts.choices, facts.tools, facts.media_tokens) == (1, 2, 0)
    assert facts.session == UUID
    assert not facts.server_history
    assert (facts.prefixes, facts.cache_lifetime_s) == ((), 0)
    text = '[{"type": "text", "text": "Be brief."}]{"name": "a"},{"name": "b"}'
    assert facts.prompt_bytes == len(text + '{"role": "user", "content": "Hi"}')


def test_counting_tokens_neither_streams_nor_has_output() -> None:
    facts = requests.read(body(stream=True), counting=True)
    assert (facts.stream, facts.max_output_tokens) == (False, 0)


@pytest.mark.parametrize(
    ("given_value", "read"),
    [(None, None), (0, 0), (7, 7), (7.0, 7), (-1, 0), (10**25, requests.MAX_TOKENS)],
)
def test_the_requested_maximum_is_a_sane_number(given_value: object, read: int | None) -> None:
    assert requests.read(body(max_tokens=given_value)).max_output_tokens == read


@pytest.mark.parametrize(
    ("user_id", "session"),
    [
        (f"user_ab_account__session_{UUID}", UUID),
        (json.dumps({"device_id": "d", "account_uuid": "", "session_id": UUID}), UUID),
        (json.dumps({"device_id": "d"}), None),
        ("{broken", None),
        ('{"session_id": 5}', None),
        ("customer-17", None),
        (17, None),
        (None, None),
    ],
)
def test_a_session_is_read_from_either_form_of_claude_codes_user_id(
    user_id: object, session: str | None
) -> None:
    assert requests.read(body(metadata={"user_id": user_id})).session == session


@pytest.mark.parametrize(
    ("thread", "held"),
    [
        (None, False),
        ({"type": "create"}, False),
        ({"type": "continue", "previous_message_id": "msg_1"}, True),
        (3, False),
    ],
)
def test_a_continued_thread_is_a_prompt_that_the_provider_holds(thread: object, held: bool) -> None:
    assert requests.read(body(thread=thread)).server_history is held


@pytest.mark.parametrize(
    ("bad", "param"),
    [
        (b"", None),
        (b"{", None),
        (b"[]", None),
        (b"null", None),
        (b'"text"', None),
        (b'{"model":"a"} more', None),
        (b"\xef\xbb\xbf{}", None),
        (b'{"model":"\xff"}', None),
        (b'{"model":"a","deep":' + b"[" * 100_000, None),
        (b"{}", "model"),
        (b'{"model":""}', "model"),
        (b'{"model":null}', "model"),
        (b'{"model":["a"]}', "model"),
        (b'{"model":"a","stream":"yes"}', "stream"),
        (b'{"model":"a","stream":1}', "stream"),
        (b'{"model":"a","max_tokens":"9"}', "max_tokens"),
        (b'{"model":"a","max_tokens":1e999}', "max_tokens"),
        (b'{"model":"a","messages":"hi"}', "messages"),
        (b'{"model":"a","messages":{"role":"user"}}', "messages"),
        (b'{"model":"a","tools":{}}', "tools"),
    ],
)
def test_a_bad_body_is_refused_and_the_field_named(bad: bytes, param: str | None) -> None:
    with pytest.raises(BadCall) as refused:
        requests.read(bad)
    assert refused.value.param == param
    assert param is None or refused.value.message.startswith(param + ":")


def test_of_a_key_given_twice_the_last_counts_as_in_json_everywhere() -> None:
    assert requests.read(b'{"model":"a","model":"b"}').model == "b"


def test_null_stands_for_a_field_left_out() -> None:
    nothing = dict.fromkeys(("stream", "messages", "tools", "system", "metadata", "thread"))
    assert requests.read(body(**nothing)).prompt_bytes == 0


KNOWN = st.sampled_from(
    ["model", "messages", "system", "tools", "stream", "max_tokens", "metadata", "thread",
     "content", "source", "type", "cache_control", "data"]
)  # fmt: skip
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)
    | st.sampled_from(["image", "base64", "tool_result", "document", "ephemeral", "1h"])
)  # fmt: skip
LIKELY = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KNOWN, inner, max_size=4),
    max_leaves=9,
)


def facts_or_bad_call(raw: bytes) -> None:
    try:
        facts = requests.read(raw)
    except BadCall:
        return
    assert isinstance(facts, CallFacts)
    assert 0 <= facts.prompt_bytes <= len(raw)


@given(st.dictionaries(KNOWN, LIKELY, max_size=6), st.booleans())
def test_arbitrary_json_gives_facts_or_a_bad_call(fields: dict[str, object], named: bool) -> None:
    facts_or_bad_call(json.dumps(fields | ({"model": "m"} if named else {})).encode())


@given(st.binary(), st.sampled_from([b"", b'{"model":"m","messages":[', b'{"model":"m","system":']))
def test_arbitrary_bytes_give_facts_or_a_bad_call(raw: bytes, start: bytes) -> None:
    facts_or_bad_call(start + raw)
    facts_or_bad_call(start + b'"' + raw + b'"]}')
