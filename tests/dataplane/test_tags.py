"""Tags that a caller gives its calls."""

import pytest

from gateway.dataplane.refused import Refused
from gateway.dataplane.tags import MAX_TAGS, TAG, tags


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([], ()),
        ([b"job=nightly"], ("job=nightly",)),
        ([b"job=nightly", b"repo=acme/site"], ("job=nightly", "repo=acme/site")),
        ([b"a=1, b=2", b"a=1"], ("a=1", "b=2")),
        ([b"a=1", b"a=2"], ("a=1", "a=2")),
        ([b" commit=9f3c@main:src/x.py+y "], ("commit=9f3c@main:src/x.py+y",)),
    ],
)
def test_tags_may_repeat_or_stand_together(values: list[bytes], found: tuple[str, ...]) -> None:
    headers = [(b"x-other", b"q=1"), *((TAG, value) for value in values)]
    assert tags(headers) == found


@pytest.mark.parametrize(
    "value",
    [b"", b"job", b"=x", b"job=", b"job=a b", b"job=\xc3\xa4", b"a=1,,b=2", b"k" * 41 + b"=1",
     b"k=" + b"v" * 81, b'k="v"', b"k=v\x00"],
)  # fmt: skip
def test_what_is_no_tag_is_said(value: bytes) -> None:
    with pytest.raises(Refused) as said:
        tags([(TAG, value)])
    assert "x-gateway-tag" in said.value.refusal.message


def test_their_number_is_bounded() -> None:
    many = [(TAG, b"k%d=v" % i) for i in range(MAX_TAGS + 1)]
    assert len(tags(many[:-1])) == MAX_TAGS
    with pytest.raises(Refused):
        tags(many)
