"""One table of streams, read whole, byte by byte, with a tail, and however else it is cut."""

import json
from dataclasses import dataclass
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.dialects import sse
from gateway.dialects.codec import Tap
from gateway.dialects.openai.codec import OpenAICodec
from gateway.dialects.openai.streams import chat_text_bytes, response_text_bytes
from gateway.domain.call import CallFacts, Endpoint, Matched
from gateway.domain.usage import Usage

CODEC = OpenAICodec()
STREAM = "text/event-stream; charset=utf-8"
CHAT = Matched(Endpoint.CHAT)
RESPONSES = Matched(Endpoint.RESPONSES)
ASKED = CallFacts("m", stream=True)
NOT_ASKED = CallFacts("m", stream=True, usage_requested=False)


def data(value: object, event: str = "") -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(value, separators=(',', ':'))}\n\n".encode()


def chunk(delta: dict[str, object], **more: object) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.4-mini"}
    return data({**head, "service_tier": "default", "choices": [choice], **more})


def usage_chunk(usage: dict[str, object]) -> bytes:
    head = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-5.4-mini"}
    return data({**head, "service_tier": "priority", "choices": [], "usage": usage})


DONE = b"data: [DONE]\n\n"
CHAT_USAGE: dict[str, object] = {
    "prompt_tokens": 100,
    "completion_tokens": 7,
    "total_tokens": 107,
    "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 10},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
CHAT_COUNTED = Usage(30, 60, 10, 0, 7, 3, "priority")
SMALL = {"prompt_tokens": 5, "completion_tokens": 1, "total_tokens": 6}
MORE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
TEXT = (
    chunk({"role": "assistant", "content": ""}, usage=None)
    + chunk({"content": 'Say "prompt_tokens": [1]'}, usage=None, obfuscation="abc")
    + chunk({"content": "\n[DONE]\u00e9"}, usage=None)
)
TEXT_BYTES = len(rb"Say \"prompt_tokens\": [1]") + len(rb"\n[DONE]\u00e9")
TOOL = chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]})


def lifecycle(kind: str, **response: object) -> bytes:
    body: dict[str, object] = {
        "id": "r1",
        "object": "response",
        "model": "gpt-6-luna",
        "error": None,
        "output": [],
    }
    return data({"type": kind, "sequence_number": 0, "response": {**body, **response}}, kind)


def delta(text: str) -> bytes:
    kind = "response.output_text.delta"
    return data({"type": kind, "item_id": "m", "delta": text, "logprobs": []}, kind)


RESPONSE_USAGE: dict[str, object] = {
    "input_tokens": 50,
    "input_tokens_details": {
        "cached_tokens": 20,
        "cache_write_tokens": 12,
        "cache_write_tokens_details": {"ttl_30m_tokens": 4, "ttl_12h_tokens": 8},
    },
    "output_tokens": 9,
    "output_tokens_details": {"reasoning_tokens": 4},
    "total_tokens": 59,
}
RESPONSE_COUNTED = Usage(18, 20, 12, 8, 9, 4, "default")
RESPONSE_TEXT = (
    lifecycle("response.created", usage=None)
    + delta('a "response" is')
    + delta(" here")
    + data(
        {"type": "response.output_text.done", "text": 'a "response" is here'},
        "response.output_text.done",
    )
)
RESPONSE_TEXT_BYTES = len(rb"a \"response\" is") + len(" here")


@dataclass(frozen=True)
class Case:
    matched: Matched
    stream: bytes
    usage: Usage | None
    facts: CallFacts = ASKED
    relayed: bytes | None = None
    complete: bool = True
    failed: bool = False
    model: str = "gpt-5.4-mini"
    text_bytes: int = 0


