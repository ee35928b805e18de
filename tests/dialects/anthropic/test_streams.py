"""Message streams: one table of cases, each read whole, byte by byte, and with a tail."""

import itertools
import json
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.dialects.anthropic import streams
from gateway.dialects.tap import SseTap
from gateway.domain.usage import Usage


def event(kind: str, **fields: object) -> bytes:
    data = json.dumps({"type": kind, **fields}, ensure_ascii=False, separators=(",", ":"))
    return sse.encode(data.encode(), kind)


def start(**usage: object) -> bytes:
    message: dict[str, object] = {
        "id": "msg_1", "type": "message", "role": "assistant", "model": "claude-sonnet-5",
        "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage,
    }  # fmt: skip
    return event("message_start", message=message)


def delta(kind: str, field: str, text: str) -> bytes:
    return event("content_block_delta", index=0, delta={"type": kind, field: text})


def text_block(*texts: str) -> bytes:
    opened = event("content_block_start", index=0, content_block={"type": "text", "text": ""})
    deltas = b"".join(delta("text_delta", "text", text) for text in texts)
    return opened + deltas + event("content_block_stop", index=0)


def end(**usage: object) -> bytes:
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    return event("message_delta", delta=stop, usage=usage)


STOP = event("message_stop")
ERROR = event("error", error={"type": "overloaded_error", "message": "Overloaded"})
SPLIT = {"ephemeral_5m_input_tokens": 30, "ephemeral_1h_input_tokens": 70}


@dataclass(frozen=True)
class Case:
    name: str
    stream: bytes
    usage: Usage | None
    complete: bool = True
    failed: bool = False
    model: str = "claude-sonnet-5"
    long_cache: bool = False


PLAIN = start(input_tokens=12, output_tokens=1) + streams.PING + text_block("Hello", " there")
CASES = [
    Case("a short answer", PLAIN + end(output_tokens=9) + STOP, Usage(12, output_tokens=9)),
    Case(
        "later counts replace earlier ones, the rest stays",
        start(input_tokens=3, output_tokens=1, cache_creation_input_tokens=100,
              cache_read_input_tokens=2000, cache_creation=SPLIT, service_tier="priority")
        + text_block("Hi") + end(output_tokens=20) + end(output_tokens=31) + STOP,
        Usage(3, 2000, 100, 70, 31, service_tier="priority"),
    ),
    Case(
        "a search makes the input grow",
        start(input_tokens=3, output_tokens=1, cache_read_input_tokens=5)
        + text_block("Hi")
        + end(input_tokens=9000, cache_read_input_tokens=60, cache_creation_input_tokens=40,
              output_tokens=20, output_tokens_details={"thinking_tokens": 8}) + STOP,
        Usage(9000, 60, 40, 40, 20, 8),
        long_cache=True,
    ),
    Case(
        "thinking and a tool call",
        start(input_tokens=3, output_tokens=1)
        + event("content_block_start", index=0, content_block={"type": "thinking", "thinking": ""})
        + delta("thinking_delta", "thinking", "Let me see.")
        + delta("signature_delta", "signature", "c2ln" * 500)
        + event("content_block_stop", index=0)
        + delta("input_json_delta", "partial_json", '{"path": "a')
        + end(output_tokens=40) + STOP,
        Usage(3, output_tokens=40),
    ),
    Case("a cut before the end", PLAIN, Usage(12, output_tokens=1), complete=False),
    Case("a cut inside the last event", PLAIN + end(output_tokens=9)[:-20],
         Usage(12, output_tokens=1), complete=False),
    Case("a missing last empty line", PLAIN + end(output_tokens=9) + STOP[:-2],
         Usage(12, output_tokens=9)),
    Case("an error after some text", PLAIN + ERROR, Usage(12, output_tokens=1),
         complete=False, failed=True),
    Case("an error at once", ERROR, None, complete=False, failed=True, model=""),
    Case("an error that is no JSON", b"event: error\ndata: no \"error\" known\n\n", None,
         complete=False, failed=True, model=""),
    Case(
        "text about usage and errors",
        start(input_tokens=12, output_tokens=1)
        + text_block('{"usage":{"output_tokens":5}}', "message_stop", '"error"', "signature_delta")
        + end(output_tokens=9) + STOP,
        Usage(12, output_tokens=9),
    ),
    Case("unknown events", PLAIN + event("message_novelty", usage={"output_tokens": 4})
         + end(output_tokens=9) + STOP, Usage(12, output_tokens=9)),
    Case("no event names, spaces in the JSON",
         b'data: {"type": "message_start", "message": {"model": "m", "usage": {"input_tokens": 4}}}\n\n'
         b'data: {"type": "content_block_delta", "delta": {"text": "message_"}}\n\n'
         b'data: {"type": "error", "error": {}}\n\ndata: {"type": "message_stop"}\n\n',
         Usage(4), failed=True, model="m"),
    Case("usage of a wrong type", event("message_delta", usage={"output_tokens": "9"}) + STOP,
         None, model=""),
    Case("a fallback that answered", PLAIN + end(
        output_tokens=9, iterations=[{"type": "fallback_message", "model": "claude-opus-4-8"}])
        + STOP, Usage(12, output_tokens=9), model="claude-opus-4-8"),
    Case("nothing", b"", None, complete=False, model=""),
]  # fmt: skip
by_name = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
line_ends = pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])


