"""What one finished call leaves in the metrics and in the access log."""

import asyncio
import io
import itertools
import json
from dataclasses import replace

import pytest

from gateway.domain.call import Dialect, Endpoint, Priority
from gateway.domain.explanation import Attempt
from gateway.domain.facts import (
    AgentTrip,
    BreakerMove,
    BreakerScope,
    BreakerState,
    CallRecord,
    HeadroomSeen,
    Routed,
    Session,
    SessionOver,
    TurnFollowed,
)
from gateway.domain.limits import Dimension, Headroom
from gateway.domain.outcome import Fault, Reason
from gateway.domain.routes import Choice, RouteMode, Why
from gateway.domain.usage import ModelUsage, Usage
from gateway.telemetry import labels
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
    provider_dialect=Dialect.ANTHROPIC,
)
WHO = (
    'agent="alice",gen_ai_provider_name="anthropic",gen_ai_request_model="claude-sonnet-5",%s'
    'lane="sonnet",team="research"'
)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return 1_795_549_070.5


def figures(*records: CallRecord) -> dict[str, float]:
    metrics = Metrics()
    for record in records:
        metrics.call_finished(record)
    return shown(metrics)


def shown(metrics: Metrics) -> dict[str, float]:
    lines = metrics.render().decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def tokens(kind: str) -> str:
    return "gateway_tokens_total{" + WHO % f'gen_ai_token_type="{kind}",' + "}"


def test_a_call_is_counted_with_its_tokens_cost_and_times() -> None:
    seen = figures(RECORD, RECORD)
    assert seen[tokens("input")] == 200
    assert seen[tokens("cache_read")] == 1800
    assert seen[tokens("cache_write")] == 100
    assert seen[tokens("output")] == 60
    assert seen[tokens("reasoning")] == 20
    assert seen["gateway_cost_usd_total{" + WHO % "" + "}"] == pytest.approx(0.002468)
    assert seen['gateway_queue_wait_seconds_sum{lane="sonnet",priority="normal"}'] == 0.5
    assert seen['gateway_first_byte_seconds_count{lane="sonnet"}'] == 2
    assert seen["gateway_overhead_seconds_count"] == 2


def test_what_calls_were_held_for_a_cache_is_added_up() -> None:
    held = replace(RECORD, held_s=0.2)
    name = f'gateway_cache_held_seconds_total{{agent="{RECORD.agent}"}}'
    assert figures(held, held, RECORD)[name] == pytest.approx(0.4)
    assert name not in figures(RECORD)


def test_what_other_models_used_inside_a_call_is_theirs() -> None:
    inner = ModelUsage("claude-haiku-4-5", Usage(input_tokens=7, output_tokens=3))
    usage = replace(RECORD.usage, others=(inner,))
    seen = figures(replace(RECORD, usage=usage, others_microusd=(234,)))
    theirs = (WHO % "").replace("claude-sonnet-5", "claude-haiku-4-5")
    assert seen["gateway_cost_usd_total{" + WHO % "" + "}"] == pytest.approx(0.001)
    assert seen["gateway_cost_usd_total{" + theirs + "}"] == pytest.approx(0.000234)
    assert seen[tokens("output")] == 30
    assert seen[tokens("output").replace("claude-sonnet-5", "claude-haiku-4-5")] == 3


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
    monkeypatch.setattr(labels, "MAX_LANES", 3)
    seen = figures(*(replace(RECORD, model=f"m{n}", lane=f"l{n}") for n in range(50)))
    lanes = {name for name in seen if name.startswith("gateway_upstream_seconds_count")}
    assert len(lanes) == 4
    assert seen['gateway_upstream_seconds_count{lane="other"}'] == 47