CASES = {
    "the client asked for usage": Case(
        CHAT, TEXT + usage_chunk(CHAT_USAGE) + DONE, CHAT_COUNTED, text_bytes=TEXT_BYTES
    ),
    "only the gateway asked": Case(
        CHAT,
        TEXT + usage_chunk(CHAT_USAGE) + DONE,
        CHAT_COUNTED,
        NOT_ASKED,
        relayed=TEXT + DONE,
        text_bytes=TEXT_BYTES,
    ),
    "the gateway asked in vain": Case(
        CHAT, TEXT + DONE, None, NOT_ASKED, relayed=TEXT + DONE, text_bytes=TEXT_BYTES
    ),
    "the stream was cut": Case(CHAT, TEXT, None, NOT_ASKED, complete=False, text_bytes=TEXT_BYTES),
    "tool arguments are text": Case(CHAT, TOOL + DONE, None, model="", text_bytes=len(rb"{\"a\":")),
    "continuous usage of vLLM, hidden only at the end": Case(
        CHAT,
        chunk({"content": "ab"}, usage=SMALL)
        + chunk({"content": "c"}, usage=MORE)
        + data({"choices": [], "model": "gpt-5.4-mini", "usage": MORE})
        + DONE,
        Usage(5, output_tokens=2),
        NOT_ASKED,
        relayed=chunk({"content": "ab"}, usage=SMALL) + chunk({"content": "c"}, usage=MORE) + DONE,
        text_bytes=3,
    ),
    "continuous usage, cut": Case(
        CHAT,
        chunk({"content": "ab"}, usage=SMALL) + chunk({"content": "c"}, usage=MORE),
        Usage(5, output_tokens=2, service_tier="default"),
        complete=False,
        text_bytes=3,
    ),
    "a first chunk without choices is no usage chunk": Case(
        CHAT,
        data({"choices": [], "prompt_filter_results": [], "model": "x"}) + TEXT + DONE,
        None,
        NOT_ASKED,
        text_bytes=TEXT_BYTES,
    ),
    "CR LF, comments and spaces in the JSON": Case(
        CHAT,
        b': hello\r\n\r\ndata: {"choices": [], "model": "x", "usage": {"prompt_tokens": 4}}\r\n\r\n'
        b"data: [DONE]\r\n\r\n",
        Usage(4),
        NOT_ASKED,
        relayed=b": hello\r\n\r\ndata: [DONE]\r\n\r\n",
        model="x",
    ),
    "an error in a chat stream": Case(
        CHAT,
        TEXT + data({"error": {"message": "no", "type": "server_error", "code": None}}),
        None,
        complete=False,
        failed=True,
        text_bytes=TEXT_BYTES,
    ),
    "what is no JSON is let through": Case(
        CHAT, b'data: {"prompt_tokens": nonsense\n\n' + DONE, None, NOT_ASKED, model=""
    ),
    "usage of a wrong type teaches nothing": Case(
        CHAT, data({"choices": [1], "usage": {"prompt_tokens": "x"}}) + DONE, None, model=""
    ),
    "a completed response": Case(
        RESPONSES,
        RESPONSE_TEXT
        + lifecycle("response.completed", usage=RESPONSE_USAGE, service_tier="default"),
        RESPONSE_COUNTED,
        model="gpt-6-luna",
        text_bytes=RESPONSE_TEXT_BYTES,
    ),
    "an incomplete response": Case(
        RESPONSES,
        RESPONSE_TEXT
        + lifecycle("response.incomplete", usage=RESPONSE_USAGE, service_tier="default"),
        RESPONSE_COUNTED,
        model="gpt-6-luna",
        text_bytes=RESPONSE_TEXT_BYTES,
    ),
    "a failed response": Case(
        RESPONSES,
        lifecycle("response.failed", usage=None, error={"code": "server_error", "message": "no"}),
        None,
        failed=True,
        model="gpt-6-luna",
    ),
    "a response cut off": Case(
        RESPONSES,
        RESPONSE_TEXT,
        None,
        complete=False,
        model="gpt-6-luna",
        text_bytes=RESPONSE_TEXT_BYTES,
    ),
    "an error event among responses": Case(
        RESPONSES,
        data({"type": "error", "code": "x", "message": "y", "param": None}, "error"),
        None,
        complete=False,
        failed=True,
        model="",
    ),
    "a response event that is no JSON": Case(
        RESPONSES, b'data: "response\n\ndata: {"response" 1}\n\n', None, complete=False, model=""
    ),
}
EVERY = pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())