def check(case: Case, chunks: list[bytes]) -> SseTap:
    tap = SseTap(streams.rules(long_cache=case.long_cache))
    for chunk in chunks:
        assert tap.feed(chunk) is chunk
    assert tap.finish() == b""
    seen = (tap.usage, tap.complete, tap.failed, tap.model)
    assert seen == (case.usage, case.complete, case.failed, case.model)
    return tap


@by_name
@line_ends
def test_a_stream_is_read_whole(case: Case, line_end: bytes) -> None:
    check(case, [case.stream.replace(b"\n", line_end)])


@by_name
@line_ends
def test_a_stream_is_read_byte_by_byte(case: Case, line_end: bytes) -> None:
    stream = case.stream.replace(b"\n", line_end)
    check(case, [stream[i : i + 1] for i in range(len(stream))])


@by_name
def test_a_stream_is_read_with_a_tail(case: Case) -> None:
    for cut in range(0, len(case.stream), 7):
        check(case, [case.stream[:cut], case.stream[cut:]])


@given(st.sampled_from(CASES), st.lists(st.integers(0, 2500)))
def test_chunking_changes_nothing(case: Case, cuts: list[int]) -> None:
    edges = [0, *sorted(min(cut, len(case.stream)) for cut in cuts), len(case.stream)]
    tap = check(case, [case.stream[a:b] for a, b in itertools.pairwise(edges)])
    whole = check(case, [case.stream])
    assert tap.output_bytes == whole.output_bytes
    assert tap.at_boundary == whole.at_boundary


TEXTS = st.lists(st.text(min_size=1) | st.sampled_from(["message_stop", '"error"', "data: x  y"]))


@given(TEXTS, st.integers(0, 40))
def test_output_bytes_never_exceed_the_text_that_went_by(texts: list[str], padding: int) -> None:
    stream = start(input_tokens=1, output_tokens=1)
    for text in texts:
        stream += delta("text_delta", "text", text).replace(b"}}\n", b"}" + b" " * padding + b"}\n")
    stream += delta("signature_delta", "signature", "A" * 4_000)
    tap = SseTap(streams.rules(long_cache=False))
    tap.feed(stream)
    tap.finish()
    assert tap.output_bytes <= sum(len(json.dumps(t, ensure_ascii=False).encode()) for t in texts)


@pytest.mark.parametrize(
    ("kind", "field", "lost"),
    [("text_delta", "text", 0), ("thinking_delta", "thinking", 6),
     ("input_json_delta", "partial_json", 0)],
)  # fmt: skip
def test_output_bytes_are_close_for_usual_deltas(kind: str, field: str, lost: int) -> None:
    tap = SseTap(streams.rules(long_cache=False))
    tap.feed(delta(kind, field, "four words like these") * 100)
    assert tap.output_bytes == (len("four words like these") - lost) * 100
