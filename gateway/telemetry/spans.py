"""From the record of a finished call to its OpenTelemetry spans.

One span for the call, and one below it for each wait and each attempt, with the attribute names of
OpenTelemetry's GenAI conventions where it has one, and `gateway.*` for the rest. No content of
requests or answers is in them. The only module, with `traces`, that needs the `otel` extra.
"""

from collections.abc import Iterator, Mapping
from typing import TypeAlias

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from gateway.core.tracing import attempt_span, wait_span
from gateway.domain.call import Endpoint
from gateway.domain.explanation import Attempt, Wait
from gateway.domain.facts import CallRecord, Trace
from gateway.domain.outcome import Fault

from .call_metrics import PROVIDER_NAMES, error_type, verdict_of

Attributes: TypeAlias = dict[str, str | int | float | bool]

_OPERATIONS = {
    Endpoint.MESSAGES: "chat",
    Endpoint.CHAT: "chat",
    Endpoint.RESPONSES: "chat",
    Endpoint.GENERATE: "generate_content",
    Endpoint.EMBEDDINGS: "embeddings",
}
"""`gen_ai.operation.name`; other endpoints have none and go by their own names."""
_NANO = 1_000_000_000


class SpanMaker:
    """Makes the spans of calls.

    Args:
        version: Of the gateway.
        instance: Unique name of this worker.
    """

    def __init__(self, version: str, instance: str) -> None:
        self._resource = Resource(
            {
                "service.name": "agent-gateway",
                "service.version": version,
                "service.instance.id": instance,
            }
        )
        self._scope = InstrumentationScope("gateway", version)

    def spans(self, record: CallRecord, trace: Trace, ended_s: float) -> Iterator[ReadableSpan]:
        """All spans of a call that ended at `ended_s`, in seconds since the epoch."""
        began_s = ended_s - record.total_s
        name = f"{operation_of(record)} {record.model}".strip()
        for number, wait in enumerate(record.waits, 1):
            yield self._span(
                f"wait for {wait.scope.value}",
                trace,
                (wait_span(trace, number), trace.span_id),
                SpanKind.INTERNAL,
                (began_s + wait.from_s, wait.for_s),
                wait_attributes(wait),
            )
        attempts = record.earlier if record.last is None else (*record.earlier, record.last)
        for number, attempt in enumerate(attempts, 1):
            if not attempt.provider:
                continue
            yield self._span(
                name,
                trace,
                (attempt_span(trace, number), trace.span_id),
                SpanKind.CLIENT,
                (began_s + attempt.from_s, attempt.duration_s),
                attempt_attributes(record, attempt),
                failed=attempt.verdict != "",
            )
        yield self._span(
            name,
            trace,
            (trace.span_id, trace.parent_id),
            SpanKind.SERVER,
            (began_s, record.total_s),
            call_attributes(record),
            failed=record.fault in {Fault.GATEWAY, Fault.PROVIDER},
        )

    def _span(
        self,
        name: str,
        trace: Trace,
        ids: tuple[str, str],
        kind: SpanKind,
        time_s: tuple[float, float],
        attributes: Mapping[str, str | int | float | bool],
        *,
        failed: bool = False,
    ) -> ReadableSpan:
        """One span; `ids` are its own and its parent's, `time_s` its beginning and duration."""
        own, parent = ids
        remote = kind is SpanKind.SERVER
        start_s, for_s = time_s
        return ReadableSpan(
            name=name,
            context=_context(trace, own, remote=False),
            parent=_context(trace, parent, remote=remote) if parent else None,
            resource=self._resource,
            attributes=attributes,
            kind=kind,
            status=Status(StatusCode.ERROR) if failed else Status(),
            start_time=int(start_s * _NANO),
            end_time=int((start_s + for_s) * _NANO),
            instrumentation_scope=self._scope,
        )


def operation_of(record: CallRecord) -> str:
    """What the call did."""
    return _OPERATIONS.get(record.endpoint, record.endpoint.value)


def call_attributes(record: CallRecord) -> Attributes:
    """What the span of a call says."""
    usage = record.usage
    out: Attributes = {
        "gen_ai.operation.name": operation_of(record),
        "gen_ai.provider.name": PROVIDER_NAMES[record.provider_dialect],
        "gen_ai.request.model": record.model if record.routed is None else record.routed.asked,
        "gen_ai.request.stream": record.stream,
        "http.response.status_code": record.status,
        "gateway.request_id": record.request_id,
        "gateway.agent": record.agent,
        "gateway.lane": record.lane,
        "gateway.priority": record.priority.value,
        "gateway.wait_s": record.wait_s,
        "gateway.overhead_s": record.overhead_s,
    }
    if record.attempts:
        out |= {
            "gen_ai.response.model": record.answered_model or record.model,
            "gen_ai.usage.input_tokens": usage.prompt_tokens,
            "gen_ai.usage.output_tokens": usage.output_tokens,
            "gen_ai.usage.cache_read.input_tokens": usage.cache_read_tokens,
            "gen_ai.usage.cache_creation.input_tokens": usage.cache_write_tokens,
            "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
            "gateway.cost_usd": record.cost_microusd / 1_000_000,
        }
    if record.team is not None:
        out["gateway.team"] = record.team
    if record.session is not None:
        out["gen_ai.conversation.id"] = record.session.id
    if record.fault is not None:
        out["error.type"] = error_type(record)
    for tag in record.tags:
        key, _, value = tag.partition("=")
        out[f"gateway.tag.{key}"] = value
    return out


def attempt_attributes(record: CallRecord, attempt: Attempt) -> Attributes:
    """What the span of an attempt says."""
    out: Attributes = {
        "gen_ai.operation.name": operation_of(record),
        "gen_ai.provider.name": PROVIDER_NAMES[attempt.dialect],
        "gen_ai.request.model": attempt.model,
        "gateway.provider": attempt.provider,
        "gateway.lane": attempt.lane,
    }
    if attempt.status:
        out["http.response.status_code"] = attempt.status
    if attempt.request_id:
        out["gateway.upstream_request_id"] = attempt.request_id
    verdict = verdict_of(attempt)
    if verdict != "ok":
        out["error.type"] = verdict
    if record.stream and attempt is record.last and record.first_byte_s is not None:
        out["gen_ai.response.time_to_first_chunk"] = record.first_byte_s
    return out


def wait_attributes(wait: Wait) -> Attributes:
    """What the span of a wait says."""
    return {
        "gateway.wait.scope": wait.scope.value,
        "gateway.wait.name": wait.name,
        "gateway.wait.dimension": wait.dimension.value,
        "gateway.wait.position": wait.position,
        "gateway.wait.predicted_s": wait.predicted_s,
    }


def _context(trace: Trace, span_id: str, *, remote: bool) -> SpanContext:
    return SpanContext(
        int(trace.trace_id, 16), int(span_id, 16), remote, TraceFlags(TraceFlags.SAMPLED)
    )