def check(case: Case, pieces: list[bytes], *, tail: bytes = b"") -> None:
    tap = CODEC.tap(case.matched, case.facts, STREAM)
    relayed = b"".join(tap.feed(piece) for piece in pieces) + tap.finish()
    assert relayed == (case.stream if case.relayed is None else case.relayed) + tail
    assert told(tap) == (case.usage, case.complete, case.failed, case.model, case.text_bytes)


def told(tap: Tap) -> tuple[Usage | None, bool, bool, str, int]:
    return tap.usage, tap.complete, tap.failed, tap.model, tap.output_bytes


@EVERY
def test_read_whole(case: Case) -> None:
    check(case, [case.stream])


@EVERY
def test_read_byte_by_byte(case: Case) -> None:
    check(case, [case.stream[at : at + 1] for at in range(len(case.stream))])


@EVERY
def test_read_event_by_event(case: Case) -> None:
    check(case, list(sse.split(case.stream)))


@EVERY
def test_a_tail_that_is_no_event_is_given_back_at_the_end(case: Case) -> None:
    check(case, [case.stream, b"data: {"], tail=b"data: {")


@EVERY
@settings(deadline=None)
@given(cuts=st.data())
def test_chunking_changes_neither_the_bytes_nor_the_usage(case: Case, cuts: st.DataObject) -> None:
    places = st.integers(0, len(case.stream))
    at = sorted({0, len(case.stream), *cuts.draw(st.lists(places, max_size=12))})
    check(case, [case.stream[a:b] for a, b in pairwise(at)])


def test_the_last_event_counts_even_without_its_empty_line() -> None:
    tap = CODEC.tap(CHAT, NOT_ASKED, STREAM)
    stream = TEXT + usage_chunk(CHAT_USAGE).rstrip()
    assert tap.feed(stream) + tap.finish() == TEXT
    assert tap.usage == CHAT_COUNTED


def test_chunks_pass_as_the_very_same_object() -> None:
    tap = CODEC.tap(CHAT, NOT_ASKED, STREAM)
    piece = chunk({"content": "x"}, usage=None)
    assert tap.feed(piece) is piece


def test_nothing_may_be_put_inside_an_event() -> None:
    tap = CODEC.tap(RESPONSES, ASKED, STREAM)
    event = delta("x")
    tap.feed(event[:9])
    assert not tap.at_boundary
    tap.feed(event[9:])
    assert tap.at_boundary


@settings(deadline=None)
@given(st.lists(st.text(), max_size=6))
def test_counted_text_is_the_text_as_it_stands_in_the_json(texts: list[str]) -> None:
    written = sum(len(json.dumps(text)) - 2 for text in texts)
    assert chat_text_bytes(b"".join(chunk({"content": text}) for text in texts)) == written
    assert response_text_bytes(b"".join(delta(text) for text in texts)) == written


_FRAGMENTS = st.sampled_from(
    [
        *(b"data: ", b"event: x", b"\n", b"\r\n", b"\n\n", b"\r", b"\xff", b"]", b"[DONE]"),
        *(b'"error"', b'"response"', b'"delta":"', b'{"error":{}}'),
        b'{"choices":[],"usage":{"prompt_tokens":1}}',
    ]
)


@settings(deadline=None)
@given(pieces=st.lists(st.one_of(_FRAGMENTS, st.binary(max_size=9)), max_size=12))
def test_whatever_comes_is_relayed_alike_however_it_is_cut(pieces: list[bytes]) -> None:
    stream = b"".join(pieces)
    for matched, facts in ((CHAT, ASKED), (CHAT, NOT_ASKED), (RESPONSES, ASKED)):
        results = []
        for cut in (pieces, [stream], [stream[at : at + 1] for at in range(len(stream))]):
            tap = CODEC.tap(matched, facts, STREAM)
            results.append((b"".join(map(tap.feed, cut)) + tap.finish(), told(tap)))
        assert results[0] == results[1] == results[2]
        if facts is ASKED:
            assert results[0][0] == stream
