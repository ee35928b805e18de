"""Taps: what passes, what is read, what is held back."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.dialects.tap import JsonTap, NullTap, Seen, SseTap, StreamRules
from gateway.domain.usage import Usage


def _read(seen: Seen, name: bytes, data: bytes) -> bool:
    seen.model += data.decode(errors="replace") + ";"
    seen.failed = seen.failed or name == b"error"
    seen.text_bytes += 1
    return b"secret" not in data


OPEN = StreamRules((b"usage", b"secret"), _read, ((b"data:", 8), (b"##", 2)))
HIDING = StreamRules((b"usage", b"secret"), _read, hides=True)
COUNTING = StreamRules((b"usage",), _read, text_bytes=lambda events: events.count(b"x"))

LINES = st.sampled_from(
    [b"data: usage 1", b"data: secret", b"data: text##", b"event: error", b": note", b"x" * 70]
)
ENDS = st.sampled_from([b"\n", b"\n\n", b"\r\n", b"\r\n\r\n", b"\n\n\n"])
STREAMS = st.lists(st.tuples(LINES, ENDS)).map(lambda pairs: b"".join(a + b for a, b in pairs))


def run(tap: SseTap, chunks: list[bytes]) -> bytes:
    return b"".join([*(tap.feed(chunk) for chunk in chunks), tap.finish()])


def chunked(stream: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    return [stream[a:b] for a, b in itertools.pairwise(edges)]


def facts(tap: SseTap) -> tuple[object, ...]:
    return tap.usage, tap.complete, tap.failed, tap.model, tap.output_bytes, tap.at_boundary


@given(STREAMS, st.lists(st.integers(0, 300)), st.sampled_from([OPEN, COUNTING]))
def test_chunking_changes_nothing_that_is_told_and_no_byte(
    stream: bytes, cuts: list[int], rules: StreamRules
) -> None:
    whole, pieces = SseTap(rules), SseTap(rules)
    assert run(whole, [stream]) == run(pieces, chunked(stream, cuts)) == stream
    assert facts(whole) == facts(pieces)


def test_a_chunk_is_relayed_as_the_very_same_object() -> None:
    tap = SseTap(OPEN)
    for chunk in (b"data: text\n\n", b"data: te", b"xt\n\ndata: usage\n\nda", b"ta: 1"):
        assert tap.feed(chunk) is chunk
    assert tap.finish() == b""


@given(STREAMS, st.lists(st.integers(0, 300)))
def test_hidden_events_are_left_out_and_all_others_arrive(stream: bytes, cuts: list[int]) -> None:
    relayed = run(SseTap(HIDING), chunked(stream, cuts))
    decoder = sse.Decoder()
    kept = [e for e in decoder.feed(stream) + decoder.finish() if "secret" not in e.data]
    decoder = sse.Decoder()
    assert decoder.feed(relayed) + decoder.finish() == kept


@pytest.mark.parametrize("rules", [OPEN, HIDING])
@pytest.mark.parametrize("size", [1, 7, 50, 1000])
def test_an_event_over_the_bound_is_relayed_unread(rules: StreamRules, size: int) -> None:
    stream = b"data: usage\n\ndata: usage" + b"x" * 90 + b"\n\ndata: usage\n\n"
    tap = SseTap(rules, max_event_bytes=40)
    assert run(tap, [stream[i : i + size] for i in range(0, len(stream), size)]) == stream
    assert tap.model == "usage;usage;"


def test_a_stream_that_only_hides_keeps_a_plain_chunk_as_it_is() -> None:
    tap = SseTap(HIDING)
    chunk = b"data: text\n\n"
    assert tap.feed(chunk) is chunk
    assert tap.feed(b"data: te") == b""
    assert tap.feed(b"xt\n\n") == b"data: text\n\n"


def test_output_is_counted_without_discounts_and_padding() -> None:
    tap = SseTap(OPEN)
    tap.feed(b"data: hello\n\ndata: hi##\n\n")
    assert tap.output_bytes == len("hello") + len("hi")


def test_a_json_body_is_read_once_when_it_is_whole() -> None:
    def read(seen: Seen, body: bytes) -> None:
        seen.usage, seen.complete, seen.model = Usage(len(body)), True, body.decode()

    tap = JsonTap(read)
    assert tap.at_boundary
    first = b"ab"
    assert tap.feed(first) is first
    assert (tap.usage, tap.complete, tap.at_boundary) == (None, False, False)
    tap.feed(b"c")
    assert tap.finish() == b""
    assert (tap.usage, tap.complete, tap.model, tap.failed) == (Usage(3), True, "abc", False)


def test_a_json_body_over_the_bound_is_relayed_and_not_kept() -> None:
    def read(seen: Seen, body: bytes) -> None:
        raise AssertionError(body)

    tap = JsonTap(read, max_bytes=5)
    assert tap.feed(b"1234") == b"1234"
    assert tap.feed(b"5" * 500) + tap.feed(b"5" * 500) == b"5" * 1000
    assert tap.finish() == b""
    assert (tap.usage, tap.complete) == (None, False)
    assert tap.output_bytes == 1004 - 512


def test_an_empty_json_body_is_not_complete() -> None:
    def read(seen: Seen, body: bytes) -> None:
        raise AssertionError(body)

    tap = JsonTap(read)
    tap.finish()
    assert (tap.complete, tap.output_bytes) == (False, 0)


def test_a_tap_for_unknown_shapes_only_relays() -> None:
    tap = NullTap()
    chunk = b"anything"
    assert tap.at_boundary
    assert tap.feed(chunk) is chunk
    assert tap.finish() == b""
    assert (tap.usage, tap.failed, tap.model, tap.output_bytes) == (None, False, "", 0)
    assert not tap.at_boundary
