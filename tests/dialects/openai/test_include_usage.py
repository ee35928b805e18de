"""The one place where the gateway changes a body: as little as can be, and provably so."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.openai.codec import OpenAICodec
from gateway.domain.call import Endpoint, Matched

CODEC = OpenAICodec()
CHAT = Matched(Endpoint.CHAT)

SPLICED = {
    "no options": (
        b'{"model": "m", "stream": true}',
        b'{"stream_options":{"include_usage":true},"model": "m", "stream": true}',
    ),
    "space before and behind the brace": (
        b' \n{ "stream": true }',
        b' \n{"stream_options":{"include_usage":true}, "stream": true }',
    ),
    "null options": (
        b'{"stream":true,"stream_options" : null,"x":1.0}',
        b'{"stream":true,"stream_options" : {"include_usage":true},"x":1.0}',
    ),
    "empty options": (
        b'{"stream":true,"stream_options":{ }}',
        b'{"stream":true,"stream_options":{"include_usage":true }}',
    ),
    "another option": (
        b'{"stream":true,"stream_options":{"include_obfuscation": false}}',
        b'{"stream":true,"stream_options":{"include_usage":true,"include_obfuscation": false}}',
    ),
    "false": (
        b'{"stream_options":{"a":1,"include_usage" : false,"b":2},"stream":true}',
        b'{"stream_options":{"a":1,"include_usage" : true,"b":2},"stream":true}',
    ),
    "null": (
        b'{"stream_options":{"include_usage":null},"stream":true}',
        b'{"stream_options":{"include_usage":true},"stream":true}',
    ),
    "an equal key further in, before": (
        b'{"metadata":{"stream_options":{"include_usage":false}},"stream":true,'
        b'"stream_options":{"include_usage":false}}',
        b'{"metadata":{"stream_options":{"include_usage":false}},"stream":true,'
        b'"stream_options":{"include_usage":true}}',
    ),
    "an equal key further in, behind": (
        b'{"stream_options":{"include_usage":false},"stream":true,'
        b'"metadata":{"stream_options":{"include_usage":false}}}',
        b'{"stream_options":{"include_usage":true},"stream":true,'
        b'"metadata":{"stream_options":{"include_usage":false}}}',
    ),
    "an equal flag further in": (
        b'{"stream":true,"stream_options":{"x":{"include_usage":false}}}',
        b'{"stream":true,"stream_options":{"include_usage":true,"x":{"include_usage":false}}}',
    ),
    "the words in a text": (
        rb'{"stream":true,"messages":[{"content":"\"stream_options\": {\"include_usage\":false}"}]}',
        rb'{"stream_options":{"include_usage":true},'
        rb'"stream":true,"messages":[{"content":"\"stream_options\": {\"include_usage\":false}"}]}',
    ),
}


@pytest.mark.parametrize(("body", "expected"), SPLICED.values(), ids=SPLICED.keys())
def test_only_the_option_is_added(body: bytes, expected: bytes) -> None:
    assert CODEC.with_usage(CHAT, body) == expected


UNTOUCHED = {
    "asked already": b'{"stream":true,"stream_options":{"include_usage":true}}',
    "no stream": b'{"stream":false,"stream_options":{}}',
    "nothing said of streams": b"{}",
    "no JSON": b'{"stream":true',
    "options of a wrong type": b'{"stream":true,"stream_options":[]}',
    "a key written with an escape": b'{"stream":true,"stream\\u005foptions":{}}',
    "nested beyond all reason": b'{"stream":true,"x":' + b"[" * 9_999,
}


@pytest.mark.parametrize("body", UNTOUCHED.values(), ids=UNTOUCHED.keys())
def test_other_bodies_stay_the_very_same_object(body: bytes) -> None:
    assert CODEC.with_usage(CHAT, body) is body


def test_other_endpoints_report_usage_by_themselves() -> None:
    body = b'{"stream":true}'
    assert CODEC.with_usage(Matched(Endpoint.RESPONSES), body) is body


_KEYS = st.one_of(
    st.text(max_size=4), st.sampled_from(["stream_options", "include_usage", "model"])
)
_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)
_OPTIONS = st.none() | st.dictionaries(_KEYS.filter(lambda key: key != "include_usage"), _VALUES)
_FLAGS = st.sampled_from([None, False, "absent"])


@st.composite
def bodies(draw: st.DrawFn) -> dict[str, Any]:
    members = draw(st.dictionaries(_KEYS, _VALUES, max_size=5))
    members.pop("stream_options", None)
    if draw(st.booleans()):
        options = draw(_OPTIONS)
        flag = draw(_FLAGS)
        if options is not None and flag != "absent":
            options["include_usage"] = flag
        members["stream_options"] = options
    members["stream"] = True
    order = draw(st.permutations(list(members)))
    return {key: members[key] for key in order}


_STYLES = st.sampled_from(
    [
        {"separators": (",", ":")},
        {"separators": (", ", ": ")},
        {"indent": 2},
        {"ensure_ascii": False},
        {"indent": "\t", "separators": (" ,", " : ")},
    ]
)


@settings(deadline=None)
@given(members=bodies(), style=_STYLES)
def test_the_result_is_the_original_plus_the_option_and_nothing_else(
    members: dict[str, Any], style: dict[str, Any]
) -> None:
    body = json.dumps(members, **style).encode()
    changed = CODEC.with_usage(CHAT, body)
    expected = dict(members)
    expected["stream_options"] = {**(members.get("stream_options") or {}), "include_usage": True}
    assert json.loads(changed) == expected
    rest = [key for key in json.loads(changed) if key != "stream_options"]
    assert rest == [key for key in members if key != "stream_options"]
    start = common(body, changed)
    end = common(body[start:][::-1], changed[start:][::-1])
    assert start + end >= len(body) - len(b"false"), "more than one value was taken out"
    assert len(changed) - start - end <= len(b'"stream_options":{"include_usage":true},')


def common(one: bytes, other: bytes) -> int:
    """The length of what both begin with."""
    length = min(len(one), len(other))
    return next((at for at in range(length) if one[at] != other[at]), length)
