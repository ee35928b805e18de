"""Another model's name in a request: the one change, and no other byte."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.renaming import MOST_PLACES, in_body, in_path

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.just("model"), inner),
    max_leaves=12,
)


OTHERS = st.dictionaries(st.text().filter(lambda name: name != "model"), JSON)


@given(before=OTHERS, old=st.text(min_size=1), after=OTHERS, new=st.text(min_size=1))
def test_only_the_name_changes(
    before: dict[str, object], old: str, after: dict[str, object], new: str
) -> None:
    head = "{" + "".join(f"{json.dumps(k)}: {json.dumps(v)}," for k, v in before.items())
    tail = "".join(f",{json.dumps(k)}: {json.dumps(v)}" for k, v in after.items()) + "}"
    start, end = f'{head}"model": '.encode(), tail.encode()
    body = start + json.dumps(old).encode() + end
    changed = start + msgspec.json.encode(new) + end
    assert in_body(body, new) == (changed if new != old else body)


@pytest.mark.parametrize(
    ("body", "changed"),
    [
        (b'{"model":"a"}', b'{"model":"b"}'),
        (b'{ "x":[1, 2], "model" : "a\\"", "y":"\\u0020" }', b'{ "x":[1, 2], "model" : "b", "y":"\\u0020" }'),
        (b'{"tool":{"model":"in"},"model":"a"}', b'{"tool":{"model":"in"},"model":"b"}'),
        (b'{"text":"\\"model\\": \\"q\\"","model":"a"}', b'{"text":"\\"model\\": \\"q\\"","model":"b"}'),
        (b'{"model":"first","model":"last"}', b'{"model":"first","model":"b"}'),
        (b'{"in":{"model":"a"},"model":"b"}', b'{"in":{"model":"a"},"model":"b"}'),
    ],
)  # fmt: skip
def test_where_the_name_stands(body: bytes, changed: bytes) -> None:
    assert in_body(body, "b") == changed


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"no json",
        b'{"mod\\u0065l":"a"}',
        b'{"x":[' + b'{"model":"in"},' * MOST_PLACES + b'1],"model":"a"}',
    ],
)
def test_a_name_that_cannot_be_found_is_not_guessed(body: bytes) -> None:
    with pytest.raises(ValueError, match="names no model"):
        in_body(body, "b")


@pytest.mark.parametrize(
    ("path", "model", "changed"),
    [
        (b"/v1beta/models/a:generateContent", "b", b"/v1beta/models/b:generateContent"),
        (b"/v1/models/a%3AstreamGenerateContent", "b", b"/v1/models/b%3AstreamGenerateContent"),
        (b"/v1beta/tunedModels/x:generateContent", "b", b"/v1beta/models/b:generateContent"),
        (b"/v1beta/models/a:countTokens", "tunedModels/q", b"/v1beta/tunedModels/q:countTokens"),
        (b"/v1beta/models/a:countTokens", "b c", b"/v1beta/models/b%20c:countTokens"),
    ],
)
def test_a_path_with_another_model(path: bytes, model: str, changed: bytes) -> None:
    assert in_path(path, model) == changed


def test_a_path_without_a_model_stays() -> None:
    with pytest.raises(ValueError, match="names no model"):
        in_path(b"/v1beta/files", "b")
