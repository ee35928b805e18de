"""Sustainable agents by hand, and waits against a simulation of the same bucket."""

from math import inf, isclose
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.capacity import Interaction, Rules, capacity, wait_s
from gateway.domain.limits import Dimension, LaneLimits

EACH = Interaction(2_000, 30_000, 1_000, 800, max_output_tokens=4_000, duration_s=20)
LIMITS = LaneLimits(rpm=1_000, itpm=450_000, otpm=90_000, concurrency=60)


def agents_by(limits: LaneLimits, rules: Rules, per_minute: float = 2) -> dict[str, float]:
    found = capacity(limits, rules, EACH, per_minute, 10)
    return {bound.dimension.value: bound.agents for bound in found.bounds}


def test_agents_are_the_limit_over_what_one_of_them_takes_in_a_minute() -> None:
    assert agents_by(LIMITS, Rules()) == {
        "rpm": 1_000 / 1 / 2,
        "itpm": 450_000 / (2_000 + 1_000) / 2,  # reads from the cache are not counted
        "otpm": 90_000 / 800 / 2,
        "concurrency": 60 / (20 * 2 / 60),
    }


def test_a_provider_that_counts_cache_reads_carries_a_tenth() -> None:
    found = agents_by(LaneLimits(itpm=450_000), Rules(counts_cached_input=True))
    assert found == {"itpm": 450_000 / 33_000 / 2}


def test_a_provider_that_charges_the_maximum_charges_it() -> None:
    counted = Rules(counts_cached_input=True, charges_max_output=True)
    assert agents_by(LaneLimits(tpm=330_000), counted) == {"tpm": 330_000 / 33_000 / 2}
    small = Rules(charges_max_output=True)
    assert agents_by(LaneLimits(tpm=330_000), small) == {"tpm": 330_000 / 4_000 / 2}
    assert agents_by(LaneLimits(tpm=330_000), Rules()) == {"tpm": 330_000 / 3_800 / 2}


def test_the_binding_limit_comes_first_and_agents_are_whole() -> None:
    found = capacity(LIMITS, Rules(margin=0.01), EACH, 2, 10)
    assert found.binding is not None
    assert found.binding.dimension is Dimension.OTPM
    assert found.agents == 55  # 89,100 / 800 / 2 = 55.7
    assert isclose(found.binding.load, 10 / 55.6875)
    assert capacity(LaneLimits(), Rules(), EACH, 2, 10).agents is None


def test_as_many_agents_as_fit_exactly_are_whole() -> None:
    assert capacity(LaneLimits(rpm=30), Rules(), EACH, 0.1, 1).agents == 300


def test_one_more_agent_waits_longer_and_one_too_many_for_ever() -> None:
    found = capacity(LaneLimits(otpm=16_000), Rules(), EACH, 2, 9)  # it carries 10
    assert found.binding is not None
    assert 0 < found.binding.wait_s < found.binding.wait_with_one_more_s == inf


def _simulated_s(limit: float, amount: float, per_minute: float, calls: int, seed: int) -> float:
    """Mean wait in a bucket of a minute, first come first served, arrivals at random.

    Work that has come and not gone is kept in seconds of refill; beyond the bucket it waits.
    """
    dice = Random(seed)
    work_s = waited_s = 0.0
    for _ in range(calls):
        work_s = max(0.0, work_s - dice.expovariate(per_minute / 60))
        waited_s += max(0.0, work_s - 60.0)
        work_s += dice.expovariate(1.0) * amount / limit * 60
    return waited_s / calls


@pytest.mark.parametrize(
    ("amount", "per_minute"),
    [(8_000, 9), (8_000, 9.5), (20_000, 3), (20_000, 3.6)],  # of 80,000 a minute
)
def test_waits_for_a_bucket_are_those_of_a_simulation(amount: float, per_minute: float) -> None:
    said_s = wait_s(Dimension.ITPM, 80_000, amount, per_minute)
    seen_s = _simulated_s(80_000, amount, per_minute, calls=200_000, seed=7)
    assert said_s == pytest.approx(seen_s, rel=0.25)


def _places_simulated_s(places: int, holding_s: float, per_minute: float, calls: int) -> float:
    dice = Random(3)
    free_at_s = [0.0] * places
    now_s = waited_s = 0.0
    for _ in range(calls):
        now_s += dice.expovariate(per_minute / 60)
        first = min(range(places), key=free_at_s.__getitem__)
        start_s = max(now_s, free_at_s[first])
        waited_s += start_s - now_s
        free_at_s[first] = start_s + dice.expovariate(1 / holding_s)
    return waited_s / calls


@pytest.mark.parametrize(("places", "per_minute"), [(1, 2), (6, 15), (6, 17)])
def test_waits_for_a_place_are_those_of_a_simulation(places: int, per_minute: float) -> None:
    said_s = wait_s(Dimension.CONCURRENCY, places, 20, per_minute)
    assert said_s == pytest.approx(_places_simulated_s(places, 20, per_minute, 100_000), rel=0.1)


@given(st.floats(1, 1e6), st.floats(1, 1e5), st.floats(0.01, 1e3), st.floats(0.01, 10))
def test_waits_never_fall_when_agents_are_added(
    limit: float, amount: float, per_minute: float, more: float
) -> None:
    for dimension in (Dimension.ITPM, Dimension.CONCURRENCY):
        some = wait_s(dimension, min(limit, 500), amount, per_minute)
        assert 0 <= some <= wait_s(dimension, min(limit, 500), amount, per_minute + more) + 1e-9
