"""Whatever comes in, it is understood or refused: no other exception, and no silent nonsense."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.translation.canonical import Request
from gateway.dialects.translation.translation import FORMATS, read
from gateway.dialects.translation.untranslatable import Dropped, Unreadable, Untranslatable
from gateway.domain.call import Endpoint
from tests.dialects.translation import made

ALL = tuple(FORMATS)
PAIRS = [(source, target) for source in ALL for target in ALL if source is not target]
_ODD: st.SearchStrategy[Any] = st.sampled_from(
    (
        None,
        True,
        0,
        -1,
        2.5,
        10**20,
        "",
        "x",
        "\ud83d",
        [],
        [None],
        [[]],
        {},
        {"type": 1},
        {"x": {}},
    )
)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a JSON value, with each key or index in it."""
    found = value.items() if isinstance(value, dict) else enumerate(value)
    for key, one in list(found):
        yield value, key
        if isinstance(one, dict | list):
            yield from _places(one)


def _spoiled(draw: st.DataObject, body: bytes) -> bytes:
    """The body with something odd in some places, or something missing."""
    value = msgspec.json.decode(body)
    for _ in range(draw.draw(st.integers(1, 3))):
        places = list(_places(value))
        if not places:
            break
        container, key = places[draw.draw(st.integers(0, len(places) - 1))]
        odd = deepcopy(draw.draw(_ODD))  # or the next one may be put into the same container
        if odd is None and isinstance(container, dict):
            del container[key]
        else:
            container[key] = "" if odd == "\ud83d" else odd
    return msgspec.json.encode(value)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_a_spoiled_request_is_translated_or_refused(
    source: Endpoint, target: Endpoint, data: st.DataObject
) -> None:
    request = data.draw(made.requests(source))
    form = FORMATS[source]
    body = form.write_request(request, form.names, Dropped()).body
    try:
        found = read(made.matched(source, request), _spoiled(data, body))
        there = found.into(target, made.MODELS[target])
    except Untranslatable:
        return
    assert msgspec.json.decode(there.written.body)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_spoiled_answer_is_told_or_called_unreadable(
    source: Endpoint, target: Endpoint, data: st.DataObject
) -> None:
    answer = data.draw(made.answers(source, target))
    body = FORMATS[target].write_answer(answer, made.CALLER)
    try:
        found = FORMATS[target].read_answer(_spoiled(data, body))
        told = FORMATS[source].write_answer(found, made.CALLER)
    except Unreadable:
        return
    assert msgspec.json.decode(told)


@pytest.mark.parametrize(("source", "target"), PAIRS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_a_spoiled_stream_is_told_or_called_unreadable(
    source: Endpoint, target: Endpoint, data: st.DataObject
) -> None:
    answer = data.draw(made.answers(source, target))
    writer = FORMATS[target].writer(made.CALLER)
    events = [writer.write(event) for event in made.events_of(answer)]
    told = b"".join(events)
    lines = told.split(b"\n")
    held = [i for i, line in enumerate(lines) if line.startswith(b"data: {")]
    place = held[data.draw(st.integers(0, len(held) - 1))]
    lines[place] = b"data: " + _spoiled(data, lines[place][6:].strip())
    reader, writer = FORMATS[target].reader(), FORMATS[source].writer(made.CALLER)
    try:
        for event in reader.feed(b"\n".join(lines)):
            writer.write(event)
        for event in reader.finish():
            writer.write(event)
    except Unreadable:
        return


@pytest.mark.parametrize("endpoint", ALL)
@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"null", b'"x"', b"{}", b"\xff", b"[" * 5000])
def test_what_is_no_request_is_refused_or_empty(endpoint: Endpoint, body: bytes) -> None:
    form = FORMATS[endpoint]
    matched = made.matched(endpoint, Request("m", ()))
    if body == b"{}":
        assert form.read_request(matched, body, Dropped()).request.messages == ()
        return
    with pytest.raises(Untranslatable):
        form.read_request(matched, body, Dropped())
