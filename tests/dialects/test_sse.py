"""Event streams: the same events however the bytes arrive."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.dialects.sse import Decoder, Event, Splitter

CASES: list[tuple[str, bytes, list[Event]]] = [
    ("line feeds", b"event: a\ndata: 1\n\n", [Event("a", "1")]),
    ("carriage return line feeds", b"event: a\r\ndata: 1\r\n\r\n", [Event("a", "1")]),
    ("bare carriage returns", b"event: a\rdata: 1\r\rdata: 2\r\r", [Event("a", "1"), Event("", "2")]),
    ("mixed line ends", b"data: 1\n\r\ndata: 2\r\n\ndata: 3\n\n", [Event("", c) for c in "123"]),
    ("a byte order mark", b"\xef\xbb\xbfdata: 1\n\n", [Event("", "1")]),
    ("comments", b": hello\n\n:\ndata: 1\n: in between\ndata: 2\n\n", [Event("", "1\n2")]),
    ("several data lines", b"data: 1\ndata\ndata: 2\n\n", [Event("", "1\n\n2")]),
    ("no space after the colon", b"event:a\ndata:1\n\n", [Event("a", "1")]),
    ("only one space is taken off", b"data:  1\n\n", [Event("", " 1")]),
    ("a missing last empty line", b"data: 1\n\ndata: 2", [Event("", "1"), Event("", "2")]),
    ("extra empty lines", b"\n\r\ndata: 1\n\n\n\r\n\ndata: 2\n\n", [Event("", "1"), Event("", "2")]),
    ("a name without data", b"event: a\n\ndata: 1\n\n", [Event("", "1")]),
    ("empty data", b"event: a\ndata:\n\n", [Event("a", "")]),
    ("ids stay", b"id: 7\ndata: 1\n\ndata: 2\n\n", [Event("", "1", "7"), Event("", "2", "7")]),
    ("an id with a null is ignored", b"id: 7\0\ndata: 1\n\n", [Event("", "1")]),
    ("retry", b"retry: 1500\ndata: 1\n\nretry: x\ndata: 2\n\n", [Event("", "1", "", 1500), Event("", "2")]),
    ("unknown fields", b"data: 1\nother: 2\n\n", [Event("", "1")]),
    ("bytes that are not UTF-8", b"data: \xff\n\n", [Event("", "\ufffd")]),
    ("nothing", b"", []),
]  # fmt: skip
IDS = [case[0] for case in CASES]


def decode(chunks: list[bytes], max_event_bytes: int = sse.MAX_EVENT_BYTES) -> list[Event]:
    decoder = Decoder(max_event_bytes)
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.finish()


@pytest.mark.parametrize(("stream", "events"), [case[1:] for case in CASES], ids=IDS)
def test_a_stream_is_decoded_whole(stream: bytes, events: list[Event]) -> None:
    assert decode([stream]) == events


@pytest.mark.parametrize(("stream", "events"), [case[1:] for case in CASES], ids=IDS)
def test_a_stream_is_decoded_byte_by_byte(stream: bytes, events: list[Event]) -> None:
    assert decode([stream[i : i + 1] for i in range(len(stream))]) == events


@pytest.mark.parametrize(("stream", "events"), [case[1:] for case in CASES], ids=IDS)
def test_a_tail_is_kept_for_the_next_chunk(stream: bytes, events: list[Event]) -> None:
    for cut in range(len(stream)):
        assert decode([stream[:cut], stream[cut:]]) == events


@given(
    st.lists(st.sampled_from([b"\n", b"\r", b"\r\n", b"data: a", b"event: e", b":", b"id: 1", b"x"])),
    st.lists(st.integers(0, 60)),
)  # fmt: skip
def test_chunking_changes_neither_events_nor_boundary(parts: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(parts)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[a:b] for a, b in itertools.pairwise(edges)]
    assert decode(chunks) == decode([stream])
    pieces, whole = Splitter(), Splitter()
    fed = [pieces.feed(chunk) for chunk in chunks]
    once = whole.feed(stream)
    assert pieces.at_boundary == whole.at_boundary
    joined = b"".join(through + events for through, events in [*fed, pieces.finish()])
    assert joined == b"".join([*once, *whole.finish()]) == stream


@given(st.integers(1, 40))
def test_an_event_over_the_bound_is_let_through_and_its_neighbours_are_read(size: int) -> None:
    stream = b"data: 1\n\ndata: " + b"x" * 60 + b"\n\ndata: 2\n\n"
    chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
    assert decode(chunks, 40) == [Event("", "1"), Event("", "2")]
    splitter = Splitter(40)
    given_back = b"".join(b"".join(splitter.feed(chunk)) for chunk in chunks)
    assert given_back + b"".join(splitter.finish()) == stream


def test_memory_is_bounded_within_an_endless_event() -> None:
    splitter = Splitter(1000)
    splitter.feed(b"data: ")
    held = 6
    for _ in range(100):
        through, whole = splitter.feed(b"x" * 100)
        held += 100 - len(through) - len(whole)
        assert held <= 1200
    assert splitter.finish() == (b"", b"")
    assert splitter.at_boundary


def test_an_overlong_event_cut_off_before_its_end_is_given_back() -> None:
    splitter = Splitter(10)
    assert splitter.feed(b"data: 0123456789") == (b"", b"")
    assert splitter.finish() == (b"data: 0123456789", b"")


@pytest.mark.parametrize(
    ("stream", "at_boundary"),
    [(b"", True), (b"data: 1", False), (b"data: 1\n", False), (b"data: 1\n\n", True),
     (b"data: 1\r\n\r", False), (b"data: 1\r\n\r\n", True), (b"data: 1\n\ndata", False)],
)  # fmt: skip
def test_a_boundary_is_only_between_events(stream: bytes, at_boundary: bool) -> None:
    splitter = Splitter()
    splitter.feed(stream)
    assert splitter.at_boundary is at_boundary


def lines(forbidden: str) -> st.SearchStrategy[str]:
    return st.text(st.characters(codec="utf-8", exclude_characters=forbidden), min_size=1)


@given(lines("\r\n"), lines("\r"))
def test_encoding_and_decoding_give_back_the_event(name: str, data: str) -> None:
    name, data = name.strip(" \ufeff"), data.rstrip("\n")
    encoded = sse.encode(data.encode(), name)
    assert decode([encoded]) == [Event(name, data)]


def test_an_event_without_data_is_encoded_with_an_empty_data_line() -> None:
    assert sse.encode(b"") == b"data: \n\n"
