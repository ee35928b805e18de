"""A call's place in a distributed trace."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.tracing import attempt_span, begin, traceparent, wait_span

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01".encode()


def bits(seed: int = 7) -> random.Random:
    return random.Random(seed)


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False), ("03", True)])
def test_a_callers_trace_goes_on_with_its_decision(flags: str, sampled: bool) -> None:
    for ratio in (0.0, 1.0):
        trace = begin(f"00-{TRACE}-{SPAN}-{flags}".encode(), ratio, bits().getrandbits)
        assert (trace.trace_id, trace.parent_id, trace.sampled) == (TRACE, SPAN, sampled)
        assert trace.span_id != SPAN


@pytest.mark.parametrize(
    "header",
    [
        None,
        b"",
        b"nonsense",
        PARENT.upper(),
        PARENT + b"-more",
        PARENT.replace(b"00-4", b"ff-4"),
        f"00-{'0' * 32}-{SPAN}-01".encode(),
        f"00-{TRACE}-{'0' * 16}-01".encode(),
        f"00-{TRACE}-{SPAN}".encode(),
    ],
)
def test_what_is_no_traceparent_begins_a_trace(header: bytes | None) -> None:
    trace = begin(header, 1.0, bits().getrandbits)
    assert trace.parent_id == ""
    assert trace.trace_id != TRACE
    assert trace.sampled


def test_a_later_version_may_say_more() -> None:
    trace = begin(f"cc-{TRACE}-{SPAN}-01-and-more".encode(), 0.0, bits().getrandbits)
    assert (trace.trace_id, trace.sampled) == (TRACE, True)


def test_a_share_of_the_traces_begun_here_is_recorded() -> None:
    dice = bits()
    for ratio in (0.0, 0.25, 1.0):
        recorded = sum(begin(None, ratio, dice.getrandbits).sampled for _ in range(4000))
        assert abs(recorded / 4000 - ratio) < 0.03
        assert ratio not in {0.0, 1.0} or recorded == 4000 * ratio


@given(st.integers(0, 2**32))
def test_what_is_sent_is_well_formed_and_read_back(seed: int) -> None:
    trace = begin(None, 0.5, bits(seed).getrandbits)
    header = traceparent(trace, attempt_span(trace, 1))
    assert re.fullmatch(rb"00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]", header)
    further = begin(header, 1.0, bits().getrandbits)
    assert (further.trace_id, further.sampled) == (trace.trace_id, trace.sampled)
    assert further.parent_id == attempt_span(trace, 1)


@given(st.integers(0, 2**63 - 1))
def test_the_spans_of_a_call_have_ids_of_their_own(number: int) -> None:
    trace = begin(None, 1.0, lambda _: number)
    spans = [attempt_span(trace, n) for n in range(1, 20)]
    spans += [wait_span(trace, n) for n in range(1, 20)]
    spans.append(trace.span_id)
    assert len(set(spans)) == len(spans)
    assert "0" * 16 not in spans
