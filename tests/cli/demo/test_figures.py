"""What a run means, from a log written by hand."""

import pytest

from gateway.cli.demo.figures import Figures, Period, binding, figures, quantile, share
from gateway.cli.demo.fleet import Member, Task, fleet
from gateway.cli.demo.provider_side import Record
from gateway.cli.demo.running import Attempted, End, Run
from gateway.domain.call import Dialect, Priority
from gateway.domain.limits import LaneLimits

ONCALL, CODER = fleet(2)
LIMITS = {Dialect.ANTHROPIC: LaneLimits(rpm=10, itpm=1_000, otpm=100)}


def record(
    task: str, started_s: float, *, status: int = 200, took_s: float = 1.0, input_tokens: int = 100
) -> Record:
    whole = status == 200
    used = {"requests": 1, "input_tokens": input_tokens, "output_tokens": 20}
    return Record(
        seq=1,
        time=1_000.0 + started_s,
        started_s=started_s,
        ended_s=started_s + took_s,
        dialect="anthropic",
        client=task,
        status=status,
        input_tokens=input_tokens if whole else 0,
        cache_read_tokens=0,
        cache_write_tokens=0,
        output_tokens=20 if whole else 0,
        charged=used if whole else {},
        whole=whole,
    )


def attempted(member: Member, number: int, began_s: float, end: End) -> Attempted:
    task = Task(f"{member.name}/{number}", member, "", 10)
    return Attempted(task, 1_000.0 + began_s, end)


def run_of(*tasks: Attempted) -> Run:
    return Run("a run", (ONCALL, CODER), 20.0, 1, list(tasks))


def found(run: Run, *records: Record) -> Figures:
    return figures(run, records, Period(0.0, 20.0), LIMITS, minute_s=10.0)


def test_a_wait_ends_when_the_answered_attempt_arrives() -> None:
    run = run_of(attempted(CODER, 1, 2.0, End.ANSWERED))
    got = found(run, record("coder/1", 2.0, status=429), record("coder/1", 5.5))
    assert got.waits[Priority.NORMAL] == [3.5]
    assert got.waits[Priority.URGENT] == []


def test_refused_attempts_are_wasted_and_belong_to_their_agent() -> None:
    run = run_of(attempted(CODER, 1, 0.0, End.FAILED), attempted(ONCALL, 1, 0.0, End.ANSWERED))
    got = found(run, record("coder/1", 0.0, status=429), record("oncall/1", 0.0))
    assert (got.rate_limited, got.wasted) == (1, 1)
    assert (got.agents["coder"].rate_limited, got.agents["coder"].failed) == (1, 1)
    assert (got.agents["oncall"].tokens, got.agents["oncall"].rate_limited) == (120, 0)
    assert got.tokens == 120


def test_what_the_end_of_the_demo_cut_is_neither_failed_nor_wasted() -> None:
    run = run_of(attempted(CODER, 1, 19.0, End.UNFINISHED))
    got = found(run, record("coder/1", 19.5, status=0))
    assert (got.wasted, got.count(End.FAILED), got.count(End.UNFINISHED)) == (0, 0, 1)


def test_a_share_is_of_the_full_bucket_and_what_was_refilled() -> None:
    run = run_of()
    got = found(run, record("coder/1", 5.0, input_tokens=900), record("coder/2", 15.0))
    assert got.shares[Dialect.ANTHROPIC] == pytest.approx(
        {"rpm": 2 / 30, "itpm": 1 / 3, "otpm": 40 / 300}
    )
    assert binding([got], Dialect.ANTHROPIC) == "itpm"


def test_output_counts_when_it_is_produced_and_input_on_arrival() -> None:
    one = record("coder/1", 9.0, took_s=4.0)
    period = Period(10.0, 20.0)
    assert share([one], "output_tokens", 100, period, 10.0) == pytest.approx(0.075)
    assert share([one], "input_tokens", 100, period, 10.0) == 0.0


@pytest.mark.parametrize(
    ("q", "expected"), [(0.0, 1.0), (0.5, 5.0), (0.95, 10.0), (0.9, 9.0), (1.0, 10.0)]
)
def test_a_quantile_is_one_of_the_values(q: float, expected: float) -> None:
    assert quantile([float(n) for n in range(1, 11)], q) == expected


def test_no_values_have_no_quantile() -> None:
    assert quantile([], 0.5) is None
