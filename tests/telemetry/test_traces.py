"""The spans of calls, and the way they go."""

import asyncio
import threading
from collections.abc import Sequence
from dataclasses import replace

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from opentelemetry.trace.status import StatusCode

from gateway.core.tracing import attempt_span
from gateway.domain.call import Dialect
from gateway.domain.explanation import Attempt, Wait
from gateway.domain.facts import Session, Trace
from gateway.domain.limits import Dimension, ScopeKind
from gateway.domain.outcome import Fault
from gateway.telemetry import traces as traces_module
from gateway.telemetry.spans import SpanMaker
from gateway.telemetry.traces import Traces
from tests.telemetry.test_metrics import RECORD, Clock

TRACE = Trace("4bf92f3577b34da6a3ce929d0e0e4736", "80f067aa0ba902b7", "b7ad6b7169203331", True)
CALL = replace(
    RECORD,
    trace=TRACE,
    session=Session("s-1"),
    tags=("ticket=T-1",),
    answered_model="claude-sonnet-5-20260701",
    waits=(Wait(ScopeKind.LANE, "sonnet", Dimension.ITPM, 0.001, 0.25, 3, 0.3),),
    attempts=2,
    earlier=(
        Attempt(
            529, 0.1, "up-0", "overloaded", "x", "sonnet", "m-1", "claude", 0.26, Dialect.ANTHROPIC
        ),
    ),
    last=Attempt(200, 1.4, "up-1", "", "", "sonnet", "gpt-4o-mini", "openai", 0.36, Dialect.OPENAI),
)
ENDED_S = 1_795_549_070.5


def spans_of() -> dict[str, ReadableSpan]:
    made = list(SpanMaker("1.2.3", "worker-1").spans(CALL, TRACE, ENDED_S))
    first, second = (one for one in made if one.kind is SpanKind.CLIENT)
    wait, call = (
        next(one for one in made if one.kind is kind)
        for kind in (SpanKind.INTERNAL, SpanKind.SERVER)
    )
    assert len(made) == 4
    return {"first": first, "second": second, "wait": wait, "call": call}


def test_a_call_its_wait_and_its_attempts_are_one_tree_in_the_callers_trace() -> None:
    spans = spans_of()
    call = spans["call"]
    assert call.parent is not None
    assert f"{call.parent.span_id:016x}" == TRACE.parent_id
    assert call.parent.is_remote
    for name in ("first", "second", "wait"):
        parent = spans[name].parent
        assert parent is not None
        assert f"{parent.span_id:016x}" == TRACE.span_id
    assert {f"{one.context.trace_id:032x}" for one in spans.values() if one.context} == {
        TRACE.trace_id
    }
    second = spans["second"].context
    assert second is not None
    assert f"{second.span_id:016x}" == attempt_span(TRACE, 2)


def test_spans_stand_where_their_parts_of_the_call_were() -> None:
    spans = spans_of()
    began_s = ENDED_S - CALL.total_s

    def time_of(name: str) -> tuple[float, float]:
        one = spans[name]
        assert one.start_time is not None
        assert one.end_time is not None
        return one.start_time / 1e9 - began_s, one.end_time / 1e9 - began_s

    assert time_of("call") == pytest.approx((0, 1.76), abs=1e-5)
    assert time_of("wait") == pytest.approx((0.001, 0.251), abs=1e-5)
    assert time_of("first") == pytest.approx((0.26, 0.36), abs=1e-5)
    assert time_of("second") == pytest.approx((0.36, 1.76), abs=1e-5)


def test_attributes_have_the_names_of_the_genai_conventions() -> None:
    spans = spans_of()
    call = dict(spans["call"].attributes or {})
    expected = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "anthropic",
        "gen_ai.request.model": "claude-sonnet-5",
        "gen_ai.response.model": "claude-sonnet-5-20260701",
        "gen_ai.usage.input_tokens": 1050,
        "gen_ai.usage.cache_read.input_tokens": 900,
        "gen_ai.usage.cache_creation.input_tokens": 50,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.conversation.id": "s-1",
        "gateway.agent": "alice",
        "gateway.tag.ticket": "T-1",
        "gateway.cost_usd": 0.001234,
        "http.response.status_code": 200,
    }
    assert call.items() >= expected.items()
    assert spans["call"].name == "chat claude-sonnet-5"
    first = dict(spans["first"].attributes or {})
    assert first["error.type"] == "overloaded"
    assert first["gateway.upstream_request_id"] == "up-0"
    assert first["gen_ai.provider.name"] == "anthropic"
    assert dict(spans["second"].attributes or {})["gen_ai.provider.name"] == "openai"
    assert spans["first"].status.status_code is StatusCode.ERROR
    assert spans["second"].status.status_code is StatusCode.UNSET
    assert dict(spans["second"].attributes or {})["gen_ai.response.time_to_first_chunk"] == 0.4
    wait = dict(spans["wait"].attributes or {})
    assert (wait["gateway.wait.name"], wait["gateway.wait.dimension"]) == ("sonnet", "itpm")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault.PROVIDER, StatusCode.ERROR),
        (Fault.GATEWAY, StatusCode.ERROR),
        (Fault.CALLER, StatusCode.UNSET),
        (Fault.POLICY, StatusCode.UNSET),
    ],
)
def test_an_error_is_what_the_caller_is_not_to_blame_for(fault: Fault, code: StatusCode) -> None:
    record = replace(CALL, fault=fault, status=503)
    *_, call = SpanMaker("1.2.3", "w").spans(record, TRACE, ENDED_S)
    assert call.status.status_code is code
    assert dict(call.attributes or {})["error.type"] == f"{fault.value}_http_503"


async def test_sampled_calls_go_out_together_and_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(traces_module, "FLUSH_S", 0.01)
    memory = InMemorySpanExporter()
    traces = Traces(memory, SpanMaker("1.2.3", "w"), Clock(), list[int]().append)
    for record in (CALL, RECORD, replace(CALL, trace=replace(TRACE, sampled=False)), CALL):
        traces.call_finished(record)
    async with asyncio.timeout(5):
        while not memory.get_finished_spans():  # noqa: ASYNC110 - written by a thread
            await asyncio.sleep(0.01)
    assert len(memory.get_finished_spans()) == 8
    await traces.stop()


class Stubborn(SpanExporter):
    """Takes nothing, and answers only when it is told to."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.batches = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        assert spans
        self.batches += 1
        self.may_answer.wait(5)
        return SpanExportResult.FAILURE


async def test_a_receiver_that_is_slow_or_refuses_costs_traces_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(traces_module, "FLUSH_S", 0.01)
    monkeypatch.setattr(traces_module, "MAX_PENDING", 10)
    monkeypatch.setattr(traces_module, "CHUNK", 5)
    receiver, dropped = Stubborn(), list[int]()
    traces = Traces(receiver, SpanMaker("1.2.3", "w"), Clock(), dropped.append)
    traces.call_finished(CALL)
    async with asyncio.timeout(5):
        while not receiver.batches:  # noqa: ASYNC110 - a thread
            await asyncio.sleep(0.01)
    for _ in range(15):
        traces.call_finished(CALL)
    assert sum(dropped) == 5, "ten may wait"
    receiver.may_answer.set()
    await traces.stop()
    assert sum(dropped) == 16
    assert len([one for one in caplog.records if one.name == "gateway.traces"]) == 1