def test_no_flood_of_names_makes_more_series_than_the_caps_allow(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Twice as many agents, teams, lanes, models, tags, sessions and requests: as many series."""
    caps = [name for name in vars(labels) if name.startswith("MAX_")]
    for name in caps:
        monkeypatch.setattr(labels, name, 4)

    def flooded(count: int) -> set[str]:
        every = itertools.product(range(count), (200, 429), (False, True))
        return set(
            figures(
                *(
                    replace(
                        RECORD,
                        request_id=f"req_{n}",
                        agent=f"agent-{n}",
                        team=f"team-{n}",
                        lane=f"lane-{n}",
                        model=f"model-{n}",
                        path=f"/path/{n}",
                        status=status,
                        priced=priced,
                        attempts=2,
                        earlier=(Attempt(429, 0.1, "", "rate_limited", "", f"from-{n}"),),
                        last=Attempt(200, 0.1, "", "", "", f"lane-{n}"),
                        session=Session(f"session-{n}", f"thread-{n}"),
                        tags=(f"ticket=T-{n}",),
                        routed=Routed(
                            RouteMode.ENFORCE,
                            Choice.MOVE,
                            Why.SIMPLE,
                            f"model-{n}",
                            f"cheap-{n}",
                            5,
                        ),
                    )
                    for n, status, priced in every
                )
            )
        )

    few, many = flooded(40), flooded(80)
    assert few == many
    text = " ".join(many)
    assert "session-" not in text
    assert "req_" not in text
    assert "T-3" in text
    assert "T-39" not in text


def test_unpriced_calls_are_counted_with_their_cost() -> None:
    seen = figures(replace(RECORD, priced=False), RECORD)
    who = '{gen_ai_request_model="claude-sonnet-5"}'
    assert seen["gateway_unpriced_calls_total" + who] == 1
    assert seen["gateway_unpriced_cost_usd_total" + who] == pytest.approx(0.001234)


def test_each_try_is_counted_by_what_became_of_it() -> None:
    seen = figures(
        replace(
            RECORD,
            cut=True,
            attempts=3,
            earlier=(
                Attempt(429, 0.1, "", "rate_limited", "", "opus"),
                Attempt(529, 0.1, "", "overloaded", "", "opus"),
            ),
            last=Attempt(200, 1.5, "", "", "", "sonnet"),
        )
    )
    assert seen['gateway_attempts_total{lane="opus",verdict="rate_limited"}'] == 1
    assert seen['gateway_attempts_total{lane="sonnet",verdict="ok"}'] == 1
    assert seen['gateway_upstream_repeats_total{lane="opus",verdict="rate_limited"}'] == 1
    moved = 'gateway_failovers_total{lane="opus",to_lane="sonnet",verdict="overloaded"}'
    assert seen[moved] == 1
    assert seen['gateway_cut_answers_total{lane="sonnet"}'] == 1


def test_a_lane_shows_that_no_provider_429_was_seen() -> None:
    """Prometheus sees no increase in a series that begins at one."""
    metrics = Metrics()
    metrics.call_finished(replace(RECORD, last=Attempt(200, 1.5)))
    name = 'gateway_attempts_total{lane="sonnet",verdict="rate_limited"}'
    assert shown(metrics)[name] == 0
    refused = Attempt(429, 0.1, "", "rate_limited", "", "sonnet")
    metrics.call_finished(replace(RECORD, attempts=2, earlier=(refused,)))
    assert shown(metrics)[name] == 1


@pytest.mark.parametrize(
    ("change", "outcome"),
    [
        ({}, 'outcome="settled",priority="normal",reason=""'),
        (
            {"attempts": 0, "status": 429, "reason": Reason.QUEUE_FULL},
            'outcome="refused",priority="normal",reason="queue_full"',
        ),
        ({"attempts": 0, "status": 499}, 'outcome="cancelled",priority="normal",reason=""'),
    ],
)
def test_tickets_are_counted_by_outcome(change: dict[str, object], outcome: str) -> None:
    seen = figures(replace(RECORD, **change))  # type: ignore[arg-type]
    assert seen['gateway_tickets_total{lane="sonnet",' + outcome + "}"] == 1


def test_a_stream_shows_when_it_began_and_how_fast_it_ran() -> None:
    seen = figures(replace(RECORD, last=Attempt(200, 1.5)))
    first = 'gateway_time_to_first_token_seconds_sum{lane="sonnet",priority="normal"}'
    assert seen[first] == pytest.approx(1.76 - 1.5 + 0.4)
    speed = seen['gateway_time_per_output_token_seconds_sum{lane="sonnet"}']
    assert speed == pytest.approx(1.1 / 29)


def test_routes_show_what_they_saved_and_what_they_lost() -> None:
    saved = Routed(RouteMode.SHADOW, Choice.MOVE, Why.SIMPLE, "opus", "haiku", 3000)
    lost = replace(saved, saved_microusd=-1000)
    seen = figures(replace(RECORD, routed=saved), replace(RECORD, routed=lost))
    assert (
        seen[
            'gateway_routes_total{decision="move",gen_ai_request_model="opus",'
            'gen_ai_response_model="haiku",mode="shadow",reason="simple"}'
        ]
        == 2
    )
    who = '{gen_ai_request_model="opus",mode="shadow"}'
    assert seen["gateway_route_savings_usd_total" + who] == pytest.approx(0.003)
    assert seen["gateway_route_losses_usd_total" + who] == pytest.approx(0.001)


def test_a_breaker_shows_its_state_and_counts_moves_where_they_were_made() -> None:
    metrics = Metrics()
    opened = BreakerMove(BreakerScope.LANE, "sonnet", BreakerState.OPEN, "failures")
    metrics.breaker_moved(opened)
    metrics.breaker_moved(replace(opened, to=BreakerState.HALF_OPEN, here=False))
    metrics.agent_tripped(AgentTrip("alice", "repeats", enforced=False))
    seen = shown(metrics)
    assert seen['gateway_breaker_state{name="sonnet",scope="lane"}'] == 1
    moves = {name: n for name, n in seen.items() if name.startswith("gateway_breaker_moves")}
    assert moves == {
        'gateway_breaker_moves_total{cause="failures",name="sonnet",scope="lane",to="open"}': 1
    }
    assert seen['gateway_agent_trips_total{agent="alice",cause="repeats",mode="warn"}'] == 1


def test_what_providers_say_is_left_is_shown_as_it_was_said_last() -> None:
    metrics = Metrics()
    for left in (900, 700):
        seen = (Headroom(Dimension.ITPM, 1000, left), Headroom(Dimension.RPM, 50, None))
        metrics.headroom_seen(HeadroomSeen("sonnet", seen))
    assert shown(metrics)['gateway_lane_headroom{dimension="itpm",lane="sonnet"}'] == 700


def test_a_session_shows_how_its_context_grows_and_what_is_kept_of_it() -> None:
    metrics = Metrics()
    metrics.sessions.sessions_open(3)
    metrics.sessions.turn_followed(TurnFollowed(1500, 1000, 200))
    metrics.sessions.turn_followed(TurnFollowed(600, 1500, 200))
    metrics.sessions.session_over(SessionOver(210.0, 4))
    seen = shown(metrics)
    assert seen["gateway_session_context_growth_tokens_count"] == 1
    assert seen["gateway_session_context_growth_tokens_sum"] == 500
    assert seen["gateway_session_context_shrunk_total"] == 1
    assert seen["gateway_session_context_retained_ratio_sum"] == pytest.approx(1 + 600 / 1700)
    assert seen["gateway_sessions_open"] == 3
    assert seen["gateway_session_seconds_sum"] == pytest.approx(210.0)
    assert seen["gateway_session_calls_sum"] == 4


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
