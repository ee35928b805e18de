"""One table of streams, each read whole, byte by byte, with a tail, and cut anywhere."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects.codec import Tap
from gateway.dialects.gemini.streams import ArrayTap, EventTap
from gateway.domain.usage import Usage


def part(
    *parts: dict[str, Any], finish: str | None = None, index: int | None = None
) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}}
    if finish is not None:
        candidate["finishReason"] = finish
    if index is not None:
        candidate["index"] = index
    return {"candidates": [candidate]}


def used(prompt: int, output: int, **more: int) -> dict[str, Any]:
    return {"usageMetadata": {"promptTokenCount": prompt, "candidatesTokenCount": output, **more}}


MODEL = {"modelVersion": "gemini-3.5-flash", "responseId": "r1"}
TEXT = {"text": "Grüße"}
CALL = {"functionCall": {"name": "f", "args": {"finishReason": 1}}, "thoughtSignature": "A" * 99}
CALL_BYTES = len(json.dumps(CALL["functionCall"]))


@dataclass(frozen=True)
class Case:
    name: str
    answers: Sequence[Any]
    usage: Usage | None
    complete: bool = True
    failed: bool = False
    model: str = "gemini-3.5-flash"
    output_bytes: int = 0


CASES = [
    Case(
        "usage is cumulative and the last one counts",
        [
            part(TEXT) | used(10, 2) | MODEL,
            part(TEXT) | used(10, 4) | MODEL,
            part({"text": ""}, finish="STOP") | used(10, 5) | MODEL,
        ],
        Usage(input_tokens=10, output_tokens=5),
        output_bytes=10,
    ),
    Case(
        "usage only in the last event",
        [part(TEXT) | MODEL, part(finish="STOP") | used(10, 5)],
        Usage(input_tokens=10, output_tokens=5),
        output_bytes=5,
    ),
    Case(
        "thoughts, cache and tool prompts",
        [
            part({"text": "hm", "thought": True}),
            part(CALL, finish="STOP")
            | used(
                1000,
                50,
                cachedContentTokenCount=900,
                thoughtsTokenCount=30,
                toolUsePromptTokenCount=7,
            )
            | MODEL,
        ],
        Usage(input_tokens=107, cache_read_tokens=900, output_tokens=80, reasoning_tokens=30),
        output_bytes=2 + CALL_BYTES,
    ),
    Case(
        "two candidates, one of them unfinished",
        [part(TEXT), part(TEXT, index=1), part(finish="STOP", index=1) | used(3, 4) | MODEL],
        Usage(input_tokens=3, output_tokens=4),
        complete=False,
        output_bytes=10,
    ),
    Case(
        "two candidates, both finished",
        [part(TEXT), part(TEXT, index=1, finish="STOP"), part(finish="MAX_TOKENS") | MODEL],
        None,
        output_bytes=10,
    ),
    Case(
        "blocked prompt",
        [{"promptFeedback": {"blockReason": "SAFETY"}} | used(4, 0) | MODEL],
        Usage(input_tokens=4),
    ),
    Case(
        "cut", [part(TEXT) | used(10, 2) | MODEL], Usage(10, output_tokens=2), False, output_bytes=5
    ),
    Case(
        "error after a beginning",
        [part(TEXT) | MODEL, {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}}],
        None,
        complete=False,
        failed=True,
        output_bytes=5,
    ),
    Case(
        "a text that looks like the end",
        [part({"text": '"finishReason":"STOP"}}\n\ndata: ]['}) | used(1, 1) | MODEL],
        Usage(input_tokens=1, output_tokens=1),
        complete=False,
        output_bytes=33,
    ),
    Case(
        "odd shapes hide nothing else",
        [
            {"candidates": "?"} | used(5, 1) | MODEL,
            part({"text": 5}, finish="STOP") | used(5, 2),
            {"usageMetadata": "?", "promptFeedback": {"blockReason": "OTHER"}},
            {"error": None},
            7,
        ],
        Usage(input_tokens=5, output_tokens=2),
    ),
    Case(
        "impossible counts are not carried on",
        [part(finish="STOP") | used(-5, -1, cachedContentTokenCount=9) | MODEL],
        Usage(cache_read_tokens=9),
    ),
    Case(
        "the tier served",
        [part(finish="STOP") | {"usageMetadata": {"promptTokenCount": "6", "serviceTier": "flex"}}],
        Usage(input_tokens=6, service_tier="flex"),
        model="",
    ),
    Case(
        "an end without content, and one piece after it",
        [{"candidates": [{"finishReason": "STOP"}]}, part(TEXT)],
        None,
        model="",
        output_bytes=5,
    ),
    Case("nothing", [], None, complete=False, model=""),
]
by_name = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def events(case: Case, end: str = "\r\n") -> bytes:
    return "".join(f"data: {json.dumps(a)}{end}{end}" for a in case.answers).encode()


def array(case: Case, indent: int | None = None) -> bytes:
    body = "\n,\r\n".join(json.dumps(answer, indent=indent) for answer in case.answers)
    return f"[{body}\n]\n".encode()


def fed(tap: Tap, chunks: Sequence[bytes]) -> Tap:
    for chunk in chunks:
        assert tap.feed(chunk) is chunk
    assert tap.finish() == b""
    return tap


def check(tap: Tap, case: Case) -> None:
    assert tap.usage == case.usage
    assert tap.complete is case.complete
    assert tap.failed is case.failed
    assert tap.model == case.model
    assert tap.output_bytes == case.output_bytes


def singly(stream: bytes) -> list[bytes]:
    return [stream[i : i + 1] for i in range(len(stream))]


@by_name
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"], ids=["crlf", "lf", "cr"])
def test_events_read_the_same_whole_and_byte_by_byte(case: Case, end: str) -> None:
    stream = events(case, end)
    check(fed(EventTap(), [stream]), case)
    check(fed(EventTap(), singly(stream)), case)
    check(fed(EventTap(), stream.splitlines(keepends=True)), case)


@by_name
def test_events_may_be_followed_by_blank_lines_or_lack_the_last_one(case: Case) -> None:
    check(fed(EventTap(), [events(case), b"\r\n\r\n"]), case)
    check(fed(EventTap(), [b"\r\n\r\n", events(case).rstrip(b"\r\n")]), case)


@by_name
def test_half_an_event_at_the_end_teaches_nothing(case: Case) -> None:
    check(fed(EventTap(), [events(case), b'data: {"usageMetadata":{"promptTokenCount":99']), case)


@by_name
def test_arrays_read_the_same_whole_and_byte_by_byte(case: Case) -> None:
    body = array(case)
    check(fed(ArrayTap(), [body]), case)
    check(fed(ArrayTap(), singly(body)), case)
    check(fed(ArrayTap(), body.splitlines(keepends=True)), case)


@by_name
def test_arrays_over_many_lines_tell_the_same(case: Case) -> None:
    body = array(case, indent=2)
    tap = fed(ArrayTap(), body.splitlines(keepends=True))
    assert (tap.usage, tap.complete, tap.failed) == (case.usage, case.complete, case.failed)


@given(case=st.sampled_from(CASES), cuts=st.sets(st.integers(0, 900), max_size=12))
def test_the_chunking_makes_no_difference(case: Case, cuts: set[int]) -> None:
    for stream, tap in ((events(case), EventTap()), (array(case), ArrayTap())):
        edges = [0, *sorted(cut for cut in cuts if cut < len(stream)), len(stream)]
        check(fed(tap, [stream[a:b] for a, b in pairwise(edges)]), case)


@given(st.lists(st.binary(max_size=30), max_size=6))
def test_any_bytes_are_relayed_and_break_nothing(chunks: list[bytes]) -> None:
    for tap in (EventTap(), ArrayTap()):
        fed(tap, [b'data: {"a":"', *chunks, b'"}\n\n'])
        assert not tap.failed


def test_an_array_that_is_not_closed_is_not_complete() -> None:
    body = array(CASES[0]).rstrip().removesuffix(b"]")
    tap = fed(ArrayTap(), [body])
    assert not tap.complete
    assert tap.usage == CASES[0].usage


def test_boundaries_lie_between_events() -> None:
    one = b'data: {"candidates":[]}\r\n\r\n'
    tap = EventTap()
    seen = [tap.at_boundary]
    for piece in (one + one[:9], one[9:]):
        tap.feed(piece)
        seen.append(tap.at_boundary)
    assert seen == [True, False, True]


def test_boundaries_lie_between_elements() -> None:
    tap = ArrayTap()
    seen = [tap.at_boundary]
    for piece in (b"[", b'{"a', b'":[1]', b"}", b"\n,", b'{"', b'b":2}]'):
        tap.feed(piece)
        seen.append(tap.at_boundary)
    assert seen == [True, True, False, False, True, True, False, True]


def test_what_is_over_the_bound_is_relayed_unread() -> None:
    long = Case("", [part({"text": "x" * 500}) | used(9, 9)], None)
    last = Case("", [part(finish="STOP") | used(1, 1)], None)
    for chunks in ([events(long) + events(last)], singly(events(long) + events(last))):
        tap: Tap = fed(EventTap(max_event_bytes=300), chunks)
        assert (tap.usage, tap.output_bytes) == (Usage(1, output_tokens=1), 0)
    both = Case("", [*long.answers, *last.answers], None)
    for chunks in ([array(both)], singly(array(both))):
        tap = fed(ArrayTap(max_object_bytes=300), chunks)
        assert (tap.usage, tap.output_bytes) == (Usage(1, output_tokens=1), 0)


def test_a_large_element_in_many_chunks_is_looked_at_once() -> None:
    body = array(Case("", [part({"text": '\\"{' * 200_000}, finish="STOP") | used(1, 2)], None))
    tap = fed(ArrayTap(), [body[i : i + 500] for i in range(0, len(body), 500)])
    assert tap.complete
    assert tap.output_bytes == 600_000
