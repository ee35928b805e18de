"""The benchmark's figures, from logs written by hand. Times are real; the scale is 0.1."""

from typing import Any

import pytest

from tests.bench.fleet_agents import Agent, Call, fleet
from tests.bench.fleet_figures import Span, figures

SPAN = Span(begin_s=100.0, warm_s=100.0, end_s=112.0, scale=0.1)  # two provider minutes
HEAVY = Agent("heavy", "normal", 1, weight=2.0)
FIRST, SECOND = Agent("first", "normal", 1), Agent("second", "normal", 1)
BOUND = Agent("bound", "normal", 1, budget_tpm=10_000)


def record(
    call: str, started_s: float, *, tokens: int = 1_000, output: int = 0, status: int = 200
) -> dict[str, Any]:
    whole = status == 200
    return {
        "client": call,
        "started_s": started_s,
        "ended_s": started_s + 1.0,
        "status": status,
        "whole": whole,
        "limited_by": "" if whole else "input_tokens",
        "input_tokens": tokens if whole else 0,
        "output_tokens": output,
        "charged": {"requests": 1, "input_tokens": tokens, "output_tokens": output}
        if whole
        else {},
    }


def call(name: str, began_s: float, end: str = "answered") -> Call:
    return Call(name, name.partition("/")[0], began_s, end=end)


def test_a_share_is_of_what_the_neighbour_left() -> None:
    found = figures([FIRST], [], [record("first/1", 101, tokens=64_000)], {}, SPAN)
    assert found["limit_shares"]["itpm"] == pytest.approx(0.4)
    beside = figures(
        [FIRST], [], [record("first/1", 101, tokens=64_000)], {"input_tokens": 32_000}, SPAN
    )
    assert beside["limit_shares"]["itpm"] == pytest.approx(0.5)


def test_refused_attempts_are_counted_from_the_first_second_on_and_by_call() -> None:
    log = [
        record("first/1", 100.05, status=429),
        record("first/2", 101.0, status=429),
        record("first/2", 102.0, status=429),
        record("first/2", 103.0),
    ]
    found = figures([FIRST], [call("first/2", 101.0)], log, {}, SPAN)
    assert found["provider_429s"] == 3
    assert found["provider_429s_after_1s"] == 2
    assert found["calls_that_met_429"] == 0.5
    assert found["wasted_requests"] == 3
    assert found["wait_s"]["normal"]["p50"] == pytest.approx(20.0)


def test_what_the_end_cut_is_useful_and_not_wasted() -> None:
    log = [{**record("first/1", 111.5), "whole": False}]
    found = figures([FIRST], [call("first/1", 111.0, "cut")], log, {}, SPAN)
    assert (found["wasted_requests"], found["failed"]) == (0, 0)
    assert found["limit_shares"]["itpm"] > 0


def test_a_call_that_still_waits_counts_with_what_it_has_waited() -> None:
    found = figures([FIRST], [call("first/1", 107.0, "cut")], [], {}, SPAN)
    assert found["wait_s"]["normal"]["p99"] == pytest.approx(50.0)


def test_fairness_is_of_equals_and_of_weights() -> None:
    log = [record("first/1", 101), record("second/1", 101, tokens=3_000)]
    log.append(record("heavy/1", 101, tokens=4_000))
    found = figures([HEAVY, FIRST, SECOND], [], log, {}, SPAN)
    assert found["jain"] == pytest.approx(0.8)
    assert found["weight_error"] == pytest.approx(0.0)
    assert found["weight_error_worst"] == pytest.approx(0.5)


def test_the_budget_peak_is_the_fullest_sliding_minute() -> None:
    log = [record("bound/1", 101, tokens=4_000, output=800), record("bound/2", 104, tokens=4_000)]
    log.append(record("bound/3", 109.5, tokens=5_000))
    found = figures([BOUND], [], log, {}, SPAN)
    assert found["budget_peak"] == pytest.approx(0.9)  # of 10,000: the second and the third call


@pytest.mark.parametrize("count", [5, 10, 20, 50])
def test_fleets_have_two_urgent_agents_and_the_size_asked_for(count: int) -> None:
    agents = fleet(count)
    assert len(agents) == len({agent.name for agent in agents}) == count
    assert sum(agent.band == "urgent" for agent in agents) == 2
