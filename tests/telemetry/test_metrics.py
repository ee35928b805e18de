"""What one finished call leaves in the metrics and in the access log."""

import asyncio
import io
import json
from dataclasses import replace

import pytest

from gateway.domain.call import Dialect, Endpoint, Priority
from gateway.domain.facts import CallRecord
from gateway.domain.outcome import Fault, Reason
from gateway.domain.usage import Usage
from gateway.telemetry import metrics as metrics_module
from gateway.telemetry.access_log import AccessLog
from gateway.telemetry.metrics import Metrics

RECORD = CallRecord(
    request_id="req_1",
    agent="alice",
    team="research",
    dialect=Dialect.ANTHROPIC,
    endpoint=Endpoint.MESSAGES,
    provider="claude",
    lane="sonnet",
    model="claude-sonnet-5",
    priority=Priority.NORMAL,
    stream=True,
    status=200,
    reason=None,
    fault=None,
    upstream_request_id="req_up",
    usage=Usage(
        input_tokens=100,
        cache_read_tokens=900,
        cache_write_tokens=50,
        output_tokens=30,
        reasoning_tokens=10,
    ),
    estimated_input_tokens=1000,
    estimated_output_tokens=40,
    wait_s=0.25,
    upstream_s=1.5,
    first_byte_s=0.4,
    total_s=1.76,
    overhead_s=0.01,
    cost_microusd=1234,
    priced=True,
    attempts=1,
    cut=False,
    path="/v1/messages",
)
WHO = 'agent="alice",lane="sonnet",model="claude-sonnet-5",team="research"'


def figures(*records: CallRecord) -> dict[str, float]:
    metrics = Metrics()
    for record in records:
        metrics.call_finished(record)
    lines = metrics.render().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def tokens(kind: str) -> str:
    labels = 'agent="alice",kind="%s",lane="sonnet",model="claude-sonnet-5",team="research"'
    return "gateway_tokens_total{" + labels % kind + "}"


def test_a_call_is_counted_with_its_tokens_cost_and_times() -> None:
    seen = figures(RECORD, RECORD)
    assert seen[tokens("input")] == 200
    assert seen[tokens("cache_read")] == 1800
    assert seen[tokens("cache_write")] == 100
    assert seen[tokens("output")] == 60
    assert seen[tokens("reasoning")] == 20
    assert seen["gateway_cost_usd_total{" + WHO + "}"] == pytest.approx(0.002468)
    assert seen['gateway_queue_wait_seconds_sum{lane="sonnet",priority="normal"}'] == 0.5
    assert seen['gateway_first_byte_seconds_count{lane="sonnet"}'] == 2
    assert seen["gateway_overhead_seconds_count"] == 2


@pytest.mark.parametrize(
    ("change", "error_type"),
    [
        ({}, ""),
        (
            {"status": 429, "reason": Reason.AGENT_BUDGET, "fault": Fault.POLICY},
            "policy_agent_budget",
        ),
        ({"status": 404, "fault": Fault.CALLER}, "caller_http_404"),
        ({"status": 529, "fault": Fault.PROVIDER}, "provider_http_529"),
        ({"status": 499, "fault": Fault.CALLER}, "caller_http_499"),
    ],
)
def test_failures_say_whose_fault_they_are(change: dict[str, object], error_type: str) -> None:
    seen = figures(replace(RECORD, **change))  # type: ignore[arg-type]
    [line] = [name for name in seen if name.startswith("gateway_calls_total")]
    assert f'error_type="{error_type}"' in line


def test_a_call_refused_before_it_was_sent_leaves_no_tokens() -> None:
    seen = figures(replace(RECORD, attempts=0, usage=Usage(), status=429, reason=Reason.QUEUE_FULL))
    assert not [name for name in seen if name.startswith("gateway_tokens")]
    assert seen['gateway_refusals_total{reason="queue_full"}'] == 1


def test_labels_from_outside_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_module, "MAX_MODELS", 3)
    monkeypatch.setattr(metrics_module, "MAX_LANES", 3)
    seen = figures(*(replace(RECORD, model=f"m{n}", lane=f"l{n}") for n in range(50)))
    lanes = {name for name in seen if name.startswith("gateway_upstream_seconds_count")}
    assert len(lanes) == 4
    assert seen['gateway_upstream_seconds_count{lane="other"}'] == 47


def test_unpriced_cut_and_repeated_calls_are_counted_apart() -> None:
    seen = figures(replace(RECORD, priced=False, cut=True, attempts=3))
    assert seen['gateway_unpriced_calls_total{model="claude-sonnet-5"}'] == 1
    assert seen['gateway_cut_answers_total{lane="sonnet"}'] == 1
    assert seen['gateway_upstream_repeats_total{lane="sonnet"}'] == 2


class Clock:
    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1_795_549_070.5


async def test_the_access_log_has_one_json_line_for_each_call() -> None:
    stream = io.BytesIO()
    log = AccessLog(stream, Clock())
    log.call_finished(RECORD)
    log.call_finished(replace(RECORD, request_id="req_2"))
    async with asyncio.timeout(5):
        while not stream.getvalue():  # noqa: ASYNC110 - written by a timer, together
            await asyncio.sleep(0.01)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["request_id"] for line in lines] == ["req_1", "req_2"]
    assert lines[0]["time"].startswith("2026-11-24T19:37:50.5")
    expected = {"agent": "alice", "lane": "sonnet", "status": 200, "wait_ms": 250.0,
                "input_tokens": 100, "cost_microusd": 1234, "upstream_request_id": "req_up"}  # fmt: skip
    assert lines[0].items() >= expected.items()


async def test_a_log_that_cannot_be_written_never_fails_a_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "no space left on device")

    log = AccessLog(Full(), Clock())
    for _ in range(3):
        log.call_finished(RECORD)
        log.flush()
    assert len(caplog.records) == 1
