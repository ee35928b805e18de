"""Rate-limit arithmetic against the provider facts (A4, B5, B12)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.simulator.limits import Bucket, Demand, Dimension, Lane
from gateway.simulator.settings import Limits

NOW = 100.0


def lane(limits: Limits, minute_s: float = 60.0, *, openai: bool = False) -> Lane:
    return Lane(limits, minute_s, NOW, refused_cost_a_request=openai)


def admitted(target: Lane, now: float, demand: Demand | None = None) -> bool:
    if target.admit(demand or Demand(), now) is not None:
        return False
    target.release()
    return True


def test_a_full_bucket_lets_a_minutes_requests_through_at_once_and_then_one_per_interval() -> None:
    target = lane(Limits(rpm=6))
    assert [admitted(target, NOW) for _ in range(7)] == [True] * 6 + [False]
    assert not admitted(target, NOW + 9.9)
    assert admitted(target, NOW + 10.0)
    assert not admitted(target, NOW + 10.0)


def test_a_refusal_names_the_dimension_the_limit_what_is_used_and_the_wait() -> None:
    target = lane(Limits(itpm=60_000))
    assert admitted(target, NOW, Demand(input_tokens=50_000))
    refusal = target.admit(Demand(input_tokens=20_000), NOW)
    assert refusal is not None
    assert refusal.dimension is Dimension.INPUT
    assert (refusal.limit, refusal.used, refusal.requested) == (60_000, 50_000, 20_000)
    assert refusal.wait_s == pytest.approx(10.0)
    assert not refusal.too_large


def test_who_comes_back_exactly_after_the_wait_is_let_in() -> None:
    target = lane(Limits(itpm=77_777))
    assert admitted(target, NOW, Demand(input_tokens=77_700))
    refusal = target.admit(Demand(input_tokens=12_345), NOW + 0.1)
    assert refusal is not None
    assert admitted(target, NOW + 0.1 + refusal.wait_s, Demand(input_tokens=12_345))


def test_a_refused_request_takes_nothing_from_any_bucket() -> None:
    target = lane(Limits(rpm=10, itpm=1000))
    assert not admitted(target, NOW, Demand(input_tokens=1001))
    assert target.requests is not None
    assert target.requests.level == 10
    assert admitted(target, NOW, Demand(input_tokens=1000))


def test_openai_charges_a_request_even_if_it_is_refused_but_never_below_zero() -> None:
    target = lane(Limits(rpm=3, tpm=100), openai=True)
    for _ in range(2):
        assert not admitted(target, NOW, Demand(tokens=101))
    assert admitted(target, NOW, Demand(tokens=10))
    assert not admitted(target, NOW, Demand(tokens=10))
    assert target.requests is not None
    assert target.requests.level == 0


def test_a_client_that_hammers_openai_stays_locked_out_while_a_patient_one_gets_in() -> None:
    hammered = lane(Limits(rpm=6), openai=True)
    patient = lane(Limits(rpm=6), openai=True)
    for target in (hammered, patient):
        for _ in range(6):
            assert admitted(target, NOW)
    assert not any(admitted(hammered, NOW + 0.5 * i) for i in range(1, 60))
    assert admitted(patient, NOW + 10)


def test_output_is_charged_as_it_is_produced_and_may_go_below_zero() -> None:
    target = lane(Limits(otpm=600))
    demand = Demand(needs_output=True)
    assert target.admit(demand, NOW) is None
    target.produce(900, NOW)
    assert target.output is not None
    assert target.output.level == -300
    refusal = target.admit(demand, NOW)
    assert refusal is not None
    assert refusal.dimension is Dimension.OUTPUT
    assert refusal.wait_s == pytest.approx(30.1)
    assert not admitted(target, NOW + 29.9, demand)
    assert admitted(target, NOW + 30.2, demand)


def test_output_not_yet_produced_blocks_nobody() -> None:
    target = lane(Limits(otpm=10))
    assert [admitted(target, NOW, Demand(needs_output=True)) for _ in range(5)] == [True] * 5


def test_concurrency_is_held_until_release() -> None:
    target = lane(Limits(concurrency=2))
    assert target.admit(Demand(), NOW) is None
    assert target.admit(Demand(), NOW) is None
    refusal = target.admit(Demand(), NOW)
    assert refusal is not None
    assert refusal.dimension is Dimension.CONCURRENCY
    target.release()
    assert target.admit(Demand(), NOW) is None


def test_a_request_above_the_limit_itself_is_marked_as_hopeless() -> None:
    refusal = lane(Limits(tpm=1000), openai=True).admit(Demand(tokens=1001), NOW)
    assert refusal is not None
    assert refusal.too_large


def test_a_shorter_minute_scales_the_refill() -> None:
    target = lane(Limits(rpm=60), minute_s=6.0)
    for _ in range(60):
        assert admitted(target, NOW)
    assert not admitted(target, NOW + 0.09)
    assert admitted(target, NOW + 0.1)


def test_a_smaller_burst_enforces_the_limit_in_slices() -> None:
    target = lane(Limits(rpm=60, burst=1 / 60))
    assert admitted(target, NOW)
    assert not admitted(target, NOW)
    assert admitted(target, NOW + 1)


def test_no_limits_refuse_nothing() -> None:
    target = lane(Limits())
    huge = Demand(input_tokens=10**9, tokens=10**9, needs_output=True)
    assert all(admitted(target, NOW, huge) for _ in range(100))


def test_a_neighbour_takes_only_what_is_there() -> None:
    target = lane(Limits(itpm=1000))
    assert target.take_available(Dimension.INPUT, 700, NOW) == 700
    assert target.take_available(Dimension.INPUT, 700, NOW) == 300
    assert target.take_available(Dimension.INPUT, 700, NOW + 6) == 100


@given(
    limit=st.integers(1, 1000),
    steps=st.lists(st.tuples(st.floats(0, 5), st.integers(1, 100)), max_size=60),
)
def test_no_sequence_gets_more_than_the_burst_plus_the_rate(
    limit: int, steps: list[tuple[float, int]]
) -> None:
    bucket = Bucket.full(limit, 60.0, 1.0, NOW)
    now, taken = NOW, 0
    for wait, amount in steps:
        now += wait
        if bucket.has(amount, now):
            bucket.take(amount, now)
            taken += amount
        assert taken <= limit + (now - NOW) * limit / 60 + 1e-3


@given(limit=st.integers(1, 10**7), used=st.integers(0, 10**7), later=st.floats(0, 100))
def test_full_again_is_exactly_the_time_to_refill(limit: int, used: int, later: float) -> None:
    bucket = Bucket.full(limit, 60.0, 1.0, NOW)
    bucket.take(min(used, limit), NOW)
    wait = bucket.full_s(NOW)
    assert bucket.refill(NOW + wait + later) == pytest.approx(bucket.capacity, abs=1e-3)
