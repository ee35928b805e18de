"""Traces of real calls, at a real receiver of OTLP over HTTP."""

import gzip
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from gateway.config.tracing import TracingSettings
from gateway.domain.limits import LaneLimits
from gateway.simulator import RunningSimulator, SimulatorSettings
from tests.fixtures.echo import running_echo
from tests.fixtures.gateway import configured_lane, gateway_settings, running_gateway
from tests.integration.speaking import ANTHROPIC, STREAMED, agent

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
CALLER = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "vendor=1"}


@dataclass
class Receiver:
    """What has arrived."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        request = ExportTraceServiceRequest.FromString(body)
        for resource in request.resource_spans:
            attributes = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.resources.append(attributes)
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that takes everything."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/v1/traces"
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            receiver.headers.append({key.lower(): value for key, value in self.headers.items()})
            receiver.take(body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def ids(span: Span) -> tuple[str, str, str]:
    return span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex()


async def test_a_call_becomes_a_tree_of_spans_in_its_callers_trace(
    simulator: RunningSimulator, store_url: str
) -> None:
    """A refused call and an answered one of one trace, and one call without a trace."""
    simulator.state.configure(SimulatorSettings(limits={}, tokens_per_s=300))
    settings = gateway_settings(simulator.url)
    lane = configured_lane(
        "narrow",
        settings.topology.providers["claude"],
        (ANTHROPIC.model,),
        LaneLimits(concurrency=1),
    )
    settings = gateway_settings(simulator.url, lanes=[lane])
    with receiving() as receiver:
        tracing = TracingSettings(receiver.url, 1.0, "api-key=sesame")
        traced = replace(settings, tracing=tracing)
        async with (
            running_gateway(traced, store_url) as gateway,
            agent(gateway.url) as alice,
        ):
            async with alice.hear(STREAMED[0], 100) as answer:
                assert answer.status_code == 200
                waiting = await alice.say(
                    ANTHROPIC, 10, extra={**CALLER, "x-gateway-max-wait": "0"}
                )
                assert waiting.status == 429
                await answer.aread()
            done = await alice.say(ANTHROPIC, 10, extra=CALLER)
            assert done.status == 200
        spans = list(receiver.spans)
    assert receiver.headers[0]["api-key"] == "sesame"
    assert receiver.resources[0]["service.name"] == "agent-gateway"
    mine = [span for span in spans if span.trace_id.hex() == TRACE]
    calls = [span for span in mine if span.kind == Span.SPAN_KIND_SERVER]
    assert [ids(span)[2] for span in calls] == [SPAN, SPAN]
    answered = next(span for span in calls if numbers(span)["http.response.status_code"] == 200)
    [attempt] = [span for span in mine if span.kind == Span.SPAN_KIND_CLIENT]
    assert ids(attempt)[2] == ids(answered)[1]
    used = simulator.state.ledger.log[-1]
    assert numbers(answered)["gen_ai.usage.output_tokens"] == used.output_tokens
    assert numbers(answered)["gen_ai.usage.input_tokens"] == used.input_tokens
    assert answered.start_time_unix_nano <= attempt.start_time_unix_nano
    assert attempt.end_time_unix_nano <= answered.end_time_unix_nano
    [other] = [span for span in spans if span.trace_id.hex() != TRACE and not span.parent_span_id]
    assert other.kind == Span.SPAN_KIND_SERVER, "a call without a trace begins one"


def numbers(span: Span) -> dict[str, int]:
    return {one.key: one.value.int_value for one in span.attributes}


@pytest.mark.parametrize("traced", [True, False], ids=["traced", "not traced"])
async def test_the_provider_gets_the_attempts_span_only_where_calls_are_traced(
    store_url: str, traced: bool
) -> None:
    with receiving() as receiver:
        async with running_echo() as echo:
            echo.says(ANSWER)
            settings = gateway_settings(echo.url)
            if traced:
                settings = replace(settings, tracing=TracingSettings(receiver.url))
            async with running_gateway(settings, store_url) as gateway, agent(gateway.url) as one:
                await one.say(ANTHROPIC, extra=CALLER)
                await one.say(ANTHROPIC)
            first, second = (dict(seen.headers) for seen in echo.heard)
        spans = list(receiver.spans)
    assert first[b"tracestate"] == b"vendor=1"
    if not traced:
        assert first[b"traceparent"].decode() == CALLER["traceparent"]
        assert b"traceparent" not in second
        assert spans == []
        return
    version, trace, span, flags = first[b"traceparent"].decode().split("-")
    assert (version, trace, flags) == ("00", TRACE, "01")
    attempts = {ids(one)[:2] for one in spans if one.kind == Span.SPAN_KIND_CLIENT}
    assert (trace, span) in attempts
    assert tuple(second[b"traceparent"].decode().split("-")[1:3]) in attempts


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.modules['opentelemetry'] = None\nimport gateway.wiring.serving",
        "import sys, gateway.wiring.serving\n"
        "ours = {'gateway.telemetry.traces', 'opentelemetry.exporter'} & set(sys.modules)\n"
        "assert not ours, ours",
    ],
    ids=["not installed", "not wanted"],
)
def test_a_gateway_that_does_not_trace_needs_no_libraries_for_it(code: str) -> None:
    """In a process of its own, since the tests import them."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


def test_a_gateway_that_is_to_trace_says_what_is_not_installed() -> None:
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "from gateway.config.tracing import TracingSettings as T\n"
        "from gateway.wiring.tracing import demand_otel\n"
        "demand_otel(T()); demand_otel(T('http://localhost:4318'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert b"Install agent-gateway[otel]" in done.stderr
