"""What a format writes, it reads back as it was, whole or in any chunks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects.translation.canonical import (
    Alive,
    Event,
    Failed,
    Failure,
    FailureKind,
)
from gateway.dialects.translation.translation import FORMATS, Reading, StreamTranslator, read
from gateway.dialects.translation.untranslatable import Dropped, Untranslatable
from gateway.domain.call import Endpoint
from tests.dialects.translation import made

ALL = tuple(FORMATS)
PAIRS = [(source, target) for source in ALL for target in ALL if source is not target]


@pytest.mark.parametrize("endpoint", ALL)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_a_request_is_read_as_it_was_written(endpoint: Endpoint, data: st.DataObject) -> None:
    request = data.draw(made.requests(endpoint))
    form, dropped = FORMATS[endpoint], Dropped()
    body = form.write_request(request, form.names, dropped).body
    assert dropped.names == ()
    asked = form.read_request(made.matched(endpoint, request), body, dropped)
    assert asked.request == request
    assert dropped.names == ()


@pytest.mark.parametrize("endpoint", ALL)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_an_answer_is_read_as_it_was_written(endpoint: Endpoint, data: st.DataObject) -> None:
    answer = data.draw(made.answers(endpoint))
    form = FORMATS[endpoint]
    assert form.read_answer(form.write_answer(answer, made.CALLER)) == answer


@pytest.mark.parametrize("endpoint", ALL)
@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_a_stream_is_read_as_it_was_written_however_it_is_cut(
    endpoint: Endpoint, data: st.DataObject
) -> None:
    answer = data.draw(made.answers(endpoint))
    form = FORMATS[endpoint]
    writer = form.writer(made.CALLER)
    written = b"".join(writer.write(event) for event in data.draw(made.streams(answer)))
    for chunks in ([written], [written[i : i + 1] for i in range(len(written))], None):
        reader = form.reader()
        events: list[Event] = []
        for chunk in chunks if chunks is not None else made.cuts(data, written):
            events += reader.feed(chunk)
        events += reader.finish()
        assert made.assembled(events) == answer


@pytest.mark.parametrize(("source", "target"), PAIRS)
@settings(max_examples=6, deadline=None)
@given(data=st.data())
def test_a_translated_stream_says_the_same(
    source: Endpoint, target: Endpoint, data: st.DataObject
) -> None:
    answer = data.draw(made.answers(source, target))
    writer = FORMATS[target].writer(made.CALLER)
    told = b"".join(writer.write(event) for event in made.events_of(answer))
    translator = StreamTranslator(
        FORMATS[target].reader(), FORMATS[source].writer(made.CALLER), "x", "m"
    )
    whole = b"".join(translator.feed(chunk) for chunk in made.cuts(data, told))
    whole += translator.finish()
    reader = FORMATS[source].reader()
    assert made.assembled([*reader.feed(whole), *reader.finish()]) == answer


@pytest.mark.parametrize("endpoint", ALL)
@pytest.mark.parametrize(
    "kind", [FailureKind.RATE_LIMITED, FailureKind.OVERLOADED, FailureKind.SERVER]
)
def test_a_failure_is_read_as_it_was_written(endpoint: Endpoint, kind: FailureKind) -> None:
    form = FORMATS[endpoint]
    failure = Failure(kind, "something is wrong")
    reply = form.write_failure(failure, made.CALLER)
    assert form.read_failure(reply.status, reply.body) == failure
    told = form.writer(made.CALLER).write(Failed(failure))
    found = [*form.reader().feed(told)]
    assert [type(event) for event in found] == [Failed]
    if endpoint is not Endpoint.RESPONSES or kind is not FailureKind.OVERLOADED:
        # A failed response has no code for an overload that every client takes for temporary.
        assert found == [Failed(failure)]


@pytest.mark.parametrize(("source", "target"), PAIRS)
@settings(max_examples=8, deadline=None)
@given(data=st.data())
def test_what_a_translated_request_asks_is_what_was_asked(
    source: Endpoint, target: Endpoint, data: st.DataObject
) -> None:
    """Through a third format and back, with what both have in common."""
    request = data.draw(made.requests(source))
    body = FORMATS[source].write_request(request, FORMATS[source].names, Dropped()).body
    reading: Reading = read(made.matched(source, request), body)
    try:
        there = reading.into(target, made.THINKERS[target])
    except Untranslatable:
        return  # test_refusals.py says which
    seen = FORMATS[target].read_request(there.matched, there.written.body, Dropped()).request
    assert there.dropped or seen.messages == request.messages
    assert [tool.name for tool in seen.tools] == [tool.name for tool in request.tools]
    assert seen.choice == request.choice
    assert seen.stream == request.stream
    assert seen.model == made.THINKERS[target]


@pytest.mark.parametrize("endpoint", ALL)
def test_a_sign_of_life_is_passed_on_and_says_nothing(endpoint: Endpoint) -> None:
    translator = StreamTranslator(
        FORMATS[Endpoint.MESSAGES].reader(), FORMATS[endpoint].writer(made.CALLER), "x", "m"
    )
    sign = translator.feed(b'event: ping\ndata: {"type":"ping"}\n\n')
    assert sign
    assert [*FORMATS[endpoint].reader().feed(sign)] in ([], [Alive()])
